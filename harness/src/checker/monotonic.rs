//! A counter that only grows is never seen to shrink: whoever asks after another was answered sees no less. What an add was
//! answered counts as seen. The idea is that of the `monotonic` workloads of Jepsen's tests of CockroachDB and FaunaDB.
//!
//! By default this holds across all processes, in real time, as of a linearizable counter; [`Monotonic::per_process`] asks it
//! of each process by itself, as sequential consistency does. Cannot see: values that are too low from the beginning.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::{History, Process};
use crate::op::{Answer, Function, Key};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "monotonic";

/// Checks that counters are not seen to shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Monotonic {
    /// Whether only what one process saw is compared.
    pub per_process: bool,
}

/// What was seen of one counter, by all or by one process.
type Seen<'o, 'h> = Vec<(&'o Operation<'h>, i64)>;

impl Analyse for Monotonic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn words(&self) -> String {
        format!("{NAME}{}", if self.per_process { " --per-process" } else { "" })
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        Ok(judged(history, &seen(&operations(history)?, self.per_process)?))
    }
}

fn seen<'o, 'h>(
    operations: &'o [Operation<'h>],
    per_process: bool,
) -> Result<BTreeMap<(Key, Option<Process>), Seen<'o, 'h>>, String> {
    let mut seen: BTreeMap<(Key, Option<Process>), Seen> = BTreeMap::new();
    for operation in operations {
        let event = operation.invoked;
        let Some(call) = operation.call() else {
            return Err(format!("event {event} is no call of a counter"));
        };
        let grows = match call.function {
            Function::Read => true,
            Function::Add(by) => by >= 0 || operation.end == End::Fail,
            _ => operation.end == End::Fail,
        };
        if !grows {
            return Err(format!(
                "event {event}, {call}: a counter that may shrink is not monotonic"
            ));
        }
        if let Some(Answer::Number(value)) = call.answer {
            let process = Some(operation.process).filter(|_| per_process);
            seen.entry((call.key, process)).or_default().push((operation, value));
        }
    }
    Ok(seen)
}

fn judged(history: &History, seen: &BTreeMap<(Key, Option<Process>), Seen>) -> Findings {
    let mut findings = Findings::new(NAME);
    let (mut compared, mut grown, mut shrunk) = (0, 0, 0);
    for ((key, _), seen) in seen {
        // By when they ended, the largest of all that had ended so far.
        let mut ended: Vec<(usize, i64, &Operation)> =
            seen.iter().filter_map(|(o, value)| o.returned().map(|at| (at, *value, *o))).collect();
        ended.sort_unstable_by_key(|(at, ..)| *at);
        for next in 1..ended.len() {
            if ended[next].1 < ended[next - 1].1 {
                (ended[next].1, ended[next].2) = (ended[next - 1].1, ended[next - 1].2);
            }
        }
        for (later, value) in seen {
            let before = ended.partition_point(|(at, ..)| *at < later.invoked);
            let Some(last) = before.checked_sub(1) else { continue };
            let (_, most, earlier) = ended[last];
            compared += 1;
            grown += usize::from(*value > most);
            if *value < most {
                shrunk += 1;
                let sentence = format!("key {key}, {value} was seen after {most} had been");
                findings.anomaly(history, "nonmonotonic", sentence, &[earlier, later]);
            }
        }
    }
    findings.number("seen", seen.values().map(Vec::len).sum::<usize>());
    findings.number("compared", compared);
    findings.number("shrunk", shrunk);
    if compared == 0 {
        findings.reason("nobody saw a counter after another had: nothing was compared".to_owned());
    } else if grown + shrunk == 0 {
        findings.reason("no counter was seen to change".to_owned());
    }
    findings
}
