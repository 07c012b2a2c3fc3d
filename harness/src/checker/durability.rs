//! What was acknowledged is there in the end. A *final read* of a key is asked for after the last acknowledgement of a change of
//! it; every one of them, through whatever node, must show what was acknowledged: of a list or a set each element, of a
//! register a value that no acknowledged write came after.
//!
//! It goes over transactions of lists and of registers and over calls of lists, sets and registers. Where real time does not
//! count, list-append does not see this: an append that no read shows has no place in its orders. Differs from `set-final` in
//! judging every final read, not the last. A key with acknowledged changes and without a final read makes the verdict `unknown`.
//!
//! Cannot see: what may have been taken away again (elements that may have been removed, keys that were emptied or
//! cleared are left out, and counted); counters, maps and sorted sets, which their models judge.

mod registers;

use super::elements::{Collection, collections};
use super::findings::{Analyse, Findings};
use super::operations::{Operation, operations};
use crate::history::History;
use crate::op::{Function, Key, Op};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "durability";

/// Checks final reads for what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// What the history is made of, as the command line calls it; nothing: transactions over lists.
    pub of: Option<&'static str>,
}

/// What was to be found again.
#[derive(Default)]
struct Tally {
    acknowledged: usize,
    lost: usize,
    final_reads: usize,
    left_out: usize,
    unread: usize,
}

impl Analyse for Durability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn words(&self) -> String {
        self.of.map_or(NAME.to_owned(), |of| format!("{NAME} --of {of}"))
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let mut findings = Findings::new(NAME);
        let mut tally = Tally::default();
        if operations.iter().any(is_of_registers) {
            for (key, register) in &registers::registers(&operations)? {
                register.judge(history, *key, &mut tally, &mut findings);
            }
        } else {
            elements(history, &collections(&operations)?, &mut tally, &mut findings);
        }
        tally.tell(&mut findings);
        Ok(findings)
    }
}

fn is_of_registers(operation: &Operation) -> bool {
    let call = operation.call().map(|call| &call.function);
    matches!(operation.op, Op::Registers(_))
        || matches!(call, Some(Function::Write(_) | Function::Cas { .. }))
}

fn elements(
    history: &History,
    collections: &BTreeMap<Key, Collection>,
    tally: &mut Tally,
    findings: &mut Findings,
) {
    for (key, collection) in collections {
        let kept: Vec<_> = collection.kept().collect();
        tally.left_out += collection.adds.len() - kept.len();
        let due = kept.iter().filter_map(|v| collection.acknowledged(*v).map(|add| (*v, add)));
        let due: Vec<_> = due.collect();
        let last = due.iter().filter_map(|(_, add)| add.returned()).max();
        let Some(last) = last else { continue };
        tally.acknowledged += due.len();
        let finals = collection.reads.iter().filter(|read| read.operation.invoked > last);
        let finals: Vec<_> = finals.collect();
        tally.final_reads += finals.len();
        tally.unread += usize::from(finals.is_empty());
        let mut missed = vec![false; due.len()];
        for read in finals {
            let mut values = read.values.to_vec();
            values.sort_unstable();
            for (place, (value, add)) in due.iter().enumerate() {
                if values.binary_search(value).is_err() && !missed[place] {
                    missed[place] = true;
                    tally.lost += 1;
                    let sentence = format!(
                        "key {key}, element {value} was acknowledged, and a final read does not show it"
                    );
                    findings.anomaly(history, "lost", sentence, &[add, read.operation]);
                }
            }
        }
    }
}

impl Tally {
    fn tell(&self, findings: &mut Findings) {
        findings.number("acknowledged", self.acknowledged);
        findings.number("lost", self.lost);
        findings.number("final reads", self.final_reads);
        findings.number("left out", self.left_out);
        findings.number("keys without a final read", self.unread);
        if self.acknowledged == 0 {
            findings.reason(
                "nothing was acknowledged that had to stay: nothing could be lost".to_owned(),
            );
        }
        if self.unread > 0 {
            let keys = self.unread;
            findings.reason(format!(
                "{keys} keys were not read after the last change of them was acknowledged"
            ));
        }
    }
}
