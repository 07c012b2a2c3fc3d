//! `heal`: undoes all that runs did to hosts, also what a tool did that was killed.

use super::database::Database;
use super::hosts::Hosts;
use super::performed::HOSTS;
use anyhow::{Context, bail};
use clap::{Args, Command, FromArgMatches};
use futures_util::future::join_all;
use harness::cli::output::Output;
use harness::store;
use real_cluster::remote::unquoted;
use real_cluster::ssh::undo;
use std::path::{Path, PathBuf};
use tokio::task::LocalSet;

/// Undoes on every host all that runs did there: rules, clocks, what was stopped, what still runs
#[derive(clap::Args)]
#[command(after_help = "\
Each host knows itself what was done to it, and a run's folder knows its hosts, so this also helps after the tool was killed. Exits
with 3 if a host could not be healed, and can be done again.

Examples:
  cargo real-cluster heal store/redis-append/0x1
  cargo real-cluster heal --testbed
  cargo real-cluster heal --nodes nodes.txt --ssh-key ~/.ssh/cluster")]
pub struct Heal {
    /// The hosts of this run, by its folder; from where that run was started, if its files were named from there
    #[arg(value_name = "RUN", conflicts_with_all = ["nodes", "testbed"])]
    run: Option<PathBuf>,
    /// One host a line: [user@]host[:port]
    #[arg(long, value_name = "FILE")]
    nodes: Option<String>,
    #[command(flatten)]
    hosts: Hosts,
}

impl Heal {
    pub fn act(self) -> anyhow::Result<u8> {
        match &self.run {
            Some(folder) => Heal::of_run(folder)?.undo(),
            None => self.undo(),
        }
    }

    /// What means the hosts of a run.
    fn of_run(folder: &Path) -> anyhow::Result<Heal> {
        let name = folder.display();
        let params = store::read_params(folder)
            .with_context(|| format!("`{name}` is not a run folder, which has a params.json"))?;
        let Some(line) = params.extra.get(HOSTS) else {
            bail!("the run in `{name}` was not on hosts: there is nothing to heal");
        };
        let words = unquoted(line).map_err(anyhow::Error::msg)?;
        let command = Database::augment_args(Heal::augment_args(Command::new("heal")));
        let said = command.no_binary_name(true).try_get_matches_from(words);
        let said =
            said.with_context(|| format!("the hosts of `{name}` are not known to this build"))?;
        Ok(Heal::from_arg_matches(&said)?)
    }

    fn undo(self) -> anyhow::Result<u8> {
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
