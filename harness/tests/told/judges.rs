//! Checkers by the words that the command line has for them, and all that they say of a history as text.

use harness::checker::bank::BankTotal;
use harness::checker::causal_reverse::CausalReverse;
use harness::checker::counter_bounds::CounterBounds;
use harness::checker::durability::Durability;
use harness::checker::function_stats::FunctionStats;
use harness::checker::linearizable::streaming::StreamingCalls;
use harness::checker::linearizable::{Caps, FailedCas, Linearizable, Partial};
use harness::checker::list_append::streaming::StreamingLists;
use harness::checker::list_append::{self, ListAppend};
use harness::checker::long_fork::LongFork;
use harness::checker::monotonic::Monotonic;
use harness::checker::rw_register::{self, Inference, RwRegister};
use harness::checker::set_final::SetFinal;
use harness::checker::set_full::SetFull;
use harness::checker::streaming::Streaming;
use harness::checker::total_queue::TotalQueue;
use harness::checker::transactional::proof::{Cycle, Place};
use harness::checker::transactional::{Report, Validity};
use harness::checker::unique_ids::UniqueIds;
use harness::checker::zset_safety::ZsetSafety;
use harness::checker::{Analyse, Anomaly, Checker, Verdict};
use harness::history::History;
use harness::interchange::{self, Alphabet, Imported};
use harness::op::Object;
use std::fmt::Write;

/// Those of the searches for what grows: they are the whole of a search.
const CAPS: Caps = Caps { narrow: 0, deep: 0, configurations: 1 << 18, visited: 1_000_000 };

/// What a history is read as.
#[derive(Clone, Copy)]
pub enum Reading {
    Transactions(Alphabet),
    Calls(Object),
    Queues,
}

impl Reading {
    /// A history of one event a line: process, type, and the rest of an op map, a millisecond apart.
    pub fn read(self, lines: &str) -> History {
        let op_map = |(ms, line): (usize, &str)| {
            let mut words = line.splitn(3, ' ');
            let [process, kind, rest] = [(); 3].map(|()| words.next().unwrap_or_default());
            format!("{{:process {process}, :type :{kind}, :time {ms}000000, {rest}}}\n")
        };
        let edn: String = lines.lines().enumerate().map(op_map).collect();
        let imported = match self {
            Reading::Transactions(alphabet) => interchange::read(edn.as_bytes(), None, alphabet),
            Reading::Calls(object) => interchange::read_calls(edn.as_bytes(), None, object),
            Reading::Queues => interchange::read_drained_queues(edn.as_bytes(), None),
        };
        imported.map(|Imported { history, .. }| history).unwrap_or_else(|e| panic!("{e}\n{edn}"))
    }
}

/// A checker, and what it reads.
pub struct Judge {
    pub reading: Reading,
    tell: Box<dyn Fn(&History) -> String>,
}

impl Judge {
    /// By its words; `while it grows` before them, for those that judge a history so.
    pub fn by(words: &str) -> Judge {
        if let Some(object) = words.strip_prefix("while it grows: ") {
            return growing(object);
        }
        let (name, flags) = words.split_once(' ').unwrap_or((words, ""));
        match name {
            list_append::NAME => lists(words, flags),
            rw_register::NAME => registers(words, flags),
            _ => match object_of(name) {
                Some(object) => calls(words, object),
                None => property(words, name, flags),
            },
        }
    }

    /// All that it says of a history.
    pub fn tell(&self, history: &History) -> String {
        (self.tell)(history)
    }
}

fn failed_cas(flags: &str) -> FailedCas {
    let said = after(flags, "--failed-cas").map(str::parse);
    said.map_or(FailedCas::default(), |said| said.expect("a reading of failed cas"))
}

fn object_of(name: &str) -> Option<Object> {
    Object::ALL.into_iter().find(|object| object.name() == name)
}

/// What stands after a flag.
fn after<'w>(flags: &'w str, flag: &str) -> Option<&'w str> {
    flags.split_once(flag).map(|(_, rest)| rest.split(' ').nth(1).unwrap_or_default())
}

fn lists(words: &str, flags: &str) -> Judge {
    let model = after(flags, "--model").and_then(|model| model.parse().ok()).expect("a model");
    let checker = ListAppend { model };
    assert_eq!(checker.words(), words);
    let tell = move |history: &History| {
        let report = list_append::analyse(history, model);
        for jobs in 2..4 {
            assert_eq!(list_append::analyse_by(history, model, jobs), report, "by {jobs} threads");
        }
        told_of(&checker, history, &report)
    };
    Judge { reading: Reading::Transactions(Alphabet::Lists), tell: Box::new(tell) }
}

