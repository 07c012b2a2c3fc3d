//! Random transactions on a random timetable: crashed, failed and unanswered ones among them. What they touch is
//! up to the test: each micro-operation is a key and whether it writes.

use harness::op::Key;
use proptest::prelude::*;

/// So many keys there are.
pub const KEYS: u64 = 3;

/// How a planned transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Ok,
    Fail,
    Info { happens: bool },
    Never { happens: bool },
}

impl End {
    /// Whether it has effects.
    pub fn happens(self) -> bool {
        matches!(self, End::Ok | End::Info { happens: true } | End::Never { happens: true })
    }
}

/// A transaction before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// After the invocation before it.
    pub gap: u64,
    pub duration: u64,
    /// For each micro-operation: its key, whether it writes, and when it takes effect.
    pub mops: Vec<(Key, bool, u64)>,
    pub end: End,
}

fn plan(mops_max: usize) -> impl Strategy<Value = Plan> {
    let end = prop_oneof![
        8 => Just(End::Ok),
        1 => Just(End::Fail),
        1 => any::<bool>().prop_map(|happens| End::Info { happens }),
        1 => any::<bool>().prop_map(|happens| End::Never { happens }),
    ];
    let mop = (0..KEYS, any::<bool>(), 0..8u64);
    let mops = prop::collection::vec(mop, 1..=mops_max);
    (0..4u64, 1..8u64, mops, end).prop_map(|(gap, duration, mops, end)| Plan {
        gap,
        duration,
        mops,
        end,
    })
}

/// Some.
pub fn plans(count: std::ops::Range<usize>, mops_max: usize) -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(mops_max), count)
}

/// What may happen at an instant, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Invoke,
    Effect(usize),
    Complete,
}

/// Everything in the order in which it happens, with its time and the transaction. Atomic: all effects of a
/// transaction at one instant of its interval.
pub fn agenda(plans: &[Plan], atomic: bool) -> Vec<(u64, Step, usize)> {
    let mut agenda: Vec<(u64, Step, usize)> = Vec::new();
    let mut now = 0;
    for (txn, plan) in plans.iter().enumerate() {
        now += plan.gap;
        agenda.push((now, Step::Invoke, txn));
        agenda.push((now + plan.duration, Step::Complete, txn));
        for (index, mop) in plan.mops.iter().enumerate() {
            let moment = if atomic { plan.mops[0].2 } else { mop.2 };
            // What nobody knows may take effect after its completion.
            let unknown = !matches!(plan.end, End::Ok | End::Fail);
            let latest = if unknown || !atomic { 12 } else { plan.duration };
            agenda.push((now + moment % (latest + 1), Step::Effect(index), txn));
        }
    }
    // At one instant: invocations, then whole transactions, then completions.
    let rank = |step: Step| match step {
        Step::Invoke => 0,
        Step::Effect(_) => 1,
        Step::Complete => 2,
    };
    agenda.sort_by_key(|(time, step, txn)| (*time, rank(*step), *txn, *step));
    agenda
}
