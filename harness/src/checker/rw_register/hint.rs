//! A caller's order of transactions, such as the indices that a replicated log gave them. It is a claim, not
//! evidence: what the history shows against it makes it void.
//!
//! Checked: nobody read a value before it was written, and nothing that had completed comes after what was
//! invoked later. What the versions themselves show is checked where their orders are joined
//! ([`super::orders`]). An order that passes is used for the versions of each key, after every other rule, and
//! what is found with its help names it.
//!
//! Cannot see: a wrong order among transactions that were concurrent. Whoever gives one must know it.

use super::versions::Versions;
use crate::checker::transactional::columns::{Columns, NONE};
use crate::history::{Event, History, Kind, Process};
use crate::op::RegisterMop;
use std::collections::BTreeMap;

/// By the index of a transaction's completion its number; of two, the smaller took effect first. Equal
/// numbers say nothing, and neither does a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderHint(pub BTreeMap<usize, u64>);

impl OrderHint {
    /// Reads an order: a line `EVENT NUMBER` for each transaction, where EVENT is the position of its completion in the history,
    /// from 0; what follows a `#` is left out. The error names the line and says what would be right.
    pub fn parse(text: &str) -> Result<OrderHint, String> {
        let mut numbers = BTreeMap::new();
        for (line, said) in (1..).zip(text.lines()) {
            let said = said.split('#').next().unwrap_or_default();
            let words: Vec<&str> = said.split_whitespace().collect();
            let [event, number] = words[..] else {
                match words.is_empty() {
                    true => continue,
                    false => {
                        return Err(format!("line {line}: `{}` is not EVENT NUMBER", said.trim()));
                    }
                }
            };
            let (Ok(event), Ok(number)) = (event.parse(), number.parse()) else {
                return Err(format!(
                    "line {line}: `{event} {number}` is not two whole numbers, from 0"
                ));
            };
            if let Some(earlier) = numbers.insert(event, number) {
                return Err(format!(
                    "line {line}: event {event} has number {number} and, further up, {earlier}: a transaction has one"
                ));
            }
        }
        Ok(OrderHint(numbers))
    }

    /// What of it is about no transaction of the history, in one sentence.
    pub fn misplaced(&self, history: &History) -> Option<String> {
        let events = &history.events;
        let is_completion = |event: &Event| {
            event.kind != Kind::Invoke && matches!(event.process, Process::Client(_))
        };
        let stray = self.0.keys().find(|at| !events.get(**at).is_some_and(is_completion))?;
        Some(match events.get(*stray) {
            Some(_) => format!("event {stray} is no completion of a client's transaction"),
            None => format!("there is no event {stray}: the history has {}, from 0", events.len()),
        })
    }

    pub(super) fn number(&self, columns: &Columns<RegisterMop>, txn: u32) -> Option<u64> {
        self.0.get(&columns.txns[txn as usize].event).copied()
    }

    /// What the history shows against it, in one sentence.
    pub(super) fn refuted(
        &self,
        columns: &Columns<RegisterMop>,
        versions: &Versions,
    ) -> Option<String> {
        self.read_too_early(columns, versions).or_else(|| self.against_real_time(columns))
    }

    fn read_too_early(
        &self,
        columns: &Columns<RegisterMop>,
        versions: &Versions,
    ) -> Option<String> {
        for access in (0..columns.keys.len()).flat_map(|row| versions.accesses(row)) {
            let writer = Some(access.read).filter(|read| *read != NONE);
            let Some(writer) = writer.and_then(|read| versions.writer(read)) else { continue };
            let writer = columns.touches[writer].txn;
            let numbers = (self.number(columns, writer), self.number(columns, access.txn));
            if let (Some(written), Some(read)) = numbers
                && written > read
            {
                return Some(format!(
                    "event {} has number {written} and wrote what event {}, with number {read}, read",
                    columns.txns[writer as usize].event, columns.txns[access.txn as usize].event
                ));
            }
        }
        None
    }

