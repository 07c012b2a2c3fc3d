//! What databases of one program a node have in common: that program is what is killed, started, stopped and continued.

use super::{Daemon, DbError, Kill, Pause, Started, Step};
use crate::remote::{Command, done};
use crate::site::{Site, Sites};

/// A database that is one program a node.
pub trait OneDaemon {
    /// It, on a node. Where it is kept does not depend on the other nodes; its words may.
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon;

    /// It, for what needs no words of it.
    fn kept(&self, at: &Site) -> Daemon {
        self.daemon(&Sites::new(Vec::new()), at)
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
