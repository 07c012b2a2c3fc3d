//! `heal`: undoes all that runs did to hosts, also what a tool did that was killed.

use super::hosts::Hosts;
use futures_util::future::join_all;
use harness::cli::output::Output;
use real_cluster::ssh::undo;
use tokio::task::LocalSet;

/// Undoes on every host all that runs did there: rules, clocks, what was stopped, what still runs
#[derive(clap::Args)]
#[command(after_help = "\
Each host knows itself what was done to it, so this also helps after the tool was killed. Exits with 3 if a host could not be
healed, and can be done again.

Examples:
  cargo real-cluster heal --testbed
  cargo real-cluster heal --nodes nodes.txt --ssh-key ~/.ssh/cluster")]
pub struct Heal {
    /// One host a line: [user@]host[:port]
    #[arg(long, value_name = "FILE")]
    nodes: Option<String>,
    #[command(flatten)]
    hosts: Hosts,
}

impl Heal {
    pub fn act(self) -> anyhow::Result<u8> {
        let sites = self.hosts.sites(self.nodes.as_deref()).map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let healed = LocalSet::new().block_on(&runtime, async {
            join_all(sites.iter().map(|at| undo::heal(&*at.remote, &at.base))).await
        });
        let mut out = Output::default();
        let mut failed = Vec::new();
        for (at, healed) in sites.iter().zip(healed) {
            match healed {
                Ok(nodes) if nodes.is_empty() => {
                    out.text(format_args!("{}: there is nothing to undo\n", at.remote.name()))?;
                }
                Ok(_) => out.text(format_args!("{}: healed\n", at.remote.name()))?,
                Err(error) => failed.push(error.to_string()),
            }
        }
        match failed.is_empty() {
            true => Ok(0),
            false => anyhow::bail!("not every host is healed: {}", failed.join("; ")),
        }
    }
}
