//! Several databases as one: the database under test with what is set up beside it, such as [`super::Tcpdump`].
//!
//! Promises: on each node they are set up in the order given and torn down in the reverse one; of a capability that
//! several have, the first one's counts, and log files, ports, ends and undo commands are everybody's.

use super::{Db, End, Kill, LogFiles, LogPath, Members, Metrics, Pause, Primary, Step};
use crate::site::{Site, Sites};
use std::rc::Rc;

/// In the order of their set-up.
pub struct Compose {
    name: String,
    parts: Vec<Rc<dyn Db>>,
}

impl Compose {
    /// Of these.
    pub fn new(parts: Vec<Rc<dyn Db>>) -> Compose {
        let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
        Compose { name: names.join("+"), parts }
    }
}

impl Db for Compose {
    fn name(&self) -> &str {
        &self.name
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        self.parts.iter().flat_map(|part| part.ports(at)).collect()
    }

    fn preflight<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            for part in &self.parts {
                part.preflight(sites, at).await?;
            }
            Ok(())
        })
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            for part in &self.parts {
                part.set_up(sites, at).await?;
            }
            Ok(())
        })
    }

    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mut done = Ok(());
            for part in self.parts.iter().rev() {
                let torn = part.tear_down(sites, at).await;
                done = done.and(torn);
            }
            done
        })
    }

    fn settle<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mut done = Ok(());
            for part in self.parts.iter().rev() {
                let settled = part.settle(sites, at).await;
                done = done.and(settled);
            }
            done
        })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        self.parts.iter().rev().flat_map(|part| part.undo(at)).collect()
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        Box::pin(async move {
            let mut ends = Vec::new();
            for part in &self.parts {
                ends.extend(part.ends(at).await?);
            }
            Ok(ends)
        })
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        self.parts.iter().find_map(|part| part.metrics(at))
    }

    fn has_clock(&self) -> bool {
        self.parts.iter().any(|part| part.has_clock())
    }

    fn kill(&self) -> Option<&dyn Kill> {
        self.parts.iter().find_map(|part| part.kill())
    }

    fn pause(&self) -> Option<&dyn Pause> {
        self.parts.iter().find_map(|part| part.pause())
    }

    fn primary(&self) -> Option<&dyn Primary> {
        self.parts.iter().find_map(|part| part.primary())
    }

    fn members(&self) -> Option<&dyn Members> {
        self.parts.iter().find_map(|part| part.members())
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        let any = self.parts.iter().any(|part| part.log_files().is_some());
        any.then_some(self as &dyn LogFiles)
    }
}

impl LogFiles for Compose {
    fn log_files(&self, sites: &Sites, at: &Site) -> Vec<LogPath> {
        let parts = self.parts.iter().filter_map(|part| part.log_files());
        parts.flat_map(|logs| logs.log_files(sites, at)).collect()
    }
}
