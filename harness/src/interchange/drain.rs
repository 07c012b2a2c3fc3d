//! `:drain`, by which Jepsen's tests of queues take all that is left: `{:type :ok, :f :drain, :value [4 5]}`.
//!
//! One that succeeded is read as a dequeue that found nothing, from the moment at which the drain was asked for to that at which
//! it was answered, and then one dequeue for each element that it took. The order of these among others says nothing, so
//! only a checker that does not look at orders may read drains. One of unknown outcome may have taken anything: it stands in
//! the history as a `:clear` of unknown outcome.

use super::op_map::{Datum, brief, element};
use crate::history::{Event, History, Kind, Process};
use crate::op::{Answer, Call, Function, Key, Op, Value};
use std::collections::BTreeMap;

/// Drains that are not over, by the event at which each was asked for.
#[derive(Default)]
pub(super) struct Drains {
    open: BTreeMap<Process, usize>,
}

/// Whether an op map is of a drain.
pub(super) fn is_one(f: Option<&Datum>) -> bool {
    f.and_then(Datum::word) == Some("drain")
}

/// What a drain took, with the key where there is one.
pub(super) fn took<'d, 'a>(
    value: Option<&'d Datum<'a>>,
) -> Result<(Option<&'d Datum<'a>>, Vec<Value>), String> {
    let (key, taken) = match value {
        Some(Datum::Seq(items)) => match &items[..] {
            [key, Datum::Seq(taken)] => (Some(key), &taken[..]),
            [key, Datum::Nil] => (Some(key), &[][..]),
            items => (None, items),
        },
        None | Some(Datum::Nil) => (None, &[][..]),
        Some(other) => {
            return Err(format!("value {} is no list of elements: [4 5] is", brief(other)));
        }
    };
    let taken = taken.iter().map(|datum| element(datum, "an element"));
    Ok((key, taken.collect::<Result<_, String>>()?))
}

impl Drains {
    /// Puts the event of a drain into a history.
    pub fn add(&mut self, history: &mut History, event: Event, key: Key, taken: &[Value]) {
        let call = |function, answer| Op::Call(Call { key, function, answer });
        let process = event.process;
        let put =
            |history: &mut History, kind, op| history.push(Event { kind, op, ..event.clone() });
        let open = self.open.remove(&process).filter(|_| event.kind != Kind::Invoke);
        match (event.kind, open) {
            (Kind::Ok, Some(open)) => {
                history.events[open].op = call(Function::Dequeue, None);
                put(history, Kind::Ok, call(Function::Dequeue, Some(Answer::Nil)));
                for value in taken {
                    put(history, Kind::Invoke, call(Function::Dequeue, None));
                    put(history, Kind::Ok, call(Function::Dequeue, Some(Answer::Value(*value))));
                }
            }
            (Kind::Invoke, _) => {
                let at = put(history, Kind::Invoke, call(Function::Clear, None));
                self.open.insert(process, at);
            }
            (kind, Some(open)) => {
                let asked = history.events[open].op.clone();
                put(history, kind, asked);
            }
            (kind, None) => drop(put(history, kind, call(Function::Clear, None))),
        }
    }
}
