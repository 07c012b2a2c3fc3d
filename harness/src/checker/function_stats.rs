//! What became of what was asked, by function (Jepsen's `stats`): a function that never succeeded was not tested, whatever the
//! rest of the history says.
//!
//! Jepsen's code calls that invalid and its documentation unknown; here it is `unknown`. What a run counts besides, as reads,
//! writes and faults, stands in its summary (`harness::stats`), and what became of operations while something was broken in
//! its windows (`harness::windows`).

use super::findings::{Analyse, Findings};
use crate::counts::Counts;
use crate::history::{History, Kind};
use crate::op::Op;
use std::collections::BTreeMap;

/// The name by which the command line knows it.
pub const NAME: &str = "stats";

/// Counts what became of each function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionStats;

impl Analyse for FunctionStats {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let mut counts: BTreeMap<&'static str, Counts> = BTreeMap::new();
        for (_, event) in history.client_events() {
            let counts = counts.entry(word(&event.op)).or_default();
            if event.kind != Kind::Invoke {
                counts.add(event.kind);
            }
        }
        let mut findings = Findings::new(NAME);
        for (word, Counts { ok, fail, info }) in &counts {
            findings.number(format!("{word} ok"), *ok);
            findings.number(format!("{word} fail"), *fail);
            findings.number(format!("{word} info"), *info);
            if *ok == 0 {
                findings.reason(format!(":{word} never succeeded ({fail} fail, {info} info)"));
            }
        }
        if counts.is_empty() {
            findings.reason("nothing was asked".to_owned());
        }
        Ok(findings)
    }
}

/// Jepsen's `:f`, without its colon.
fn word(op: &Op) -> &'static str {
    match op {
        Op::Txn(_) | Op::Registers(_) => "txn",
        Op::Call(call) => call.function.word(),
        Op::Bank(bank) => bank.word(),
        Op::Fault(_) => "fault",
    }
}
