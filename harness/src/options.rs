//! What may be said about a run besides its seed, and the words for it on every command line.
//!
//! Promise: [`Options::replay_args`] read back by [`Options::set`] gives the same options.

use crate::client::Classify;
use crate::fault::FaultKind;
use crate::generator::rate::Rate;
use crate::nemesis::compose::Interval;
use crate::nemesis::disk::DiskBound;
use crate::test::Test;
use crate::workload::shape::Shape;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

/// Raft groups are small, and every pair of nodes takes room.
pub const NODES_MAX: u16 = 64;

/// Each group is a Raft log of every node.
pub const GROUPS_MAX: u16 = 16;

/// What ends the disturbing of a run, if nobody else does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// Its time is over.
    #[default]
    Time,
    /// The same, or the first anomaly that the test's streaming checker sees before: see [`Test::streaming`].
    Anomaly,
}

impl Until {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Until::Time => "time",
            Until::Anomaly => "anomaly",
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        match text {
            "time" => Ok(Until::Time),
            "anomaly" => Ok(Until::Anomaly),
            _ => Err(format!("`{text}` does not fit --until: time or anomaly")),
        }
    }
}

/// The size, length and shape of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Nodes of the cluster.
    pub nodes: u16,
    /// Client threads that disturb; thread i talks to node i mod n.
    pub clients: u16,
    /// Operations a second, all clients together.
    pub rate: Rate,
    /// How long things are broken while clients ask.
    pub time: Duration,
    /// What may be broken; what a seed draws from.
    pub faults: Vec<FaultKind>,
    /// Between faults.
    pub interval: Interval,
    /// Of one operation.
    pub deadline: Duration,
    /// How errors are read.
    pub classify: Classify,
    /// The shape of the workload.
    #[serde(alias = "append")]
    pub shape: Shape,
    /// How long the cluster may take to serve, at the beginning and after everything was healed.
    pub serve_limit: Duration,
    /// How long the final reads may take.
    pub final_limit: Duration,
    /// Raft groups that the store parts its keys among.
    #[serde(default = "one")]
    pub groups: u16,
    /// Applied entries between two snapshots of the store; 0: what the seed of a simulation or the store itself makes it.
    #[serde(default)]
    pub snapshot_entries: u64,
    /// What ends the disturbing.
    #[serde(default)]
    pub until: Until,
    /// How often a rare branch of the layers is taken where there is one, of a hundred times; 0: never. Of simulations alone.
    #[serde(default)]
    pub buggify: u8,
    /// How many disks may be lost. Of simulations alone.
    #[serde(default)]
    pub disk_bound: DiskBound,
}

fn one() -> u16 {
    1
}

impl Default for Options {
    fn default() -> Options {
        let seconds = Duration::from_secs;
        Options {
            nodes: 5,
            clients: 10,
            rate: Rate::Constant(100),
            time: seconds(60),
            faults: Vec::new(),
            interval: Interval { min: seconds(3), max: seconds(8) },
            deadline: seconds(5),
            classify: Classify::Elastickv,
            shape: Shape::default(),
            serve_limit: seconds(30),
            final_limit: seconds(60),
            groups: 1,
            snapshot_entries: 0,
            until: Until::Time,
            buggify: 0,
            disk_bound: DiskBound::Minority,
        }
    }
}

impl Options {
    /// Of a test, if nobody says otherwise.
    pub fn defaults_of(test: &Test) -> Options {
        test.defaults.clone()
    }

