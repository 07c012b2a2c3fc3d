//! Whoever sees a write sees all that was acknowledged before that write was asked for (Jepsen's `causal-reverse`): in a
//! strictly serializable store no write is visible without those that came before it.
//!
//! Writes are elements that are added to a set or a list, each once, and nothing is removed; Jepsen's blind inserts of several keys,
//! read together, are one such set. Differs from Jepsen: a value that nobody can have written is an anomaly, too. Cannot see:
//! a read that misses what was acknowledged before it (`set-full` does), as long as it misses all that came later.

use super::elements::{Collection, Read, collections};
use super::findings::{Analyse, Findings};
use super::operations::{Operation, operations};
use super::set_final::unexpected;
use crate::history::History;
use crate::op::{Key, Value};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "causal-reverse";

/// Checks that no write is seen without those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CausalReverse;

/// Writes that were acknowledged, by when.
type Acknowledged<'o, 'h> = Vec<(usize, Value, &'o Operation<'h>)>;

impl Analyse for CausalReverse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let collections = collections(&operations)?;
        let mut findings = Findings::new(NAME);
        let (mut reads, mut expected, mut reversed) = (0, 0, 0);
        for (key, collection) in &collections {
            if let Some(reason) = unfit(*key, collection) {
                findings.reason(reason);
                continue;
            }
            let acknowledged = acknowledged(collection);
            for read in &collection.reads {
                reads += 1;
                unexpected(history, *key, collection, read, &mut findings);
                let (due, missed) =
                    judge(history, *key, collection, read, &acknowledged, &mut findings);
                expected += usize::from(due);
                reversed += usize::from(missed);
            }
        }
        findings.number("reads", reads);
        findings.number("reads that had to show something", expected);
        findings.number("reversed", reversed);
        if expected == 0 {
            findings.reason(format!(
                "none of {reads} reads saw a write that came after an acknowledged one"
            ));
        }
        Ok(findings)
    }
}

/// Why a key says nothing.
fn unfit(key: Key, collection: &Collection) -> Option<String> {
    if let Some(emptied) = collection.emptied {
        return Some(format!("key {key}: event {} may have taken elements away", emptied.invoked));
    }
    if let Some(value) = collection.removed.first() {
        return Some(format!("key {key}: element {value} may have been removed"));
    }
    let twice = collection.adds.iter().find(|(_, adds)| adds.len() > 1);
    twice.map(|(value, adds)| format!("key {key}: {value} was written {} times", adds.len()))
}

fn acknowledged<'o, 'h>(collection: &Collection<'o, 'h>) -> Acknowledged<'o, 'h> {
    let all =
        collection.adds.iter().flat_map(|(value, adds)| adds.iter().map(|add| (*value, *add)));
    let ended = all.filter_map(|(value, add)| add.returned().map(|at| (at, value, add)));
    let mut ended: Acknowledged = ended.collect();
    ended.sort_unstable_by_key(|(at, ..)| *at);
    ended
}

/// Whether a read had to show a write for the sake of another, and whether it does not.
fn judge(
    history: &History,
    key: Key,
    collection: &Collection,
    read: &Read,
    acknowledged: &Acknowledged,
    findings: &mut Findings,
) -> (bool, bool) {
    let shown = read
        .values
        .iter()
        .filter_map(|value| collection.attempts(*value).first().map(|add| (*value, *add)));
    let Some((value, newest)) = shown.max_by_key(|(_, add)| add.invoked) else {
        return (false, false);
    };
    let due = &acknowledged[..acknowledged.partition_point(|(at, ..)| *at < newest.invoked)];
    let mut values = read.values.to_vec();
    values.sort_unstable();
    let missing = due.iter().filter(|(_, value, _)| values.binary_search(value).is_err());
    let missing: Vec<_> = missing.collect();
    if let Some((_, missed, earlier)) = missing.first() {
        let count = missing.len();
        let sentence = format!(
            "key {key}, {value} is read without {missed}, which was acknowledged before {value} was asked for ({count} such \
             writes are missing)"
        );
        findings.anomaly(history, "causal-reverse", sentence, &[earlier, newest, read.operation]);
    }
    (!due.is_empty(), !missing.is_empty())
}