fn registers(words: &str, flags: &str) -> Judge {
    let model = after(flags, "--model").and_then(|model| model.parse().ok()).expect("a model");
    let inference = Inference {
        wfr_keys: flags.contains("--wfr-keys"),
        sequential_keys: flags.contains("--sequential-keys"),
        linearizable_keys: flags.contains("--linearizable-keys"),
    };
    let checker = RwRegister { model, inference };
    assert_eq!(checker.words(), words);
    let tell = move |history: &History| {
        told_of(&checker, history, &rw_register::analyse(history, model, inference))
    };
    Judge { reading: Reading::Transactions(Alphabet::Registers), tell: Box::new(tell) }
}

fn calls(words: &str, object: Object) -> Judge {
    let failed_cas = failed_cas(words);
    let checker = Linearizable { failed_cas, ..Linearizable::of(object) };
    assert_eq!((checker.name(), checker.words()), ("linearizable", words.to_owned()));
    let tell = move |history: &History| {
        let report = checker.analyse(history);
        assert_eq!(checker.check(history), report.verdict);
        assert!(checker.cycles(history).is_empty());
        let mut told = String::new();
        let _ = writeln!(
            told,
            "{}: {} wrong, {} undecided, {} unsearched",
            report.verdict.name(),
            report.wrong,
            report.undecided,
            report.unsearched
        );
        let _ = writeln!(told, "{:?}", report.coverage);
        verdict(&mut told, &report.verdict);
        if let Some(partial) = checker.order(history) {
            order(&mut told, &partial);
        }
        told
    };
    Judge { reading: Reading::Calls(object), tell: Box::new(tell) }
}

fn order(told: &mut String, partial: &Partial) {
    let Partial { key, order, is_cut, left, stuck, possible } = partial;
    let cut = if *is_cut { ", cut" } else { "" };
    let _ = writeln!(told, "key {key} goes as far as this{cut}:");
    for placed in order {
        let states = placed.states.as_ref().map(|(before, after)| format!(": {before} to {after}"));
        let _ =
            writeln!(told, "  {} {:?}{}", placed.call, placed.events, states.unwrap_or_default());
    }
    let _ = writeln!(told, "and is {left}, of {possible:?}; {stuck:?} does not fit");
}

fn property(words: &str, name: &str, flags: &str) -> Judge {
    let number = |flag: &str| after(flags, flag).and_then(|number| number.parse::<i64>().ok());
    let (checker, reading): (Box<dyn Analyse>, Reading) = match name {
        "set-final" => (Box::new(SetFinal), Reading::Calls(Object::Set)),
        "set-full" => {
            let checker = SetFull { linearizable: flags.contains("--linearizable") };
            (Box::new(checker), Reading::Calls(Object::Set))
        }
        "total-queue" => (Box::new(TotalQueue), Reading::Queues),
        "unique-ids" => (Box::new(UniqueIds), Reading::Calls(Object::Counter)),
        "counter-bounds" => (Box::new(CounterBounds), Reading::Calls(Object::Counter)),
        "monotonic" => {
            let checker = Monotonic { per_process: flags.contains("--per-process") };
            (Box::new(checker), Reading::Calls(Object::Counter))
        }
        "causal-reverse" => (Box::new(CausalReverse), Reading::Calls(Object::Set)),
        "bank" => {
            let checker = BankTotal {
                accounts: number("--accounts").map(|accounts| (0..accounts as u64).collect()),
                total: number("--total"),
                negative_balances: flags.contains("--negative-balances"),
            };
            (Box::new(checker), Reading::Transactions(Alphabet::Bank))
        }
        "long-fork" => (Box::new(LongFork), Reading::Transactions(Alphabet::Registers)),
        "zset-safety" => (Box::new(ZsetSafety::default()), Reading::Calls(Object::Zset)),
        "durability" | "stats" => {
            let of = after(flags, "--of");
            let reading = match of {
                None => Reading::Transactions(Alphabet::Lists),
                Some("rw-register") => Reading::Transactions(Alphabet::Registers),
                Some("bank") => Reading::Transactions(Alphabet::Bank),
                Some(object) => Reading::Calls(object_of(object).expect("an object")),
            };
            if name == "stats" {
                assert_eq!(Analyse::name(&FunctionStats), name);
                return findings(Box::new(FunctionStats), reading);
            }
            let of = of.map(|of| object_of(of).map_or("rw-register", Object::name));
            (Box::new(Durability { of }), reading)
        }
        _ => panic!("there is no checker {words}"),
    };
    assert_eq!((Checker::name(&checker), Checker::words(&checker)), (name, words.to_owned()));
    findings(checker, reading)
}

