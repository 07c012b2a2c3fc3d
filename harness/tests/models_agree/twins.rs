//! The twins: what each checker promises, written down once more as slowly and as plainly as can be.

use harness::history::{History, Kind};
use harness::op::{Answer, Bank, Call, Function, Held, Op, RegisterMop, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How often each anomaly is in a history.
pub type Counts = BTreeMap<&'static str, usize>;

/// An operation: when it was asked, when it ended, how, and what it is.
pub struct Asked<'h> {
    pub from: usize,
    pub to: usize,
    pub kind: Kind,
    pub op: &'h Op,
}

impl Asked<'_> {
    fn ok(&self) -> bool {
        self.kind == Kind::Ok
    }

    fn call(&self) -> &Call {
        let Op::Call(call) = self.op else { panic!("{:?} is no call", self.op) };
        call
    }

    /// The values that it read.
    fn values(&self) -> Option<&[Value]> {
        match &self.call().answer {
            Some(Answer::Values(values)) if self.ok() => Some(values),
            _ => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match &self.call().answer {
            Some(Answer::Number(number)) if self.ok() => Some(*number),
            _ => None,
        }
    }

    fn adds(&self, value: Value) -> bool {
        matches!(self.call().function, Function::Insert(added) | Function::Enqueue(added) if added == value)
    }
}

/// By searching for the end of each invocation.
pub fn asked(history: &History) -> Vec<Asked<'_>> {
    let events = history.events.iter().enumerate();
    let invocations = events.clone().filter(|(_, event)| event.kind == Kind::Invoke);
    let asked = invocations.map(|(from, invocation)| {
        let mut later = events.clone().skip(from + 1);
        match later.find(|(_, event)| event.process == invocation.process) {
            Some((to, end)) => {
                let op = if end.kind == Kind::Ok { &end.op } else { &invocation.op };
                Asked { from, to, kind: end.kind, op }
            }
            None => Asked { from, to: usize::MAX, kind: Kind::Info, op: &invocation.op },
        }
    });
    asked.collect()
}

