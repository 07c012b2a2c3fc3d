//! A set that only grows, and its last read (Jepsen's `set`): every element whose add was acknowledged is there, and none
//! that nobody can have added.
//!
//! Differs from Jepsen: only adds that were acknowledged before the last read was asked for must be in it, and later ones make
//! the verdict `unknown`; an element is unexpected, too, if every add of it failed. Keys are judged one by one.
//! Cannot see: what earlier reads missed (`set-full` does), and elements that are removed.

use super::elements::{Collection, Read, collections};
use super::findings::{Analyse, Findings};
use super::operations::operations;
use crate::history::History;
use crate::op::Key;
use std::collections::BTreeSet;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "set-final";

/// Checks the last read of every set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFinal;

/// Elements by what became of them.
#[derive(Default)]
struct Tally {
    attempted: usize,
    acknowledged: usize,
    ok: usize,
    lost: usize,
    unexpected: usize,
    recovered: usize,
    unread: usize,
    removed: usize,
}

impl Analyse for SetFinal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let collections = collections(&operations)?;
        let mut findings = Findings::new(NAME);
        let mut tally = Tally::default();
        for (key, collection) in &collections {
            judge(history, *key, collection, &mut tally, &mut findings);
        }
        tally.tell(&mut findings);
        Ok(findings)
    }
}

fn judge(
    history: &History,
    key: Key,
    collection: &Collection,
    tally: &mut Tally,
    findings: &mut Findings,
) {
    let last = collection.reads.iter().max_by_key(|read| read.returned);
    let seen: BTreeSet<u64> = last.iter().flat_map(|read| read.values).copied().collect();
    let judged: Vec<u64> = collection.kept().collect();
    tally.attempted += collection.adds.len();
    tally.removed += collection.adds.len() - judged.len();
    for value in judged {
        let Some(add) = collection.acknowledged(value) else {
            tally.recovered += usize::from(seen.contains(&value));
            continue;
        };
        tally.acknowledged += 1;
        match last {
            _ if seen.contains(&value) => tally.ok += 1,
            Some(read) if add.had_happened(read.operation.invoked) => {
                tally.lost += 1;
                let sentence = format!(
                    "key {key}, element {value} was added, and the last read does not show it"
                );
                findings.anomaly(history, "lost", sentence, &[add, read.operation]);
            }
            _ => tally.unread += 1,
        }
    }
    if let Some(read) = last {
        tally.unexpected += unexpected(history, key, collection, read, findings);
    }
}

/// How many elements a read shows that it cannot.
pub(super) fn unexpected(
    history: &History,
    key: Key,
    collection: &Collection,
    read: &Read,
    findings: &mut Findings,
) -> usize {
    let values: BTreeSet<u64> = read.values.iter().copied().collect();
    let wrong = values.into_iter().filter(|value| !collection.may_show(read, *value));
    let wrong: Vec<u64> = wrong.collect();
    for value in &wrong {
        let why = collection.why_not(*value);
        let sentence = format!("key {key}, element {value} was read, and {why}");
        let mut shown_by = vec![read.operation];
        shown_by.extend(collection.attempts(*value).first());
        findings.anomaly(history, "unexpected", sentence, &shown_by);
    }
    wrong.len()
}

impl Tally {
    fn tell(&self, findings: &mut Findings) {
        findings.number("attempted", self.attempted);
        findings.number("acknowledged", self.acknowledged);
        findings.number("ok", self.ok);
        findings.number("lost", self.lost);
        findings.number("unexpected", self.unexpected);
        findings.number("recovered", self.recovered);
        if self.acknowledged == 0 {
            let Tally { attempted, removed, .. } = self;
            findings.reason(format!(
                "no add of an element that stays was acknowledged ({attempted} elements, of which {removed} may have \
                 been removed): nothing could be lost"
            ));
        } else if self.unread > 0 {
            findings.reason(format!(
                "{} of {} acknowledged elements were added after their key's last read was asked for, or the key \
                 was never read",
                self.unread, self.acknowledged
            ));
        }
    }
}