    /// The words of all options, without their dashes.
    pub fn words() -> Vec<&'static str> {
        Options::default().words_and_values().into_iter().map(|(word, _)| word).collect()
    }

    /// Sets one option from its word (`time`, without dashes) and its value. Lists are separated by commas, times
    /// are in seconds; `--faults none` is no fault.
    pub fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "nodes" => self.nodes = at_least_one(word, value)?,
            "clients" => self.clients = at_least_one(word, value)?,
            "rate" => self.rate = value.parse()?,
            "time" => self.time = seconds(word, value)?,
            "faults" => self.faults = faults(value)?,
            "interval" => self.interval = interval(value)?,
            "deadline" => self.deadline = seconds(word, value)?,
            "classify" => self.classify = value.parse()?,
            "keys" => self.shape.keys = at_least_one(word, value)?,
            "txn-min" => self.shape.txn_min = at_least_one(word, value)?,
            "txn-max" => self.shape.txn_max = at_least_one(word, value)?,
            "appends-per-key" => self.shape.appends_per_key = at_least_one(word, value)?,
            "read-percent" => self.shape.read_percent = percent(word, value)?,
            "distribution" => self.shape.distribution = value.parse()?,
            "serve-limit" => self.serve_limit = seconds(word, value)?,
            "final-limit" => self.final_limit = seconds(word, value)?,
            "groups" => self.groups = groups(value)?,
            "snapshot-entries" => self.snapshot_entries = whole(word, value)?,
            "until" => self.until = value.parse()?,
            "buggify" => self.buggify = percent(word, value)?,
            "disk-bound" => self.disk_bound = value.parse()?,
            _ => {
                let words = Options::words().join(", ");
                return Err(format!("there is no option `{word}`: the options are {words}"));
            }
        }
        Ok(())
    }

    /// What differs from the test's defaults, as command-line words: `--nodes 3 --faults partition,kill`.
    pub fn replay_args(&self, test: &Test) -> Vec<String> {
        let defaults = Options::defaults_of(test).words_and_values();
        let differing =
            self.words_and_values().into_iter().filter(|written| !defaults.contains(written));
        differing.flat_map(|(word, value)| [format!("--{word}"), value]).collect()
    }

    /// Every option's word with its value, as [`Options::set`] reads them.
    pub fn words_and_values(&self) -> Vec<(&'static str, String)> {
        let faults: Vec<&str> = self.faults.iter().map(|kind| kind.name()).collect();
        let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(",") };
        let interval = format!("{}-{}", decimal(self.interval.min), decimal(self.interval.max));
        vec![
            ("nodes", self.nodes.to_string()),
            ("clients", self.clients.to_string()),
            ("rate", self.rate.to_string()),
            ("time", decimal(self.time)),
            ("faults", faults),
            ("interval", interval),
            ("deadline", decimal(self.deadline)),
            ("classify", self.classify.name().to_owned()),
            ("keys", self.shape.keys.to_string()),
            ("txn-min", self.shape.txn_min.to_string()),
            ("txn-max", self.shape.txn_max.to_string()),
            ("appends-per-key", self.shape.appends_per_key.to_string()),
            ("read-percent", self.shape.read_percent.to_string()),
            ("distribution", self.shape.distribution.name().to_owned()),
            ("serve-limit", decimal(self.serve_limit)),
            ("final-limit", decimal(self.final_limit)),
            ("groups", self.groups.to_string()),
            ("snapshot-entries", self.snapshot_entries.to_string()),
            ("until", self.until.name().to_owned()),
            ("buggify", self.buggify.to_string()),
            ("disk-bound", self.disk_bound.name().to_owned()),
        ]
    }
}

fn at_least_one<N: FromStr + Default + PartialEq>(word: &str, value: &str) -> Result<N, String> {
    value.parse().ok().filter(|number| *number != N::default()).ok_or_else(|| {
        format!("`{value}` does not fit --{word}: a whole number above 0, such as 5")
    })
}

fn groups(value: &str) -> Result<u16, String> {
    let number = value.parse().ok().filter(|number| (1..=GROUPS_MAX).contains(number));
    number.ok_or_else(|| {
        format!("`{value}` does not fit --groups: a whole number from 1 to {GROUPS_MAX}")
    })
}

