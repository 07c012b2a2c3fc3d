//! What many runs add up to, and whether that is enough: a sweep in which something never happened tests less than it
//! says.
//!
//! Which marks a sweep must reach is said here, once, in [`MARKS`] and [`MARKS_OF_GROUPS`].

use crate::execute::Case;
use crate::marks;
use crate::steps;
use harness::counts::Counts;
use harness::coverage::Coverage;
use harness::fault::FaultKind;
use harness::options::Options;
use harness::record::{Ending, Record};
use harness::stats::Struck;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// From so many runs on, what never happened makes a sweep `unknown`.
pub const RUNS_ENOUGH: u64 = 50;

/// Something that some run of many must reach.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// As the system under test counts it.
    pub name: &'static str,
    /// One of these faults must be enabled for it; none: it needs no fault.
    pub needs: &'static [FaultKind],
}

const OUTAGES: &[FaultKind] =
    &[FaultKind::Partition, FaultKind::Kill, FaultKind::Power, FaultKind::Pause];

/// Outages, and what looks like one from far away.
const UNREST: &[FaultKind] = &[
    FaultKind::Partition,
    FaultKind::Kill,
    FaultKind::Power,
    FaultKind::Pause,
    FaultKind::Latency,
];

/// What a process cannot go on with.
const ENDINGS: &[FaultKind] =
    &[FaultKind::IoError, FaultKind::DiskFull, FaultKind::BitRot, FaultKind::Misdirect];

/// What the sweeps of every test must reach. Kinds that are not a test's own are left out where sixty runs of them alone did
/// not reach a mark.
pub const MARKS: &[Mark] = &[
    Mark { name: LEADER_CHANGES, needs: UNREST },
    Mark { name: "snapshot installed", needs: UNREST },
    Mark { name: "read index", needs: &[] },
    Mark { name: "lease read", needs: &[] },
    Mark { name: "dedup hit", needs: OUTAGES },
    Mark { name: "forward", needs: UNREST },
    Mark { name: "redis proxy", needs: &[] },
    Mark { name: "node rebuilt from its disk", needs: &[] },
    Mark { name: "power cut lost unsynced changes", needs: &[FaultKind::Power, FaultKind::Reboot] },
    Mark { name: "member removed", needs: &[FaultKind::Membership] },
    Mark { name: "learner added", needs: &[FaultKind::Membership] },
    Mark { name: "voter added", needs: &[FaultKind::Membership] },
    Mark { name: "leadership transfer begun", needs: &[FaultKind::Transfer] },
    Mark { name: "timestamp refused for the ceiling", needs: &[FaultKind::Ceiling] },
    Mark { name: "ceiling below the one before it", needs: &[FaultKind::Leap] },
    Mark { name: steps::HIT, needs: &[FaultKind::KillAt] },
    Mark { name: steps::OUT_OF_MEMORY, needs: &[FaultKind::Memory] },
    Mark { name: "node stopped by its disk", needs: ENDINGS },
    Mark { name: "sync that lied", needs: &[FaultKind::LyingSync] },
    Mark { name: "older disk swapped back", needs: &[FaultKind::StaleDisk] },
];

/// What sweeps with several groups must reach, too.
pub const MARKS_OF_GROUPS: &[Mark] = &[
    Mark { name: "transaction across groups committed", needs: &[] },
    Mark { name: "txn locked", needs: &[] },
    Mark { name: "secondary lock resolved", needs: UNREST },
    Mark { name: "expired transaction rolled back", needs: OUTAGES },
    Mark { name: "range split", needs: &[FaultKind::Split] },
    Mark { name: "route catalog taken", needs: &[FaultKind::Split] },
];

/// Elections after a run's first: counted here, the nodes count elections.
const LEADER_CHANGES: &str = "leader changes";
const ELECTIONS: &str = "leader elected";

/// Something that never happened in a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub what: String,
    /// Whether the sweep is `unknown` for it: it ran long enough and its options allow it.
    pub counts: bool,
}

