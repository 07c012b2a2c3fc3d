//! How many instructions a message costs, as callgrind counts them: a figure that a busy machine does not move.
//!
//! Two runs of different lengths are counted and their difference is divided by the difference of their messages, so that what
//! a run costs once is not in it. What is allowed is committed: `sim/bench.toml`.

use super::{Ground, Load, Work};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::io::ErrorKind;
use std::process::Command;

/// Simulated seconds of the two runs.
const LENGTHS: [u64; 2] = [10, 20];

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Allowed {
    raw: u64,
    whole: u64,
    room_percent: u64,
}

impl Allowed {
    /// As this program was built with it.
    pub fn committed() -> anyhow::Result<Allowed> {
        toml::from_str(include_str!("../../bench.toml")).context("sim/bench.toml")
    }

    /// The figure that is written down.
    pub fn of(&self, load: Load) -> u64 {
        match load {
            Load::Raw => self.raw,
            Load::Whole => self.whole,
        }
    }

    /// Whether so many are too many.
    pub fn is_broken_by(&self, load: Load, count: u64) -> bool {
        count * 100 > self.of(load) * (100 + self.room_percent)
    }

    /// Whether it could be lowered.
    pub fn is_loose_for(&self, load: Load, count: u64) -> bool {
        count * (100 + self.room_percent) < self.of(load) * 100
    }
}

/// Counts a load's instructions a message in the world. `said` are the words of this program that run it once for so many
/// seconds and answer with its [`Work`].
pub fn count(load: Load, said: impl Fn(u64) -> Vec<String>) -> anyhow::Result<u64> {
    let [short, long] = LENGTHS.map(|seconds| counted(&said(seconds)));
    let ((short, less), (long, more)) = (short?, long?);
    let messages = more.messages.saturating_sub(less.messages);
    if messages == 0 || long < short {
        bail!("{} sent nothing more in {} s than in {} s", load.name(), LENGTHS[1], LENGTHS[0]);
    }
    Ok((long - short) / messages)
}

fn counted(words: &[String]) -> anyhow::Result<(u64, Work)> {
    let program = std::env::current_exe().context("this program's own file")?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(words);
    let told = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("valgrind is not installed: `apt-get install valgrind` has it")
        }
        told => told.context("valgrind")?,
    };
    let said = String::from_utf8_lossy(&told.stderr);
    if !told.status.success() {
        bail!("valgrind ended with {}: {}", told.status, said.lines().last().unwrap_or_default());
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, count)| count.trim().parse().ok());
    let work = serde_json::from_slice(&told.stdout).context("what the run said of itself")?;
    Ok((collected.context("valgrind did not say what it collected")?, work))
}

/// One run in the world, for [`count`].
pub fn once(load: Load, seconds: u64) -> Work {
    let (seed, time) = (harness::seed::Seed(1), std::time::Duration::from_secs(seconds));
    super::timed(load, Ground::World, time, seed).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_read_and_has_room_on_both_sides() {
        let committed = Allowed::committed().expect("the file of the repository");
        assert!(Load::ALL.iter().all(|load| committed.of(*load) > 0), "{committed:?}");
        let allowed = Allowed { raw: 1000, whole: 5000, room_percent: 3 };
        assert!(!allowed.is_broken_by(Load::Raw, 1030) && allowed.is_broken_by(Load::Raw, 1031));
        assert!(
            !allowed.is_loose_for(Load::Whole, 4855) && allowed.is_loose_for(Load::Whole, 4854)
        );
    }
}
