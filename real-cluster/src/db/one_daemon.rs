//! What databases of one program a node have in common: that program is what is killed, started, stopped and continued.

use super::{Daemon, Db, DbError, End, Kill, Pause, Started, Step, ports};
use crate::remote::{Command, done};
use crate::site::{Site, Sites};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks whether what is being set up still runs.
const LOOK: Duration = Duration::from_millis(250);
/// How long nobody may be able to look. A link that is lost for a moment is none of the database's faults.
const UNSEEN: Duration = Duration::from_secs(10);

/// A database that is one program a node.
pub trait OneDaemon {
    /// It, on a node. Where it is kept does not depend on the other nodes; its words may.
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon;

    /// It, for what needs no words of it.
    fn kept(&self, at: &Site) -> Daemon {
        self.daemon(&Sites::new(Vec::new()), at)
    }
}

/// Starts it on its free ports and waits until it serves. If it ends before that, or its host is lost, nobody waits any longer: the
/// error has its status and the line of its log that says why.
pub async fn launch<D: OneDaemon + Db>(
    db: &D,
    sites: &Sites,
    at: &Site,
    serves: impl Future<Output = Result<(), DbError>>,
) -> Result<(), DbError> {
    ports::free(at, &db.ports(at)).await?;
    let daemon = db.daemon(sites, at);
    daemon.start(&*at.remote).await?;
    tokio::select! {
        biased;
        served = serves => return served,
        ended = ended(&daemon, at) => ended?,
    }
    // Told only now: whoever asks for ends takes them.
    let why = match db.ends(at).await?.first() {
        Some(End { status, line }) => format!("with {status}; its log says: {line}"),
        None => "and nobody saw how".to_owned(),
    };
    let why = format!("{} ended while it was set up, {why}", db.name());
    Err(DbError::SetUpFailed { node: at.node, why })
}

/// Returns when it does not run any more; an error if nobody can look.
async fn ended(daemon: &Daemon, at: &Site) -> Result<(), DbError> {
    let mut seen = Instant::now();
    loop {
        sleep(LOOK).await;
        match daemon.running(&*at.remote).await {
            Ok(Some(_)) => seen = Instant::now(),
            Ok(None) => return Ok(()),
            Err(error) if seen.elapsed() > UNSEEN => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// Ends it, and removes it with these paths.
pub async fn remove(daemon: &Daemon, at: &Site, paths: &[String]) -> Result<(), DbError> {
    daemon.stop(&*at.remote).await?;
    let remove = Command::new("rm").args(["-rf", "--"]).args(paths);
    done(&*at.remote, &remove.args([&daemon.folder, &daemon.log])).await?;
    Ok(())
}

impl<D: OneDaemon> Kill for D {
    fn kill<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        Box::pin(async move { Ok(self.kept(at).kill(&*at.remote).await?) })
    }

    fn start<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, Started> {
        Box::pin(async move { Ok(self.daemon(sites, at).start(&*at.remote).await?) })
    }

    fn running<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, bool> {
        Box::pin(async move { Ok(self.kept(at).running(&*at.remote).await?.is_some()) })
    }
}

impl<D: OneDaemon> Pause for D {
    fn pause<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        Box::pin(async move { Ok(self.kept(at).pause(&*at.remote).await?) })
    }

    fn resume<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { Ok(self.kept(at).resume(&*at.remote).await?) })
    }
}
