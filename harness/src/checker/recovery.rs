//! Once all is mended, every node serves again within a stated time. All is mended when the nemesis has done its last.
//!
//! A node has not recovered if nothing that was asked of it after the mending succeeded within that time, and something shows that
//! it did not serve when the time was over: an operation that was refused or given up then or later, before anything succeeded, or
//! one that took longer than the time itself. A node that nobody asks then, and that serves whom asks next, has recovered as far
//! as anybody can tell.
//!
//! Reads events' nodes, so of histories from elsewhere only those that have them. What a run does besides: it asks every node until
//! it serves, and who does not in time makes it invalid ([`crate::judge`]), under this checker's name. Cannot see: nodes that are
//! asked nothing, which make the verdict `unknown`.

use super::findings::{Analyse, Findings};
use super::operations::{Operation, operations};
use crate::cluster::NodeId;
use crate::history::{History, Process};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "recovery";

/// Checks that nodes serve again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How long after the mending.
    pub within: Duration,
}

impl Analyse for Recovery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let last = history.events.iter().rposition(|event| event.process == Process::Nemesis);
        let Some(mended) = last else {
            return Err("nothing was broken: nobody had to recover".to_owned());
        };
        let mut asked: BTreeMap<NodeId, Vec<&Operation>> = BTreeMap::new();
        for operation in &operations {
            let Some(node) = history.events[operation.invoked].node else { continue };
            let asked = asked.entry(node).or_default();
            if operation.invoked > mended {
                asked.push(operation);
            }
        }
        let mut findings = Findings::new(NAME);
        findings.number("nodes", asked.len());
        if asked.is_empty() {
            findings.reason("no operation says which node it was asked of".to_owned());
        }
        for (node, asked) in asked {
            self.judge(history, node, mended, &asked, &mut findings);
        }
        Ok(findings)
    }
}

impl Recovery {
    fn judge(
        &self,
        history: &History,
        node: NodeId,
        mended: usize,
        asked: &[&Operation],
        findings: &mut Findings,
    ) {
        let time = |event: usize| history.events[event].time;
        let since = |event: usize| time(event).saturating_sub(time(mended));
        if asked.is_empty() {
            findings.reason(format!("{node} was asked nothing after all was mended"));
            return;
        }
        let served = asked.iter().filter_map(|o| o.returned()).min();
        if let Some(served) = served {
            findings.number(format!("{node} served after ms"), since(served).as_millis());
        }
        if served.is_some_and(|served| since(served) <= self.within) {
            return;
        }
        // Still without an answer when the time was over, or refused after it and before the first success.
        let failed =
            asked.iter().find(|operation| match (operation.returned(), operation.completed) {
                (Some(returned), _) => {
                    // Whoever was asked later, and answered after another was, says nothing of that time.
                    let speaks =
                        since(operation.invoked) <= self.within || served == Some(returned);
                    let took = time(returned).saturating_sub(time(operation.invoked));
                    speaks && took > self.within
                }
                (None, Some(ended)) => {
                    since(ended) >= self.within && served.is_none_or(|served| ended < served)
                }
                (None, None) => false,
            });
        let limit = self.within.as_millis();
        match failed {
            Some(failed) => {
                let sentence = format!("{node} served nobody within {limit} ms of the mending, though it was asked");
                findings.anomaly(history, "not-recovered", sentence, &[failed]);
            }
            None if served.is_none() => findings.reason(format!(
                "{node} served nobody after the mending, and was asked nothing that ended later than {limit} ms after it"
            )),
            None => {}
        }
    }
}
