//! From events to columns: invocations and completions are paired by process.
//!
//! A history may lack invocations (bare completions); an operation that never completed is [`Outcome::Open`]. Operations of
//! another alphabet count as transactions that touch nothing.

use super::{Columns, Moment, MopRef, Outcome, Txn};
use crate::history::{Event, History, Kind, Process};
use crate::op::Mop;
use std::borrow::Cow;
use std::collections::BTreeMap;

fn appends(mops: &[Mop]) -> Vec<Mop> {
    mops.iter().filter(|mop| matches!(mop, Mop::Append { .. })).cloned().collect()
}

impl Columns {
    /// The columns of a history. The error is what makes that impossible, in one sentence.
    pub fn of(history: &History) -> Result<Columns, String> {
        let mut columns = Columns::default();
        let mut running: BTreeMap<Process, usize> = BTreeMap::new();
        for (index, event) in history.client_events() {
            let outcome = match event.kind {
                Kind::Ok => Outcome::Ok,
                Kind::Fail => Outcome::Fail,
                Kind::Info => Outcome::Info,
                Kind::Invoke => {
                    if let Some(earlier) = running.insert(event.process, index) {
                        return Err(format!(
                            "{} invokes at event {index} while its operation of event {earlier} is open: \
                             a process asks one thing at a time",
                            event.process
                        ));
                    }
                    continue;
                }
            };
            let invoked = running.remove(&event.process);
            let asked = invoked.map_or(&[][..], |invoked| history.events[invoked].op.mops());
            // A completion need not repeat what was asked; then it does not say what was read.
            let mops = match event.op.mops() {
                [] if outcome == Outcome::Ok => Cow::Owned(appends(asked)),
                [] => Cow::Borrowed(asked),
                told => Cow::Borrowed(told),
            };
            columns.add(history, outcome, index, invoked, &mops)?;
        }
        let mut open: Vec<usize> = running.into_values().collect();
        open.sort_unstable();
        for index in open {
            let mops = history.events[index].op.mops();
            columns.add(history, Outcome::Open, index, Some(index), mops)?;
        }
        Ok(columns)
    }

    fn add(
        &mut self,
        history: &History,
        outcome: Outcome,
        ended: usize,
        invoked: Option<usize>,
        mops: &[Mop],
    ) -> Result<(), String> {
        let event: &Event = &history.events[ended];
        let Process::Client(process) = event.process else { return Ok(()) };
        let ended = moment(history, ended)?;
        let invoked = invoked.map(|invoked| moment(history, invoked)).transpose()?;
        let txn = Txn { process, outcome, ended, invoked, node: event.node };
        self.push(txn, mops.iter().map(MopRef::from))
    }
}

fn moment(history: &History, event: usize) -> Result<Moment, String> {
    let nanoseconds = history.events[event].time.as_nanos();
    let time = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
    let event = u32::try_from(event).map_err(|_| "more than 2^32 events".to_string())?;
    Ok(Moment { event, time })
}
