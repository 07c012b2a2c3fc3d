//! A database whose processes are started again when they end by themselves, as a supervisor on the host would do. Jepsen's
//! `db.watchdog`.
//!
//! Promises: what the nemesis killed stays dead until it starts it, and what was torn down stays so: killing, starting and tearing
//! down wait for a look that is under way, and no look begins before they are done. It runs as tasks of the `LocalSet` that it is
//! used in, one a node.

use super::{Db, End, Kill, LogFiles, Members, Metrics, Pause, Primary, Started, Step};
use crate::site::{Site, Sites};
use harness::cli::output::note;
use harness::cluster::NodeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

/// Between two looks, if nobody says otherwise.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Why the database behind it can be killed.
const CHECKED: &str = "a watchdog is made only for what can be killed";

/// The database behind it, and who watches which node.
pub struct Watchdog {
    inner: Rc<dyn Db>,
    interval: Duration,
    watched: RefCell<BTreeMap<NodeId, Watched>>,
}

/// A node that is watched, until this is dropped.
struct Watched {
    /// Whether it should run. Who holds it is the only one to do anything.
    should_run: Rc<Mutex<bool>>,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchdog {
    /// Looks after every `interval`; what does not say within one whether it runs counts as dead.
    pub fn new(inner: Rc<dyn Db>, interval: Duration) -> Result<Watchdog, String> {
        match inner.kill() {
            Some(_) => Ok(Watchdog { inner, interval, watched: RefCell::default() }),
            None => Err(format!(
                "{} cannot be started by itself, so a watchdog would have nothing to do: leave it out",
                inner.name()
            )),
        }
    }

    fn behind(&self) -> &dyn Kill {
        self.inner.kill().expect(CHECKED)
    }

    fn watch(&self, sites: &Sites, at: &Site) {
        let should_run = Rc::new(Mutex::new(true));
        let patrol = Patrol {
            inner: Rc::clone(&self.inner),
            interval: self.interval,
            sites: sites.clone(),
            at: at.clone(),
            should_run: Rc::clone(&should_run),
        };
        let watched = Watched { should_run, task: spawn_local(patrol.walk()) };
        self.watched.borrow_mut().insert(at.node, watched);
    }

    fn should_run(&self, node: NodeId) -> Rc<Mutex<bool>> {
        let watched = self.watched.borrow();
        watched.get(&node).map(|watched| Rc::clone(&watched.should_run)).unwrap_or_default()
    }
}

/// What one task needs.
struct Patrol {
    inner: Rc<dyn Db>,
    interval: Duration,
    sites: Sites,
    at: Site,
    should_run: Rc<Mutex<bool>>,
}

impl Patrol {
    async fn walk(self) {
        loop {
            sleep(self.interval).await;
            let should_run = self.should_run.lock().await;
            if *should_run {
                self.look().await;
            }
        }
    }

    async fn look(&self) {
        let kill = self.inner.kill().expect(CHECKED);
        match timeout(self.interval, kill.running(&self.sites, &self.at)).await {
            Ok(Ok(true)) => return,
            Ok(Ok(false)) | Err(_) => {}
            // A host that cannot be asked can start nothing either.
            Ok(Err(error)) => return tracing::warn!("the watchdog cannot look: {error}"),
        }
        match kill.start(&self.sites, &self.at).await {
            Ok(Started::Started) => {
                note(format_args!("the watchdog started {} again", self.at.node))
            }
            Ok(Started::AlreadyRunning) => {}
            Err(error) => tracing::warn!("the watchdog cannot start {}: {error}", self.at.node),
        }
    }
}

impl Db for Watchdog {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        self.inner.ports(at)
    }

    fn preflight<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        self.inner.preflight(sites, at)
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.inner.set_up(sites, at).await?;
            self.watch(sites, at);
            Ok(())
        })
    }

    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let should_run = self.should_run(at.node);
            *should_run.lock().await = false;
            self.watched.borrow_mut().remove(&at.node);
            self.inner.tear_down(sites, at).await
        })
    }

    fn settle<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        self.inner.settle(sites, at)
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        self.inner.undo(at)
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        self.inner.ends(at)
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        self.inner.metrics(at)
    }

    fn has_clock(&self) -> bool {
        self.inner.has_clock()
    }

    fn kill(&self) -> Option<&dyn Kill> {
        Some(self)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        self.inner.pause()
    }

    fn primary(&self) -> Option<&dyn Primary> {
        self.inner.primary()
    }

    /// Who wipes a node starts it by itself: the two would start it over each other.
    fn members(&self) -> Option<&dyn Members> {
        None
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        self.inner.log_files()
    }
}

impl Kill for Watchdog {
    fn kill<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        Box::pin(async move {
            let should_run = self.should_run(at.node);
            let mut should_run = should_run.lock().await;
            *should_run = false;
            self.behind().kill(sites, at).await
        })
    }

    fn start<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, Started> {
        Box::pin(async move {
            let should_run = self.should_run(at.node);
            let mut should_run = should_run.lock().await;
            let started = self.behind().start(sites, at).await?;
            *should_run = true;
            Ok(started)
        })
    }

    fn goes_down<'a>(&'a self, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            let should_run = self.should_run(at.node);
            *should_run.lock().await = false;
            self.behind().goes_down(at).await
        })
    }

    fn running<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, bool> {
        self.behind().running(sites, at)
    }
}