/// The runs of one test, added up. The order in which they are added does not matter.
#[derive(Clone, Debug)]
pub struct Tally {
    options: Options,
    /// A bug may be the reason why something never happens.
    planted: bool,
    /// By what became of them.
    pub endings: BTreeMap<Ending, u64>,
    /// Client operations.
    pub ops: Counts,
    /// By kind.
    pub faults: BTreeMap<FaultKind, Struck>,
    /// Marks.
    pub coverage: Coverage,
    /// In the clusters' time.
    pub simulated: Duration,
    /// Spent, milliseconds.
    pub cpu_ms: f64,
}

impl Tally {
    /// Nothing yet, of runs of this case.
    pub fn new(case: &Case) -> Tally {
        Tally {
            options: case.options.clone(),
            planted: case.bug.is_some() || case.other_profile().is_some(),
            endings: BTreeMap::new(),
            ops: Counts::default(),
            faults: BTreeMap::new(),
            coverage: Coverage::default(),
            simulated: Duration::ZERO,
            cpu_ms: 0.0,
        }
    }

    /// Adds a run.
    pub fn add(&mut self, record: &Record) {
        *self.endings.entry(record.verdict).or_default() += 1;
        let Counts { ok, fail, info } = record.ops;
        self.ops =
            Counts { ok: self.ops.ok + ok, fail: self.ops.fail + fail, info: self.ops.info + info };
        for (kind, theirs) in &record.faults {
            let ours = self.faults.entry(*kind).or_default();
            ours.injected += theirs.injected;
            ours.effective += theirs.effective;
            ours.refused += theirs.refused;
        }
        let mut marks = record.marks.clone();
        let elections = marks.get(ELECTIONS).copied().unwrap_or(0);
        marks.insert(LEADER_CHANGES.to_owned(), elections.saturating_sub(1));
        self.coverage.add(&marks);
        self.simulated += Duration::from_millis(record.lasted_ms);
        self.cpu_ms += record.cpu_ms;
    }

    /// Runs so far.
    pub fn runs(&self) -> u64 {
        self.endings.values().sum()
    }

    /// Runs with this ending.
    pub fn count(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }

    /// What never happened.
    pub fn lacks(&self) -> Vec<Lack> {
        let enough = self.runs() >= RUNS_ENOUGH && !self.planted && !self.options.faults.is_empty();
        let mut lacks = Vec::new();
        let mut lack = |what: String, possible: bool| {
            lacks.push(Lack { what, counts: enough && possible });
        };
        let of_groups = if self.options.groups > 1 { MARKS_OF_GROUPS } else { &[] };
        for mark in MARKS.iter().chain(of_groups) {
            let times = self.coverage.marks.get(mark.name).map_or(0, |reached| reached.times);
            // What comes only of faults that are asked for by name is not missed by who did not.
            let of_choice = |kind: &FaultKind| !FaultKind::USUAL.contains(kind);
            let unasked = !mark.needs.is_empty() && mark.needs.iter().all(of_choice);
            if times == 0 && (!unasked || self.allows(mark.needs)) {
                lack(mark.name.to_owned(), self.options.nodes > 1 && self.allows(mark.needs));
            }
        }
        let operations = [
            ("ok operations", self.ops.ok, true),
            ("fail operations", self.ops.fail, self.allows(UNREST)),
            ("info operations", self.ops.info, self.allows(UNREST)),
        ];
        for (what, count, possible) in operations {
            if count == 0 {
                lack(what.to_owned(), possible);
            }
        }
        for kind in &self.options.faults {
            if self.faults.get(kind).is_none_or(|struck| struck.effective == 0) {
                lack(format!("{kind} with an effect"), true);
            }
        }
        lacks
    }

