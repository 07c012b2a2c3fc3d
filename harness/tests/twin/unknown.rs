//! What a history shows of transactions whose outcome is not known.

use harness::history::{Event, History, Kind};
use harness::op::{Held, Key, RegisterMop};

/// Whether a transaction read what one of unknown outcome wrote.
pub fn shows_unknown(history: &History) -> bool {
    let ended = |process| {
        let ends = |event: &&Event| event.process == process && event.kind != Kind::Invoke;
        history.events.iter().find(ends).is_some_and(|event| event.kind != Kind::Info)
    };
    let asked = history.events.iter().filter(|event| event.kind == Kind::Invoke);
    let unknown = asked.filter(|event| !ended(event.process));
    let written: Vec<(Key, Held)> = unknown
        .flat_map(|event| event.op.register_mops())
        .filter_map(|mop| match mop {
            RegisterMop::Write { key, value } => Some((*key, Held::Value(*value))),
            RegisterMop::Read { .. } => None,
        })
        .collect();
    let told = history.events.iter().filter(|event| event.kind == Kind::Ok);
    told.flat_map(|event| event.op.register_mops()).any(|mop| match mop {
        RegisterMop::Read { key, value } => written.contains(&(*key, *value)),
        RegisterMop::Write { .. } => false,
    })
}
