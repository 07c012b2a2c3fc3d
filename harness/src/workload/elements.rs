//! What a list may hold at all: only values that somebody asked to append, none twice.
//!
//! Linear in the history, and true under every isolation level.
//! Detects: a retried append that took effect twice, a value out of nowhere, a value of an append that failed.
//! Cannot see: order, loss, staleness: those are list-append's.

use crate::checker::{Anomaly, Checker, Verdict};
use crate::history::{Event, History, Kind};
use crate::op::{Key, Mop, Value};
use std::collections::BTreeMap;

/// The checker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elements;

/// Where a value was asked, and the event at which it failed for certain.
struct Asked {
    invoked: usize,
    failed: Option<usize>,
}

impl Checker for Elements {
    fn name(&self) -> &'static str {
        "elements"
    }

    fn check(&self, history: &History) -> Verdict {
        let asked = asked(history);
        let mut reads = 0;
        let mut anomalies = Vec::new();
        for (index, event) in history.client_events().filter(|(_, event)| event.kind == Kind::Ok) {
            for mop in event.op.mops() {
                if let Mop::Read { key, values: Some(values) } = mop {
                    reads += 1;
                    self.read(*key, values, (index, event), &asked, &mut anomalies);
                }
            }
        }
        if !anomalies.is_empty() {
            return Verdict::Invalid(anomalies);
        }
        match reads {
            0 => Verdict::Unknown(vec!["elements: no read succeeded".into()]),
            _ => Verdict::Valid,
        }
    }
}

impl Elements {
    fn read(
        &self,
        key: Key,
        values: &[Value],
        (index, event): (usize, &Event),
        asked: &BTreeMap<(Key, Value), Asked>,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let seen = format!("read by {} at {:.3} s", event.process, event.time.as_secs_f64());
        let mut anomaly = |name: &str, text: String, mut events: Vec<usize>| {
            events.push(index);
            let found_by = self.name().to_owned();
            anomalies.push(Anomaly { name: name.to_owned(), found_by, text, events });
        };
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        for pair in sorted.windows(2).filter(|pair| pair[0] == pair[1]) {
            let origin = asked.get(&(key, pair[0])).map(|asked| asked.invoked);
            let text = format!("key {key} value {} is there twice, {seen}", pair[0]);
            anomaly("duplicate-elements", text, origin.into_iter().collect());
        }
        sorted.dedup();
        for value in sorted {
            match asked.get(&(key, value)) {
                None => {
                    let text = format!("key {key} value {value} was never appended, {seen}");
                    anomaly("unasked-element", text, Vec::new());
                }
                Some(Asked { invoked, failed: Some(failed) }) => {
                    let text = format!("key {key} value {value}, whose append failed, {seen}");
                    anomaly("G1a", text, vec![*invoked, *failed]);
                }
                Some(_) => {}
            }
        }
    }
}

fn asked(history: &History) -> BTreeMap<(Key, Value), Asked> {
    let mut asked = BTreeMap::new();
    for (index, event) in history.client_events() {
        for mop in event.op.mops() {
            let Mop::Append { key, value } = mop else { continue };
            let known =
                asked.entry((*key, *value)).or_insert(Asked { invoked: index, failed: None });
            if event.kind == Kind::Fail {
                known.failed = Some(index);
            }
        }
    }
    asked
}