fn whole(word: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` does not fit --{word}: a whole number, such as 64"))
}

fn percent(word: &str, value: &str) -> Result<u8, String> {
    let number = value.parse().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| format!("`{value}` does not fit --{word}: a whole number from 0 to 100"))
}

fn faults(value: &str) -> Result<Vec<FaultKind>, String> {
    if value == "none" {
        return Ok(Vec::new());
    }
    let mut kinds: Vec<FaultKind> =
        value.split(',').map(str::parse).collect::<Result<_, String>>()?;
    // One order whatever was typed: the order is part of what a seed means.
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

fn interval(value: &str) -> Result<Interval, String> {
    let (min, max) = value.split_once('-').unwrap_or((value, value));
    let interval = Interval { min: seconds("interval", min)?, max: seconds("interval", max)? };
    if interval.min > interval.max {
        return Err(format!("`{value}` does not fit --interval: the first number is the smaller"));
    }
    Ok(interval)
}

/// Seconds with up to nine decimals; `s` after them may be left out, `ms` and `m` say otherwise.
fn seconds(word: &str, value: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{value}` does not fit --{word}: seconds, such as 60, 60s, 0.5 or 500ms");
    let (number, unit) =
        value.split_at(value.find(|c: char| c.is_alphabetic()).unwrap_or(value.len()));
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let nanos: u32 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
    let time = Duration::new(u64::from(whole), nanos);
    match unit {
        "" | "s" => Ok(time),
        "ms" => Ok(time / 1000),
        "m" => Ok(time * 60),
        _ => Err(wrong()),
    }
}

fn decimal(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => time.as_secs().to_string(),
        nanos => {
            let part = format!("{nanos:09}");
            format!("{}.{}", time.as_secs(), part.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn replay_args_read_back_give_the_same_options() -> Result<(), String> {
        let test = catalog::find("redis-append")?;
        let mut options = Options::defaults_of(&test);
        assert!(options.replay_args(&test).is_empty());
        for (word, value) in [
            ("nodes", "3"),
            ("clients", "6"),
            ("rate", "10-1000"),
            ("time", "0.25"),
            ("faults", "kill,partition"),
            ("interval", "0.1-2"),
            ("deadline", "10"),
            ("classify", "jepsen"),
            ("keys", "2"),
            ("txn-min", "2"),
            ("txn-max", "9"),
            ("appends-per-key", "7"),
            ("read-percent", "0"),
            ("distribution", "exponential"),
            ("serve-limit", "1.000000001"),
            ("final-limit", "2"),
            ("groups", "3"),
            ("snapshot-entries", "64"),
            ("until", "anomaly"),
            ("buggify", "25"),
            ("disk-bound", "none"),
        ] {
            options.set(word, value)?;
        }
        let args = options.replay_args(&test);
        assert_eq!(args[..2], ["--nodes", "3"]);
        assert!(args.contains(&"partition,kill".to_owned()), "{args:?}");
        assert_eq!(args.len(), 2 * Options::words().len(), "every option differs: {args:?}");
        let mut again = Options::defaults_of(&test);
        for pair in args.chunks(2) {
            again.set(pair[0].trim_start_matches('-'), &pair[1])?;
        }
        assert_eq!(again, options);
        Ok(())
    }

    #[test]
    fn times_may_have_a_unit() -> Result<(), String> {
        let mut options = Options::default();
        for (value, millis) in
            [("60", 60_000), ("60s", 60_000), ("1.5s", 1_500), ("250ms", 250), ("2m", 120_000)]
        {
            options.set("time", value)?;
            assert_eq!(options.time, Duration::from_millis(millis), "{value}");
        }
        options.set("interval", "500ms-2s")?;
        assert_eq!(options.interval.min, Duration::from_millis(500));
        Ok(())
    }

    #[test]
    fn a_wrong_value_is_refused_with_a_sentence_that_says_what_would_be_right() {
        let mut options = Options::default();
        for (word, value, hint) in [
            ("nodes", "0", "above 0"),
            ("nodes", "-1", "above 0"),
            ("time", "soon", "60, 60s"),
            ("time", "1.", "60, 60s"),
            ("time", "5h", "60, 60s"),
            ("time", "s", "60, 60s"),
            ("faults", "fire", "partition, kill"),
            ("interval", "8-3", "the smaller"),
            ("read-percent", "101", "0 to 100"),
            ("groups", "17", "1 to 16"),
            ("snapshot-entries", "-1", "a whole number"),
            ("until", "dawn", "time or anomaly"),
            ("buggify", "101", "0 to 100"),
            ("disk-bound", "majority", "minority or none"),
            ("colour", "red", "the options are nodes"),
        ] {
            let sentence = options.set(word, value).unwrap_err();
            assert!(sentence.contains(hint) && sentence.contains('`'), "{sentence}");
        }
        assert_eq!(options, Options::default());
    }
}