    /// Of all marks that there are, those that no run reached, whether it had to or not.
    pub fn never_reached(&self) -> Vec<&'static str> {
        let rare = if self.options.buggify > 0 { elastickv::marks::RARE } else { &[] };
        let all: Vec<&'static str> = marks::all().chain(rare.iter().copied()).collect();
        self.coverage.missing(&all)
    }

    /// What the runs together stand for.
    pub fn ending(&self) -> Ending {
        let worst = self.endings.keys().max().copied().unwrap_or(Ending::Unknown);
        if self.lacks().iter().any(|lack| lack.counts) { worst.max(Ending::Unknown) } else { worst }
    }

    fn allows(&self, needs: &[FaultKind]) -> bool {
        needs.is_empty() || needs.iter().any(|kind| self.options.faults.contains(kind))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endings: Vec<String> = [Ending::Valid, Ending::Invalid, Ending::Unknown, Ending::Error]
            .map(|ending| format!("{} {}", self.count(ending), ending.name()))
            .into();
        let runs = self.runs();
        writeln!(f, "  {:<28} {}", format!("{runs} runs"), endings.join(", "))?;
        writeln!(f, "  {:<28} {}", "operations", self.ops)?;
        for (kind, struck) in &self.faults {
            let Struck { injected, effective, refused } = struck;
            let refused =
                if *refused == 0 { String::new() } else { format!(", {refused} refused") };
            writeln!(
                f,
                "  {:<28} {injected} injected, {effective} effective{refused}",
                kind.name()
            )?;
        }
        for (mark, reached) in &self.coverage.marks {
            writeln!(f, "  {mark:<28} {} in {} runs", reached.times, reached.runs)?;
        }
        for Lack { what, counts } in self.lacks() {
            let too_little =
                if counts { ": too little was tested to call the sweep valid" } else { "" };
            writeln!(f, "  not reached: {what}{too_little}")?;
        }
        let never = self.never_reached();
        if !never.is_empty() && self.runs() > 0 {
            writeln!(f, "  {:<28} {}", "never reached", never.join(", "))?;
        }
        let (simulated, cpu) = (self.simulated.as_secs_f64(), self.cpu_ms / 1000.0);
        writeln!(f, "  {:<28} {simulated:.0} s simulated in {cpu:.1} s of CPU", "time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;
    use harness::catalog;
    use harness::seed::Seed;
    use std::collections::BTreeSet;

    fn case(faults: &str) -> Case {
        let test = catalog::find("redis-append").unwrap();
        let mut case = Case::new(test, Seed(1));
        case.options.set("faults", faults).unwrap();
        case
    }

    /// A run that reached everything but what is named.
    fn full(case: &Case, without: &str) -> Record {
        let struck = Struck { injected: 2, effective: 1, refused: 0 };
        let mut record = record::error(case, String::new());
        record.verdict = Ending::Valid;
        record.ops = Counts { ok: 1, fail: 1, info: 1 };
        record.faults = case.options.faults.iter().map(|kind| (*kind, struck)).collect();
        record.marks = MARKS.iter().map(|mark| (mark.name.to_owned(), 1)).collect();
        record.marks.insert(ELECTIONS.to_owned(), 2);
        record.marks.remove(without);
        record
    }

    fn tally(case: &Case, record: &Record, runs: u64) -> Tally {
        let mut tally = Tally::new(case);
        (0..runs).for_each(|_| tally.add(record));
        tally
    }

    #[test]
    fn a_mark_that_no_run_reaches_makes_a_long_sweep_unknown() {
        let kinds = MARKS.iter().flat_map(|mark| mark.needs).map(|kind| kind.name());
        let kinds: BTreeSet<&str> = kinds.collect();
        let case = case(&kinds.into_iter().collect::<Vec<&str>>().join(","));
        for mark in MARKS.iter().map(|mark| mark.name).filter(|name| *name != LEADER_CHANGES) {
            let record = full(&case, mark);
            let long = tally(&case, &record, RUNS_ENOUGH);
            assert_eq!(long.ending(), Ending::Unknown, "{mark}");
            assert_eq!(long.lacks(), [Lack { what: mark.to_owned(), counts: true }]);
            let short = tally(&case, &record, RUNS_ENOUGH - 1);
            assert_eq!(short.ending(), Ending::Valid, "{mark}");
            assert_eq!(short.lacks(), [Lack { what: mark.to_owned(), counts: false }]);
        }
        let mut one_leader = full(&case, "");
        one_leader.marks.insert(ELECTIONS.to_owned(), 1);
        assert_eq!(tally(&case, &one_leader, RUNS_ENOUGH).lacks()[0].what, LEADER_CHANGES);
        assert!(tally(&case, &full(&case, ""), RUNS_ENOUGH).lacks().is_empty());
    }

    #[test]
    fn a_fault_that_never_acts_makes_a_long_sweep_unknown() {
        let case = case("partition,kill");
        let mut record = full(&case, "");
        record.faults.get_mut(&FaultKind::Kill).unwrap().effective = 0;
        let long = tally(&case, &record, RUNS_ENOUGH);
        assert_eq!(long.ending(), Ending::Unknown);
        assert_eq!(long.lacks()[0].what, "kill with an effect");
        record.faults.remove(&FaultKind::Kill);
        assert_eq!(tally(&case, &record, RUNS_ENOUGH).ending(), Ending::Unknown);
    }

    #[test]
    fn what_the_options_make_impossible_is_told_and_does_not_count() {
        for (faults, impossible) in [
            ("none", ["dedup hit", "forward"].as_slice()),
            ("jump", &["dedup hit", "forward"]),
            ("latency", &["dedup hit"]),
        ] {
            for what in impossible.iter().copied() {
                let case = case(faults);
                let long = tally(&case, &full(&case, what), RUNS_ENOUGH);
                assert_eq!(long.ending(), Ending::Valid, "{faults}: {what}");
                assert_eq!(long.lacks(), [Lack { what: what.to_owned(), counts: false }]);
            }
        }
        let case = case("latency");
        let long = tally(&case, &full(&case, "forward"), RUNS_ENOUGH);
        assert_eq!(long.ending(), Ending::Unknown, "a slow leader is followed by another");
    }

    #[test]
    fn what_comes_only_of_several_groups_is_missed_where_there_are_several() {
        let mut case = case("partition,kill,split");
        assert!(tally(&case, &full(&case, ""), RUNS_ENOUGH).lacks().is_empty());
        case.options.set("groups", "2").unwrap();
        let lacks = tally(&case, &full(&case, ""), RUNS_ENOUGH).lacks();
        assert_eq!(lacks.len(), MARKS_OF_GROUPS.len());
        assert!(lacks.iter().all(|lack| lack.counts));
    }

    #[test]
    fn what_comes_only_of_a_fault_that_nobody_asked_for_is_not_missed() {
        let case = case("partition,kill");
        let record = full(&case, "member removed");
        assert!(tally(&case, &record, RUNS_ENOUGH).lacks().is_empty());
    }

    #[test]
    fn every_mark_that_no_run_reached_is_listed() {
        let case = case("partition,kill");
        let never = tally(&case, &full(&case, "forward"), 1);
        let listed = never.never_reached();
        assert!(listed.contains(&"forward") && listed.contains(&"every node down at once"));
        assert!(!listed.contains(&"lease read"), "it was reached");
        let line = format!("  never reached                {}\n", listed.join(", "));
        assert!(never.to_string().contains(&line), "{never}");
        assert!(MARKS.iter().chain(MARKS_OF_GROUPS).all(|mark| {
            mark.name == LEADER_CHANGES || marks::all().any(|known| known == mark.name)
        }));
    }

    #[test]
    fn of_many_runs_the_worst_counts() {
        let case = case("kill");
        let mut tally = tally(&case, &full(&case, ""), 1);
        for ending in [Ending::Valid, Ending::Unknown, Ending::Error, Ending::Invalid] {
            let mut record = full(&case, "");
            record.verdict = ending;
            tally.add(&record);
            assert_eq!(tally.ending(), ending);
        }
        assert_eq!(tally.ending().exit_code(), 1);
        assert_eq!(Tally::new(&case).ending(), Ending::Unknown, "no run shows nothing");
    }
}
