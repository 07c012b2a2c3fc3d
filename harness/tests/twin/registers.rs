//! The brute-force twin on transactions over registers.

use crate::serial;
use harness::history::{History, Kind};
use harness::op::{Held, Key, Op, RegisterMop, Value};
use std::collections::BTreeMap;

/// What the registers hold that were written.
pub type State = BTreeMap<Key, Value>;

/// Whether some serial order explains every read; with real time, one that respects it.
pub fn serializable(history: &History, realtime: bool) -> bool {
    serial::serializable(history, realtime, apply)
}

fn apply(op: &Op, kind: Kind, state: &State) -> Option<State> {
    let mut state = state.clone();
    for mop in op.register_mops() {
        let known = state.get(&mop.key()).copied();
        match mop {
            RegisterMop::Write { key, value } => drop(state.insert(*key, *value)),
            RegisterMop::Read { .. } if kind != Kind::Ok => {}
            RegisterMop::Read { value: Held::Unknown, .. } => {}
            RegisterMop::Read { value: Held::Nothing, .. } => known.is_none().then_some(())?,
            RegisterMop::Read { value: Held::Value(value), .. } => {
                (known == Some(*value)).then_some(())?;
            }
        }
    }
    Some(state)
}