    fn against_real_time(&self, columns: &Columns<RegisterMop>) -> Option<String> {
        let mut latest: Option<(u64, usize)> = None;
        for (index, event) in columns.history.client_events() {
            let txn = columns.txn_of_event[index];
            let Some(number) = self.number(columns, txn) else { continue };
            match event.kind {
                Kind::Ok => latest = latest.max(Some((number, index))),
                Kind::Invoke => {
                    if let Some((earlier, completed)) = latest.filter(|(l, _)| *l > number) {
                        return Some(format!(
                            "event {completed} has number {earlier} and completed before event {index} \
                             invoked what has number {number}"
                        ));
                    }
                }
                Kind::Fail | Kind::Info => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::OrderHint;
    use crate::checker::rw_register::{Inference, analyse_hinted};
    use crate::checker::transactional::Model;
    use crate::history::{Event, History, Kind, Process};
    use crate::op::{Held, Op, RegisterMop};
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn an_order_is_read_line_by_line() {
        let order = OrderHint::parse("# of n1's log\n3 17\n\n  1 9 # the first\n");
        assert_eq!(order, Ok(OrderHint(BTreeMap::from([(1, 9), (3, 17)]))));
        let wrong = [
            ("1 2\n3", "line 2: `3` is not EVENT NUMBER"),
            ("1 2 3 # x", "line 1: `1 2 3` is not EVENT NUMBER"),
            ("-1 2", "line 1: `-1 2` is not two whole numbers, from 0"),
            ("1 2\n1 3", "line 2: event 1 has number 3 and, further up, 2: a transaction has one"),
        ];
        for (text, sentence) in wrong {
            assert_eq!(OrderHint::parse(text), Err(sentence.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_order_of_what_is_not_there_is_told() {
        let op = Op::Registers(vec![RegisterMop::Write { key: 1, value: 2 }]);
        let event = |kind| Event {
            time: Duration::ZERO,
            process: Process::Client(0),
            kind,
            op: op.clone(),
            node: None,
            error: None,
        };
        let history = History { events: vec![event(Kind::Invoke), event(Kind::Ok)] };
        let misplaced = |at| OrderHint(BTreeMap::from([(at, 5)])).misplaced(&history);
        assert_eq!(misplaced(1), None);
        let invoked = misplaced(0).expect("it is an invocation");
        assert_eq!(invoked, "event 0 is no completion of a client's transaction");
        let beyond = misplaced(2).expect("there are two");
        assert_eq!(beyond, "there is no event 2: the history has 2, from 0");
    }

    #[test]
    fn an_order_that_the_history_refutes_is_refused() {
        let notes = |mops: [RegisterMop; 2], numbers: [u64; 2]| {
            let mut history = History::default();
            for (process, mop) in (0..).zip(mops) {
                for kind in [Kind::Invoke, Kind::Ok] {
                    let (time, process) = (Duration::ZERO, Process::Client(process));
                    let op = Op::Registers(vec![mop.clone()]);
                    history.push(Event { time, process, kind, op, node: None, error: None });
                }
            }
            let hint = OrderHint(BTreeMap::from([(1, numbers[0]), (3, numbers[1])]));
            let (model, rules) = (Model::STRICT_SERIALIZABLE, Inference::default());
            analyse_hinted(&history, model, rules, Some(&hint)).notes.concat()
        };
        let write = |key| RegisterMop::Write { key, value: 2 };
        let read = RegisterMop::Read { key: 1, value: Held::Value(2) };
        let wrote = "event 1 has number 8 and wrote what event 3, with number 7, read";
        let completed =
            "event 1 has number 8 and completed before event 2 invoked what has number 7";
        for (second, sentence) in [(read, wrote), (write(2), completed)] {
            let mops = [write(1), second];
            let note = notes(mops.clone(), [8, 7]);
            assert!(note.contains(sentence), "{note}");
            // What has one number may be in either order.
            for numbers in [[7, 7], [7, 8]] {
                assert_eq!(notes(mops.clone(), numbers), "", "{numbers:?}");
            }
        }
    }
}
