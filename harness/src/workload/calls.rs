//! Calls of single objects, all of one kind: what linearizability is checked on.
//!
//! Promises: a register without compare-and-set is written every value at most once, and so is a list; keys are numbered from 1
//! without gaps, and one that was changed as often as a key may be retires, with a fresh one in its place. Members,
//! fields and what a compare-and-set asks for come from few values, so that calls meet.
//!
//! A queue is called as a list: RPUSH, LPOP and, to see all of it, LRANGE. A key of any type has no read of all that it holds: its last
//! look is that of a string, and what a list lost at the end is seen only by who pops it.
//!
//! The mix of a sorted set is that of Elastickv's own suite (`redis_zset_safety_workload.clj`): of changes 35 ZADD to 20 ZINCRBY to 10
//! ZREM, of reads 25 ZRANGE to 10 ZRANGEBYSCORE; what it has not is that a key is deleted now and then.

use super::shape::Shape;
use super::whole;
use crate::generator::{Context, Generator, Next};
use crate::history::Event;
use crate::op::{Call, Function, Key, Object, Op, Value};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Members of a set, of a sorted set.
const MEMBERS: u64 = 16;
/// Fields of a map.
const FIELDS: u64 = 8;
/// Values of a register that is compared.
const COMPARED: u64 = 5;
/// Of so many changes of a collection one deletes all of it.
const CLEAR_OF: u64 = 32;
/// Scores lie between this and its negative.
const SCORE_MAX: i64 = 20;

struct Slot {
    key: Key,
    changes: u32,
}

/// The generator of the workload: never exhausted.
pub struct Calls {
    object: Object,
    shape: Shape,
    slots: Vec<Slot>,
    next_key: Key,
}

impl Calls {
    /// Of the shape given; a count of 0 is taken for 1.
    pub fn new(object: Object, shape: Shape) -> Calls {
        let mut calls = Calls { object, shape, slots: Vec::new(), next_key: 1 };
        for _ in 0..calls.shape.keys.max(1) {
            let slot = calls.fresh();
            calls.slots.push(slot);
        }
        calls
    }

    fn fresh(&mut self) -> Slot {
        let key = self.next_key;
        self.next_key += 1;
        Slot { key, changes: 0 }
    }

    fn call(&mut self, rng: &mut ChaCha8Rng) -> Call {
        let slot = self.shape.slot(self.slots.len(), rng);
        let key = self.slots[slot].key;
        if self.shape.reads(rng) {
            return Call { key, function: read(self.object, rng), answer: None };
        }
        self.slots[slot].changes += 1;
        let number = self.slots[slot].changes;
        if number >= self.shape.appends_per_key {
            self.slots[slot] = self.fresh();
        }
        Call { key, function: change(self.object, number.into(), rng), answer: None }
    }
}

impl Generator for Calls {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let Some(thread) = context.free(rng) else { return Next::Pending };
        Next::Invoke { thread: thread.id, op: Op::Call(self.call(rng)) }
    }

    fn update(&mut self, _: &Event) {}
}

fn read(object: Object, rng: &mut ChaCha8Rng) -> Function {
    match object {
        Object::Mixed => match rng.range(0, 5) {
            0 => Function::Type,
            1 => Function::Contains(rng.range(1, MEMBERS + 1)),
            2 => Function::Get(rng.range(1, FIELDS + 1)),
            3 => Function::ZRange,
            _ => Function::Read,
        },
        Object::Set if rng.chance(0.5) => Function::Contains(rng.range(1, MEMBERS + 1)),
        Object::Map if rng.chance(0.5) => Function::Get(rng.range(1, FIELDS + 1)),
        Object::Zset if rng.range(0, 35) < 10 => {
            let min = score(rng);
            Function::ZRangeByScore { min, max: min + SCORE_MAX }
        }
        object => whole(object),
    }
}

