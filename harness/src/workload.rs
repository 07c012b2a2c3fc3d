//! What clients ask of the store, one workload a file.

use crate::cluster::NodeId;
use crate::generator::Generator;
use crate::history::{Event, History, Kind};
use crate::op::{Bank, Call, Function, Key, Mop, Object, Op, RegisterMop};
use bank::Transfers;
use calls::Calls;
use long_fork::LongFork;
use shape::Shape;
use std::collections::BTreeSet;
use transactions::{Alphabet, Transactions};

pub mod bank;
pub mod calls;
pub mod final_reads;
pub mod long_fork;
pub mod shape;
pub mod transactions;

/// What a test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Transactions over lists, or registers.
    Transactions(Alphabet),
    /// Single writes to registers, and reads of several.
    LongFork,
    /// Transfers between accounts, and looks at all of them.
    Bank,
    /// Calls of single objects, all of one kind.
    Calls(Object),
}

impl Workload {
    /// Who asks: never exhausted.
    pub fn generator(self, shape: &Shape) -> Box<dyn Generator> {
        match self {
            Workload::Transactions(alphabet) => {
                Box::new(Transactions::new(alphabet, shape.clone()))
            }
            Workload::LongFork => Box::new(LongFork::new(shape.clone())),
            Workload::Bank => Box::new(Transfers::new(shape.clone())),
            Workload::Calls(object) => Box::new(Calls::new(object, shape.clone())),
        }
    }

    /// A read of all that one key holds; a bank is one key.
    pub fn read(self, key: Key) -> Op {
        match self {
            Workload::Transactions(alphabet) => alphabet.read(key),
            Workload::LongFork => Alphabet::Registers.read(key),
            Workload::Bank => Op::Bank(Bank::Read { balances: None }),
            Workload::Calls(object) => {
                let function = whole(object);
                Op::Call(Call { key, function, answer: None })
            }
        }
    }
}

/// The read of the whole object, or what comes nearest to it. A queue has none: it is tested as a list.
fn whole(object: Object) -> Function {
    if object == Object::Zset { Function::ZRange } else { Function::Read }
}

/// The key that a bank is.
const BANK: Key = 0;

/// Every key that a client ever named, in order.
pub fn keys_used(history: &History) -> Vec<Key> {
    let asked = history.client_events().filter(|(_, event)| event.kind == Kind::Invoke);
    let keys = asked.flat_map(|(_, event)| match event.op {
        Op::Bank(_) => vec![BANK],
        ref op => op.keys(),
    });
    let keys: BTreeSet<Key> = keys.collect();
    keys.into_iter().collect()
}

/// The node and key of an event that is a single read.
fn single_read(event: &Event) -> Option<(NodeId, Key)> {
    let key = match &event.op {
        Op::Call(call) if call.function.reads() => call.key,
        Op::Bank(Bank::Read { .. }) => BANK,
        op => match (op.mops(), op.register_mops()) {
            ([Mop::Read { key, .. }], _) | (_, [RegisterMop::Read { key, .. }]) => *key,
            _ => return None,
        },
    };
    Some((event.node?, key))
}
