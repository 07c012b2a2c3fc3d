//! A database that sees another cluster than there is: every place is looked up in what a function makes of the cluster. Jepsen's
//! `map-test`, and as strict as its name: every method sees it, and no capability is claimed that the database has not.

use super::{Db, End, Kill, LogFiles, LogPath, Members, Metrics, Pause, Primary, Started, Step};
use crate::site::{Site, Sites};
use ::elastickv::admin::Order;
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use std::rc::Rc;

/// Why a method of a capability is never called in vain.
const GIVEN: &str = "a capability is given only if the database behind it has it";

/// The database behind it, and the function.
pub struct MapTest {
    inner: Rc<dyn Db>,
    map: Box<dyn Fn(&Sites) -> Sites>,
}

impl MapTest {
    /// `inner`, which sees what `map` makes of the cluster: [`Sites::map`] keeps the nodes waiting for each other, and a cluster of
    /// fewer nodes has a barrier of its own. Methods that are told one place only see what becomes of a cluster of it alone.
    pub fn new(inner: Rc<dyn Db>, map: impl Fn(&Sites) -> Sites + 'static) -> MapTest {
        MapTest { inner, map: Box::new(map) }
    }

    /// What becomes of one place that is told alone.
    fn alone(&self, at: &Site) -> Site {
        here(&(self.map)(&Sites::new(vec![at.clone()])), at).clone()
    }

    fn killing(&self) -> &dyn Kill {
        self.inner.kill().expect(GIVEN)
    }

    fn pausing(&self) -> &dyn Pause {
        self.inner.pause().expect(GIVEN)
    }

    fn leading(&self) -> &dyn Primary {
        self.inner.primary().expect(GIVEN)
    }

    fn joining(&self) -> &dyn Members {
        self.inner.members().expect(GIVEN)
    }

    fn logging(&self) -> &dyn LogFiles {
        self.inner.log_files().expect(GIVEN)
    }
}

/// The place as the mapped cluster has it; one that was left out of it stays as it is.
fn here<'a>(mapped: &'a Sites, at: &'a Site) -> &'a Site {
    mapped.of(at.node).unwrap_or(at)
}

impl Db for MapTest {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        self.inner.ports(&self.alone(at))
    }

    fn preflight<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.inner.preflight(&mapped, here(&mapped, at)).await
        })
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.inner.set_up(&mapped, here(&mapped, at)).await
        })
    }

    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.inner.tear_down(&mapped, here(&mapped, at)).await
        })
    }

    fn settle<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.inner.settle(&mapped, here(&mapped, at)).await
        })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        self.inner.undo(&self.alone(at))
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        Box::pin(async move { self.inner.ends(&self.alone(at)).await })
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        self.inner.metrics(&self.alone(at))
    }

    fn has_clock(&self) -> bool {
        self.inner.has_clock()
    }

    fn kill(&self) -> Option<&dyn Kill> {
        self.inner.kill().map(|_| self as &dyn Kill)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        self.inner.pause().map(|_| self as &dyn Pause)
    }

    fn primary(&self) -> Option<&dyn Primary> {
        self.inner.primary().map(|_| self as &dyn Primary)
    }

    fn members(&self) -> Option<&dyn Members> {
        self.inner.members().map(|_| self as &dyn Members)
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        self.inner.log_files().map(|_| self as &dyn LogFiles)
    }
}

impl Kill for MapTest {
    fn kill<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.killing().kill(&mapped, here(&mapped, at)).await
        })
    }

    fn start<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, Started> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.killing().start(&mapped, here(&mapped, at)).await
        })
    }

    fn goes_down<'a>(&'a self, at: &'a Site) -> Step<'a> {
        Box::pin(async move { self.killing().goes_down(&self.alone(at)).await })
    }

    fn running<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, bool> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.killing().running(&mapped, here(&mapped, at)).await
        })
    }
}

impl Pause for MapTest {
    fn pause<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.pausing().pause(&mapped, here(&mapped, at)).await
        })
    }

    fn resume<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.pausing().resume(&mapped, here(&mapped, at)).await
        })
    }
}

impl Primary for MapTest {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        Box::pin(async move { self.leading().primaries(&(self.map)(sites)).await })
    }

    fn set_up_primary<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let mapped = (self.map)(sites);
            self.leading().set_up_primary(&mapped, here(&mapped, at)).await
        })
    }
}

impl Members for MapTest {
    fn carry_out<'a>(&'a self, sites: &'a Sites, order: Order) -> Step<'a, u64> {
        Box::pin(async move { self.joining().carry_out(&(self.map)(sites), order).await })
    }
}

impl LogFiles for MapTest {
    fn log_files(&self, sites: &Sites, at: &Site) -> Vec<LogPath> {
        let mapped = (self.map)(sites);
        self.logging().log_files(&mapped, here(&mapped, at))
    }
}