/// The `number`th change of a key.
fn change(object: Object, number: Value, rng: &mut ChaCha8Rng) -> Function {
    let is_collection = matches!(object, Object::Set | Object::List | Object::Map | Object::Zset);
    if is_collection && rng.range(0, CLEAR_OF) == 0 {
        return Function::Clear;
    }
    let member = |rng: &mut ChaCha8Rng| rng.range(1, MEMBERS + 1);
    match object {
        Object::Register => Function::Write(number),
        Object::CasRegister if rng.chance(0.5) => Function::Write(rng.range(0, COMPARED)),
        Object::CasRegister => {
            let from = Some(rng.range(0, COMPARED));
            Function::Cas { from, to: rng.range(0, COMPARED) }
        }
        Object::Counter => Function::Add(rng.range(1, 6) as i64),
        Object::Set if rng.chance(0.6) => Function::Insert(member(rng)),
        Object::Set => Function::Remove(member(rng)),
        Object::Queue if rng.chance(0.6) => Function::Enqueue(number),
        Object::Queue => Function::Dequeue,
        Object::List if rng.chance(0.6) => Function::Append(number),
        Object::List => Function::Dequeue,
        Object::Map if rng.chance(0.75) => {
            Function::Put { field: rng.range(1, FIELDS + 1), value: number }
        }
        Object::Map => Function::Delete(rng.range(1, FIELDS + 1)),
        Object::Stream => Function::Append(number),
        Object::TtlRegister => match rng.range(0, 8) {
            0..2 => Function::Write(number),
            2..5 => Function::WriteFor { value: number, milliseconds: time_to_live(rng) },
            5..7 => Function::Expire(time_to_live(rng)),
            _ => Function::Persist,
        },
        Object::Mixed => match rng.range(0, 17) {
            0..4 => Function::Clear,
            4..6 => Function::Write(number),
            6..8 => Function::Append(number),
            8 => Function::Dequeue,
            9..11 => Function::Insert(member(rng)),
            11 => Function::Remove(member(rng)),
            12..14 => Function::Put { field: rng.range(1, FIELDS + 1), value: number },
            14 => Function::Delete(rng.range(1, FIELDS + 1)),
            15 => Function::ZAdd { member: member(rng), score: score(rng) },
            _ => Function::ZRem(member(rng)),
        },
        Object::Zset => match rng.range(0, 65) {
            0..35 => Function::ZAdd { member: member(rng), score: score(rng) },
            35..55 => Function::ZIncrBy { member: member(rng), by: rng.range(1, 6) as i64 },
            _ => Function::ZRem(member(rng)),
        },
    }
}

/// From a tenth of a second to three seconds: some pass while nobody looks, some under the eyes of several.
fn time_to_live(rng: &mut ChaCha8Rng) -> u64 {
    rng.range(100, 3000)
}

fn score(rng: &mut ChaCha8Rng) -> i64 {
    rng.range(0, 2 * SCORE_MAX as u64 + 1) as i64 - SCORE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};
    use std::collections::BTreeSet;

    fn called(object: Object, count: usize) -> Vec<Call> {
        let shape = Shape { keys: 3, appends_per_key: 16, ..Shape::default() };
        let (mut calls, mut rng) = (Calls::new(object, shape), Seed(7).stream(Stream::Workload));
        (0..count).map(|_| calls.call(&mut rng)).collect()
    }

    #[test]
    fn every_call_is_one_that_its_object_knows_and_all_that_it_knows_are_called() {
        for object in Object::ALL.into_iter().filter(|object| *object != Object::Queue) {
            let calls = called(object, 4000);
            assert!(calls.iter().all(|call| object.knows(&call.function, None)), "{object}");
            let words: BTreeSet<&str> = calls.iter().map(|call| call.function.word()).collect();
            let wanted = match object {
                Object::Register | Object::Counter | Object::Stream => 2,
                Object::CasRegister => 3,
                Object::List => 4,
                Object::Set | Object::Map | Object::TtlRegister => 5,
                Object::Mixed => 15,
                Object::Zset | Object::Queue => 6,
            };
            assert_eq!(words.len(), wanted, "{object}: {words:?}");
        }
    }

    #[test]
    fn no_register_is_written_a_value_twice_and_a_key_that_is_full_retires() {
        let calls = called(Object::Register, 1000);
        let writes = calls.iter().filter_map(|call| match call.function {
            Function::Write(value) => Some((call.key, value)),
            _ => None,
        });
        let writes: Vec<(Key, Value)> = writes.collect();
        assert_eq!(writes.iter().collect::<BTreeSet<_>>().len(), writes.len());
        let last = calls.iter().map(|call| call.key).max().expect("there are some");
        assert!(last > 20, "{last} keys");
        assert!(writes.iter().all(|(_, value)| *value <= 16));
    }
}
