//! A watchdog and real daemons of this machine.

use crate::fake::{cluster, in_real_time, nowhere};
use crate::here::{base, until};
use harness::cluster::NodeId;
use real_cluster::db::one_daemon::{self, OneDaemon};
use real_cluster::db::{Daemon, Db, Kill, Started, Step, Watchdog};
use real_cluster::remote::here::Here;
use real_cluster::site::{Site, Sites};
use std::cell::Cell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(200);
/// Many looks.
const QUIET: Duration = Duration::from_millis(1500);

/// A program that does nothing, for ever.
struct Sleeper;

impl OneDaemon for Sleeper {
    fn daemon(&self, _: &Sites, at: &Site) -> Daemon {
        let words = ["sh", "-c", "while :; do sleep 1000; done"].map(str::to_owned).to_vec();
        Daemon { folder: at.path("daemon"), log: at.path("log.txt"), words }
    }
}

impl Db for Sleeper {
    fn name(&self) -> &str {
        "sleeper"
    }

    fn ports(&self, _: &Site) -> Vec<(String, u16)> {
        Vec::new()
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { Kill::start(self, sites, at).await.map(drop) })
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { one_daemon::remove(&self.kept(at), at, &[]).await })
    }

    fn kill(&self) -> Option<&dyn Kill> {
        Some(self)
    }
}

/// A database that never says whether it runs.
struct Silent {
    starts: Cell<u32>,
}

impl Db for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn ports(&self, _: &Site) -> Vec<(String, u16)> {
        Vec::new()
    }

    fn set_up<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a> {
        Box::pin(ready(Ok(())))
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a> {
        Box::pin(ready(Ok(())))
    }

    fn kill(&self) -> Option<&dyn Kill> {
        Some(self)
    }
}

impl Kill for Silent {
    fn kill<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a, u64> {
        Box::pin(ready(Ok(0)))
    }

    fn start<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a, Started> {
        self.starts.set(self.starts.get() + 1);
        Box::pin(ready(Ok(Started::AlreadyRunning)))
    }

    fn running<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a, bool> {
        Box::pin(pending())
    }
}

#[test]
fn what_does_not_say_in_time_whether_it_runs_counts_as_dead() {
    let silent = Rc::new(Silent { starts: Cell::new(0) });
    let db = Watchdog::new(Rc::clone(&silent) as Rc<dyn Db>, INTERVAL).expect("it can be killed");
    let sites = nowhere(1);
    let at = sites.of(NodeId(1)).expect("there");
    in_real_time(async {
        db.set_up(&sites, at).await.expect("done");
        until("two starts", async || silent.starts.get() >= 2).await;
        db.tear_down(&sites, at).await.expect("done");
        let starts = silent.starts.get();
        tokio::time::sleep(QUIET).await;
        assert_eq!(silent.starts.get(), starts, "it was torn down");
    });
}

fn watched(test: &str, block: u8) -> (Watchdog, Sites) {
    let sites = cluster(2, block, &base(test), |node| Rc::new(Here::named(format!("n{node}"))));
    (Watchdog::new(Rc::new(Sleeper), INTERVAL).expect("it can be killed"), sites)
}

async fn process(at: &Site) -> Option<u32> {
    Sleeper.kept(at).running(&*at.remote).await.expect("told")
}

/// As a crash: nobody was told.
async fn crash(at: &Site) {
    let leader = process(at).await.expect("it runs");
    let all = nix::unistd::Pid::from_raw(-i32::try_from(leader).expect("a number"));
    nix::sys::signal::kill(all, nix::sys::signal::Signal::SIGKILL).expect("its session is there");
}

#[test]
fn what_crashed_is_started_again_and_what_the_nemesis_killed_is_not() {
    let (db, sites) = watched("watchdog", 42);
    let (one, two) = (sites.of(NodeId(1)).expect("there"), sites.of(NodeId(2)).expect("there"));
    in_real_time(async {
        for at in [one, two] {
            db.tear_down(&sites, at).await.expect("there is nothing");
            db.set_up(&sites, at).await.expect("it starts");
        }
        assert!(Kill::kill(&db, &sites, two).await.expect("killed") > 0);
        let first = process(one).await;
        crash(one).await;
        until("another process", async || process(one).await.is_some_and(|new| Some(new) != first))
            .await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(process(two).await, None, "the nemesis killed it");

        assert_eq!(Kill::start(&db, &sites, two).await.expect("started"), Started::Started);
        let second = process(two).await;
        crash(two).await;
        until("another process", async || {
            process(two).await.is_some_and(|new| Some(new) != second)
        })
        .await;

        for at in [one, two] {
            db.tear_down(&sites, at).await.expect("it ends");
        }
        tokio::time::sleep(QUIET).await;
        assert_eq!((process(one).await, process(two).await), (None, None), "they were torn down");
    });
}