fn findings(checker: Box<dyn Analyse>, reading: Reading) -> Judge {
    let tell = move |history: &History| {
        let findings = checker.analyse(history);
        let mut told = format!("{}: {:?}\n", findings.verdict().name(), findings.counts());
        for (name, number) in findings.numbers() {
            let _ = writeln!(told, "{name}: {number}");
        }
        for reason in findings.reasons() {
            let _ = writeln!(told, "reason: {reason}");
        }
        if let Verdict::Invalid(anomalies) = findings.verdict() {
            anomalies.iter().for_each(|anomaly| tell_anomaly(&mut told, anomaly));
        }
        told
    };
    Judge { reading, tell: Box::new(tell) }
}

fn growing(words: &str) -> Judge {
    let (name, flags) = words.split_once(' ').unwrap_or((words, ""));
    let (object, failed_cas) = (object_of(name), failed_cas(flags));
    let reading = match object {
        None => Reading::Transactions(Alphabet::Lists),
        Some(object) => Reading::Calls(object),
    };
    let tell = move |history: &History| {
        let mut checker: Box<dyn Streaming> = match object {
            None => Box::new(StreamingLists::default()),
            Some(object) => {
                let growing = StreamingCalls::with(object, failed_cas, CAPS);
                Box::new(growing.expect("it is no stream"))
            }
        };
        let mut told = String::new();
        for (index, event) in history.events.iter().enumerate() {
            if let Some(anomaly) = checker.event(index, event) {
                let _ = writeln!(told, "at event {index}:");
                tell_anomaly(&mut told, &anomaly);
            }
        }
        let held = checker.held();
        let _ = writeln!(told, "held: {held:?}, {} but for the keys", held.total());
        let end = checker.finish();
        let _ = writeln!(told, "{}", end.name());
        if let Verdict::Unknown(_) = &end {
            verdict(&mut told, &end);
        }
        told
    };
    Judge { reading, tell: Box::new(tell) }
}

fn verdict(told: &mut String, verdict: &Verdict) {
    match verdict {
        Verdict::Valid => {}
        Verdict::Unknown(reasons) => {
            for reason in reasons {
                let _ = writeln!(told, "reason: {reason}");
            }
        }
        Verdict::Invalid(anomalies) => {
            anomalies.iter().for_each(|anomaly| tell_anomaly(told, anomaly));
        }
    }
}

fn tell_anomaly(told: &mut String, anomaly: &Anomaly) {
    let Anomaly { name, found_by, text, events } = anomaly;
    let _ = writeln!(told, "{name} by {found_by}, {events:?}: {text}");
}

fn told_of(checker: &dyn Checker, history: &History, report: &Report) -> String {
    assert_eq!(checker.check(history), report.verdict());
    let cycles: Vec<(Anomaly, Cycle)> = report
        .cycles
        .iter()
        .map(|(at, cycle)| (report.anomalies[*at].clone(), cycle.clone()))
        .collect();
    assert_eq!(checker.cycles(history), cycles);
    assert!(report.anomalies.iter().all(|anomaly| anomaly.found_by == checker.name()));
    let mut told = String::new();
    let word = match &report.valid {
        Validity::True => "valid".to_owned(),
        Validity::False => "invalid".to_owned(),
        Validity::Unknown(reason) => format!("unknown: {reason}"),
    };
    let _ = writeln!(told, "{word} {:?} {:?}", report.anomaly_types, report.counts);
    let _ = writeln!(told, "not {:?}, nor {} others", report.not, report.also_not.len());
    let _ = writeln!(told, "{:?}", report.coverage);
    for note in &report.notes {
        let _ = writeln!(told, "note: {note}");
    }
    for (i, anomaly) in report.anomalies.iter().enumerate() {
        tell_anomaly(&mut told, anomaly);
        if let Some(cycle) = report.cycles.get(&i) {
            tell_cycle(&mut told, cycle);
        }
    }
    told
}

fn place(place: &Place) -> String {
    place.mop.map_or(format!("{}", place.event), |mop| format!("{}/{mop}", place.event))
}

fn tell_cycle(told: &mut String, cycle: &Cycle) {
    let left_out = cycle.left_out.map(|left_out| format!(", left out {left_out:?}"));
    let places: Vec<String> = cycle.places().iter().map(place).collect();
    let _ = writeln!(
        told,
        "cycle of {}{}, at {}",
        cycle.length,
        left_out.unwrap_or_default(),
        places.join(" ")
    );
    for member in &cycle.members {
        let _ = writeln!(told, "  {} at {}: {}", member.name, member.event, member.words);
    }
    for step in &cycle.steps {
        let name = |at: usize| &cycle.members[at].name;
        let (from, to) = (name(step.from), name(step.to));
        let _ = writeln!(told, "  {from} {} {to}: {}", step.kind.name(), step.because);
        for proof in &step.proofs {
            let places: Vec<String> = proof.places.iter().map(place).collect();
            let _ =
                writeln!(told, "    {} at {}: {}", proof.kind.name(), places.join(" "), proof.text);
        }
    }
}
