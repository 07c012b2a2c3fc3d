//! Long fork (Jepsen's `long-fork`): two reads of the same keys that see two writes in opposite orders. Parallel snapshot
//! isolation allows it, snapshot isolation does not.
//!
//! Every transaction writes one key, which nobody else writes, or reads a group of keys. In one group the reads must grow: of any
//! two, one sees all that the other does. That is the case if and only if, in the order of how much they see, each sees all
//! that the one before it does, so a group costs no more than sorting it.
//!
//! A history with two writes of one key, or with another kind of transaction, is `unknown`, and so is one in which no two
//! reads of a group could have contradicted each other: *early* reads see nothing, *late* ones everything.
//! Differs from Jepsen: groups may differ in size; what nobody can have written is an anomaly. Cannot see: forks across
//! groups, and anything that real time would show.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::History;
use crate::op::{Held, Key, Op, RegisterMop, Value};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "long-fork";

/// Checks reads of groups of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongFork;

/// What a read saw of its keys, ascending, and whether each was there.
struct Read<'o, 'h> {
    operation: &'o Operation<'h>,
    seen: Vec<bool>,
}

/// The write of each key.
type Writes<'o, 'h> = BTreeMap<Key, (&'o Operation<'h>, Value)>;

impl Analyse for LongFork {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        Ok(judged(history, &operations, &writes(&operations)?))
    }
}

/// Every write, once it is clear that all transactions are of the two kinds.
fn writes<'o, 'h>(operations: &'o [Operation<'h>]) -> Result<Writes<'o, 'h>, String> {
    let mut writes = Writes::new();
    for operation in operations {
        let event = operation.invoked;
        let mops = match operation.op {
            Op::Registers(mops) => &mops[..],
            _ => return Err(format!("event {event} is no transaction over registers")),
        };
        match mops {
            [RegisterMop::Write { key, value }] => {
                if let Some((earlier, _)) = writes.insert(*key, (operation, *value)) {
                    return Err(format!(
                        "events {} and {event} both write key {key}: what came first would be a guess",
                        earlier.invoked
                    ));
                }
            }
            reads if reads.iter().all(|mop| matches!(mop, RegisterMop::Read { .. })) => {}
            _ => {
                return Err(format!(
                    "event {event} neither writes one key nor only reads: no long fork can be told from it"
                ));
            }
        }
    }
    Ok(writes)
}

fn judged(history: &History, operations: &[Operation], writes: &Writes) -> Findings {
    let mut findings = Findings::new(NAME);
    let mut groups: BTreeMap<Vec<Key>, Vec<Read>> = BTreeMap::new();
    let (mut reads, mut early, mut late, mut blind) = (0, 0, 0, 0);
    for operation in operations.iter().filter(|operation| operation.end == End::Ok) {
        let mops = operation.op.register_mops();
        if !matches!(mops.first(), Some(RegisterMop::Read { .. })) {
            continue;
        }
        reads += 1;
        garbage(history, operation, writes, &mut findings);
        let Some(seen) = seen(mops) else {
            blind += 1;
            continue;
        };
        early += usize::from(seen.values().all(|seen| !seen));
        late += usize::from(seen.values().all(|seen| *seen));
        let (keys, seen) = seen.into_iter().unzip();
        groups.entry(keys).or_default().push(Read { operation, seen });
    }
    let (mut told, mut forked) = (0, 0);
    for (keys, mut group) in groups {
        told += usize::from(group.iter().filter(|read| read.is_between()).count() > 1);
        group.sort_by_key(|read| read.seen.iter().filter(|seen| **seen).count());
        let forks = group.windows(2).filter(|pair| !pair[1].sees_all_of(&pair[0]));
        let forks: Vec<&[Read]> = forks.collect();
        forked += usize::from(!forks.is_empty());
        for pair in forks {
            fork(history, &keys, pair, writes, &mut findings);
        }
    }
    findings.number("reads", reads);
    findings.number("early reads", early);
    findings.number("late reads", late);
    findings.number("reads of which nobody knows what they saw", blind);
    findings.number("groups that could show a fork", told);
    findings.number("groups with a fork", forked);
    if told == 0 {
        findings.reason(format!(
            "no two of {reads} reads of one group saw some of it and not all: no fork could have been seen"
        ));
    }
    findings
}

impl Read<'_, '_> {
    fn is_between(&self) -> bool {
        self.seen.contains(&true) && self.seen.contains(&false)
    }

    fn sees_all_of(&self, other: &Read) -> bool {
        self.seen.iter().zip(&other.seen).all(|(mine, other)| *mine || !other)
    }
}

/// Whether each key was there; `None` if that is not known of one, or if one was seen both ways.
fn seen(mops: &[RegisterMop]) -> Option<BTreeMap<Key, bool>> {
    let mut seen = BTreeMap::new();
    for mop in mops {
        let RegisterMop::Read { key, value } = mop else { return None };
        let there = match value {
            Held::Unknown => return None,
            Held::Nothing => false,
            Held::Value(_) => true,
        };
        if seen.insert(*key, there).is_some_and(|before| before != there) {
            return None;
        }
    }
    Some(seen)
}

/// Values that nobody can have written.
fn garbage(history: &History, read: &Operation, writes: &Writes, findings: &mut Findings) {
    for mop in read.op.register_mops() {
        let RegisterMop::Read { key, value: Held::Value(value) } = mop else { continue };
        let write = writes.get(key);
        let right = |(write, written): &&(&Operation, Value)| {
            written == value
                && write.end != End::Fail
                && read.returned().is_some_and(|returned| write.invoked < returned)
        };
        if write.filter(right).is_none() {
            let sentence =
                format!("key {key} was read to hold {value}, which nobody can have written");
            let shown_by: Vec<&Operation> =
                write.map(|(write, _)| *write).into_iter().chain([read]).collect();
            findings.anomaly(history, "unexpected", sentence, &shown_by);
        }
    }
}

/// Puts a fork into words.
fn fork(history: &History, keys: &[Key], pair: &[Read], writes: &Writes, findings: &mut Findings) {
    let only = |a: &Read, b: &Read| {
        let places = (0..keys.len()).find(|place| a.seen[*place] && !b.seen[*place]);
        places.map(|place| keys[place])
    };
    let (Some(one), Some(other)) = (only(&pair[0], &pair[1]), only(&pair[1], &pair[0])) else {
        return;
    };
    let sentence = format!(
        "the first of these reads sees key {one} and not key {other}, so {one} was written first; the second sees {other} and \
         not {one}, so {other} was"
    );
    let mut shown_by = vec![pair[0].operation, pair[1].operation];
    shown_by.extend([one, other].iter().filter_map(|key| writes.get(key).map(|(write, _)| *write)));
    findings.anomaly(history, "long-fork", sentence, &shown_by);
}