fn counted(names: impl IntoIterator<Item = &'static str>) -> Counts {
    let mut counts = Counts::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn elements(all: &[Asked]) -> BTreeSet<Value> {
    let added = all.iter().filter_map(|asked| match asked.call().function {
        Function::Insert(value) | Function::Enqueue(value) => Some(value),
        _ => None,
    });
    added.collect()
}

fn removed(all: &[Asked], value: Value) -> bool {
    all.iter().any(|asked| {
        asked.call().function == Function::Remove(value)
            && asked.kind != Kind::Fail
            && asked.call().answer != Some(Answer::Flag(false))
    })
}

fn phantoms(all: &[Asked], read: &Asked) -> usize {
    let values: BTreeSet<Value> = read.values().unwrap_or_default().iter().copied().collect();
    let explained = |value: &Value| {
        all.iter().any(|add| add.adds(*value) && add.kind != Kind::Fail && add.from < read.to)
    };
    values.iter().filter(|value| !explained(value)).count()
}

/// `set-final`
pub fn set_final(all: &[Asked]) -> Counts {
    let last = all.iter().filter(|asked| asked.values().is_some()).max_by_key(|asked| asked.to);
    let Some(last) = last else { return Counts::new() };
    let lost = elements(all).into_iter().filter(|value| {
        let known = all.iter().any(|add| add.adds(*value) && add.ok() && add.to < last.from);
        known && !removed(all, *value) && !last.values().unwrap_or_default().contains(value)
    });
    let lost = lost.map(|_| "lost");
    counted(lost.chain((0..phantoms(all, last)).map(|_| "unexpected")))
}

/// `set-full`, of linearizable sets
pub fn set_full(all: &[Asked]) -> Counts {
    let reads: Vec<&Asked> = all.iter().filter(|asked| asked.values().is_some()).collect();
    let mut names = Vec::new();
    for value in elements(all).into_iter().filter(|value| !removed(all, *value)) {
        let shows = |read: &Asked| read.values().unwrap_or_default().contains(&value);
        let added = all.iter().filter(|add| add.adds(value) && add.ok()).map(|add| add.to);
        let seen = reads.iter().filter(|read| shows(read)).map(|read| read.to);
        let Some(known) = added.chain(seen).min() else { continue };
        let missed = reads.iter().any(|read| read.from > known && !shows(read));
        let newest = reads.iter().max_by_key(|read| read.from);
        match newest {
            Some(newest) if missed && shows(newest) => names.push("stale"),
            Some(_) if missed => {
                // Lost if what misses it last was asked for after it was known.
                names.push("lost");
            }
            _ => {}
        }
    }
    for read in &reads {
        let mut times: BTreeMap<Value, usize> = BTreeMap::new();
        for value in read.values().unwrap_or_default() {
            *times.entry(*value).or_default() += 1;
        }
        names.extend(times.values().filter(|times| **times > 1).map(|_| "duplicate"));
        names.extend((0..phantoms(all, read)).map(|_| "unexpected"));
    }
    counted(names)
}

/// `causal-reverse`: a read is reversed if it shows one write and not another that came before it.
pub fn causal_reverse(all: &[Asked]) -> Counts {
    let mut names = Vec::new();
    for read in all.iter().filter(|asked| asked.values().is_some()) {
        let shown = read.values().unwrap_or_default();
        let writes =
            || all.iter().filter(|write| matches!(write.call().function, Function::Insert(_)));
        let visible = |write: &&Asked| shown.iter().any(|value| write.adds(*value));
        let reversed = writes().filter(visible).any(|later| {
            writes().any(|earlier| earlier.ok() && earlier.to < later.from && !visible(&earlier))
        });
        names.extend(reversed.then_some("causal-reverse"));
        names.extend((0..phantoms(all, read)).map(|_| "unexpected"));
    }
    counted(names)
}

/// `total-queue`: elements are unique, so each is judged by itself and the missing ones are counted together.
pub fn total_queue(all: &[Asked]) -> Counts {
    let took = |dequeue: &Asked, value: Value| {
        dequeue.ok() && dequeue.call().answer == Some(Answer::Value(value))
    };
    let mut taken: BTreeSet<Value> = BTreeSet::new();
    for asked in all.iter().filter(|asked| asked.ok()) {
        if let Some(Answer::Value(value)) = asked.call().answer {
            taken.insert(value);
        }
    }
    let mut names = Vec::new();
    for value in &taken {
        let out: Vec<&Asked> = all.iter().filter(|dequeue| took(dequeue, *value)).collect();
        let may = |add: &&Asked| add.adds(*value) && add.kind != Kind::Fail;
        let in_time = |add: &Asked| out.iter().all(|dequeue| add.from < dequeue.to);
        let attempts: Vec<&Asked> = all.iter().filter(may).collect();
        if !attempts.iter().any(|add| in_time(add)) {
            names.push("unexpected");
        } else if out.len() > attempts.len() {
            names.push("duplicated");
        }
    }
    let empty = |look: &&Asked| look.ok() && look.call().answer == Some(Answer::Nil);
    if let Some(look) = all.iter().filter(empty).max_by_key(|look| look.from) {
        let missing = elements(all).into_iter().filter(|value| {
            let known = all.iter().any(|add| add.adds(*value) && add.ok() && add.to < look.from);
            known && !taken.contains(value)
        });
        let missing = missing.count();
        let unknown = |dequeue: &&Asked| {
            dequeue.call().function == Function::Dequeue
                && dequeue.kind != Kind::Fail
                && dequeue.kind != Kind::Ok
                && dequeue.from < look.to
        };
        if missing > all.iter().filter(unknown).count() {
            names.extend((0..missing).map(|_| "lost"));
        }
    }
    counted(names)
}

/// `unique-ids`
pub fn unique_ids(all: &[Asked]) -> Counts {
    let ids: Vec<i64> = all.iter().filter_map(Asked::number).collect();
    let twice = |id: &&i64| ids.iter().filter(|other| other == id).count() > 1;
    let twice: BTreeSet<&i64> = ids.iter().filter(twice).collect();
    counted(twice.iter().map(|_| "duplicate-id"))
}

/// `counter-bounds`: the least and the most that any choice of what may have been added makes.
pub fn counter_bounds(all: &[Asked]) -> Counts {
    let mut names = Vec::new();
    for (place, seen) in all.iter().enumerate() {
        let Some(number) = seen.number() else { continue };
        let (mut must, mut may) = (0, Vec::new());
        for (other, add) in all.iter().enumerate() {
            let Function::Add(by) = add.call().function else { continue };
            if add.kind == Kind::Fail || add.from > seen.to {
                continue;
            }
            if other == place || add.ok() && add.to < seen.from {
                must += by;
            } else {
                may.push(by);
            }
        }
        let sums = (0..1u32 << may.len()).map(|chosen| {
            let picked = may.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
            must + picked.map(|(_, by)| by).sum::<i64>()
        });
        let sums: BTreeSet<i64> = sums.collect();
        let within = sums.first().is_some_and(|least| number >= *least)
            && sums.last().is_some_and(|most| number <= *most);
        names.extend((!within).then_some("out-of-bounds"));
    }
    counted(names)
}

/// `monotonic`, in real time
pub fn monotonic(all: &[Asked]) -> Counts {
    let seen = || all.iter().filter_map(|asked| asked.number().map(|number| (asked, number)));
    let shrunk = seen()
        .filter(|(later, small)| seen().any(|(o, large)| o.to < later.from && large > *small));
    counted(shrunk.map(|_| "nonmonotonic"))
}

/// `bank`, of three accounts without money that may owe
pub fn bank(all: &[Asked]) -> Counts {
    let names = all.iter().filter(|asked| asked.ok()).filter_map(|asked| {
        let Op::Bank(Bank::Read { balances: Some(balances) }) = asked.op else { return None };
        let accounts: Vec<u64> = balances.iter().map(|(account, _)| *account).collect();
        if accounts.iter().any(|account| *account > 2) {
            Some("unexpected-key")
        } else if (0..3).any(|a| accounts.iter().filter(|account| **account == a).count() > 1) {
            Some("duplicate-key")
        } else if (0..3).any(|account| !accounts.contains(&account)) {
            Some("nil-balance")
        } else {
            (balances.iter().map(|(_, money)| money).sum::<i64>() != 0).then_some("wrong-total")
        }
    });
    counted(names)
}

/// Whether some order of the three writes explains every read of the group.
pub fn some_order_of_writes(all: &[Asked]) -> bool {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let reads: Vec<Vec<bool>> = all
        .iter()
        .filter(|asked| asked.ok())
        .filter_map(|asked| {
            let there = asked.op.register_mops().iter().map(|mop| match mop {
                RegisterMop::Read { value: Held::Nothing, .. } => Some(false),
                RegisterMop::Read { value: Held::Value(_), .. } => Some(true),
                _ => None,
            });
            there.collect::<Option<Vec<bool>>>().filter(|there| there.len() == 3)
        })
        .collect();
    orders.iter().any(|order| {
        reads.iter().all(|read| {
            (0..=3).any(|count| (0..3).all(|key| read[key] == order[..count].contains(&key)))
        })
    })
}
