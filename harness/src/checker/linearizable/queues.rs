//! Queues into which every value is put once at most: near-linear (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented
//! linearizability proofs", 2013; Lee and Mathur, "Efficient decision procedures for linearizability", 2024).
//!
//! Promises: exact, for any number of calls at once; or it says nothing.
//!
//! A history is linearizable if and only if
//! - every value that came out was put in, came out once, and was not taken before its put began;
//! - no value is overtaken: put in after another's put had ended, and taken before the other's take began, if it ever did;
//! - while the queue was found empty there was a moment at which it can have been: from the end of its put to the
//!   beginning of its take a value is certainly there, and these times together leave some of every such call.
//!
//! The second is enough for an order of all values: say that x comes before y if its put ended before that of y began, or
//! its take before that of y. A longer cycle of this has a cycle of two in it, since of two pairs of intervals, each one
//! after the other, the first of one or of the other ends before the last of the other or the one begins. The third is
//! enough since at a moment at which nothing is certainly there, all that was put in or taken before it must be and can
//! be gone, and nothing of the rest comes before any of that.
//!
//! A put of unknown outcome whose value nobody took is left out: it was the last one, or never happened. A take of unknown
//! outcome may have taken what was overtaken and nobody else took, if it was asked for before the overtaker's take ended.
//! Those that are overtaken are given such takes in the order of these ends, earliest first, which fails only if every way
//! does. If that leaves a queue found empty that cannot have been, other ways may not: then it is for the search to say.
//! So it is if a put was told how long the queue was then and all else is well.
//!
//! Of lists only for those that were used as queues; not with `clear`, nor with a take that succeeded and does not say
//! what it took.

use super::clash::Clash;
use super::model::Asked;
use super::search::Operation;
use crate::op::{Answer, Function, Value};

/// What values that came and went say, if the history is one that they can judge.
pub(super) fn judge(operations: &[Operation<Asked>]) -> Option<Result<(), Clash>> {
    let calls = Calls::of(operations)?;
    let stays = match calls.stays(operations) {
        Ok(stays) => stays,
        Err(clash) => return Some(Err(clash)),
    };
    let mut queue = Queue { operations, stays };
    if let Err(clash) = queue.in_order(&calls.unknown_takes) {
        return Some(Err(clash));
    }
    match queue.empty_when_found_so(&calls.empty) {
        Err(_) if !calls.unknown_takes.is_empty() => None,
        Err(clash) => Some(Err(clash)),
        Ok(()) => (!calls.lengths_told).then_some(Ok(())),
    }
}

/// The calls by what they are.
#[derive(Default)]
struct Calls {
    /// Ascending by value.
    puts: Vec<(Value, usize)>,
    takes: Vec<(Value, usize)>,
    /// That found nothing.
    empty: Vec<usize>,
    /// In the order of their invocations.
    unknown_takes: Vec<usize>,
    lengths_told: bool,
}

impl Calls {
    /// `None` if a value was put in twice, or if something else was asked.
    fn of(operations: &[Operation<Asked>]) -> Option<Calls> {
        let mut calls = Calls::default();
        for (number, operation) in operations.iter().enumerate() {
            let answer = operation.what.answer;
            match (operation.what.function, answer) {
                (Function::Enqueue(value) | Function::Append(value), _) => {
                    calls.puts.push((*value, number));
                    calls.lengths_told |= matches!(answer, Some(Answer::Number(_)));
                }
                (Function::Dequeue, Some(Answer::Value(value))) => {
                    calls.takes.push((*value, number))
                }
                (Function::Dequeue, Some(Answer::Nil)) => calls.empty.push(number),
                (Function::Dequeue, _) if operation.returned.is_none() => {
                    calls.unknown_takes.push(number);
                }
                _ => return None,
            }
        }
        calls.puts.sort_unstable();
        let once = calls.puts.windows(2).all(|pair| pair[0].0 != pair[1].0);
        once.then_some(calls)
    }

    /// Values with their calls, those that nobody saw and that need not have been there left out, in the order in which
    /// their puts were asked for.
    fn stays(&self, operations: &[Operation<Asked>]) -> Result<Vec<Stay>, Clash> {
        let put = |(value, put): &(Value, usize)| Stay::new(*value, *put, &operations[*put]);
        let mut stays: Vec<Stay> = self.puts.iter().map(put).collect();
        for (value, take) in &self.takes {
            let place = stays.binary_search_by_key(value, |stay| stay.value);
            let Some(stay) = place.ok().map(|place| &mut stays[place]) else {
                let clash = Clash::new("a value was taken that nobody can have put in").call(*take);
                let rest = format!("No put of {value} succeeded or has an unknown outcome.");
                return Err(clash.said(rest));
            };
            if let Some(earlier) = stay.take {
                let clash = Clash::new("a value was taken twice, though it was put in once");
                return Err(clash.call(stay.put).call(earlier).call(*take));
            }
            let operation = &operations[*take];
            if operation.end() < stay.put_begin {
                let clash = Clash::new("a value was taken before anybody asked to put it in");
                return Err(clash.call(*take).call(stay.put));
            }
            stay.take = Some(*take);
            (stay.take_begin, stay.take_end) = (operation.invoked, operation.end());
        }
        stays.retain(|stay| stay.take.is_some() || stay.put_end < usize::MAX);
        stays.sort_unstable_by_key(|stay| stay.put_begin);
        Ok(stays)
    }
}

/// A value, and when it came and went.
struct Stay {
    value: Value,
    put: usize,
    put_begin: usize,
    put_end: usize,
    /// `None` if nobody is known to have taken it.
    take: Option<usize>,
    take_begin: usize,
    take_end: usize,
}

impl Stay {
    fn new(value: Value, put: usize, operation: &Operation<Asked>) -> Stay {
        Stay {
            value,
            put,
            put_begin: operation.invoked,
            put_end: operation.end(),
            take: None,
            take_begin: usize::MAX,
            take_end: usize::MAX,
        }
    }
}

struct Queue<'o, 'h> {
    operations: &'o [Operation<Asked<'h>>],
    /// In the order in which their puts began.
    stays: Vec<Stay>,
}

impl Queue<'_, '_> {
    /// Whether nothing was overtaken, once takes of unknown outcome have taken what they must have.
    fn in_order(&mut self, unknown_takes: &[usize]) -> Result<(), Clash> {
        let mut overtaken = self.overtaken()?;
        overtaken.sort_unstable();
        let mut unknown = unknown_takes.iter();
        for (end, place, by) in overtaken {
            match unknown.next().filter(|take| self.operations[**take].invoked < end) {
                Some(take) => {
                    let stay = &mut self.stays[place];
                    stay.take = Some(*take);
                    stay.take_begin = self.operations[*take].invoked;
                }
                None => return Err(self.left_behind(place, by, unknown_takes)),
            }
        }
        Ok(())
    }

    /// What nobody took though another, put in after it, was taken: the first end of such a take, and both by their
    /// places. The error is what was taken too late.
    fn overtaken(&self) -> Result<Vec<(usize, usize, usize)>, Clash> {
        let mut by_put_end: Vec<usize> = (0..self.stays.len()).collect();
        by_put_end.sort_unstable_by_key(|place| self.stays[*place].put_end);
        let mut overtaken = Vec::new();
        // The earliest end of a take among all whose put begins later.
        let mut earliest: Option<(usize, usize)> = None;
        let mut later = self.stays.len();
        for place in by_put_end.into_iter().rev() {
            let stay = &self.stays[place];
            while later > 0 && self.stays[later - 1].put_begin > stay.put_end {
                later -= 1;
                let end = self.stays[later].take_end;
                earliest = Some(earliest.map_or((end, later), |known| known.min((end, later))));
            }
            match earliest.filter(|(end, _)| *end < stay.take_begin) {
                Some((end, by)) if stay.take.is_none() => overtaken.push((end, place, by)),
                Some((_, by)) => return Err(self.too_late(place, by)),
                None => {}
            }
        }
        Ok(overtaken)
    }

    /// Whether every call that found nothing has a moment at which nothing was certainly there.
    fn empty_when_found_so(&self, empty: &[usize]) -> Result<(), Clash> {
        let mut certain: Vec<&Stay> =
            self.stays.iter().filter(|stay| stay.put_end < stay.take_begin).collect();
        certain.sort_unstable_by_key(|stay| stay.put_end);
        // From when on without a gap until when something is there, and from which place on.
        let mut full: Vec<(usize, usize, usize)> = Vec::new();
        for (place, stay) in certain.iter().enumerate() {
            match full.last_mut().filter(|(_, until, _)| stay.put_end < *until) {
                Some((_, until, _)) => *until = stay.take_begin.max(*until),
                None => full.push((stay.put_end, stay.take_begin, place)),
            }
        }
        for call in empty {
            let Operation { invoked, .. } = self.operations[*call];
            let before = full.partition_point(|(from, _, _)| *from < invoked);
            let Some((_, until, first)) = before.checked_sub(1).map(|at| full[at]) else {
                continue;
            };
            if self.operations[*call].end() < until {
                return Err(self.not_empty(*call, &certain[first..]));
            }
        }
        Ok(())
    }
}

/// Values that are told of those which follow one another while the queue is never empty, at most.
const TOLD: usize = 5;

/// Words.
impl Queue<'_, '_> {
    fn too_late(&self, place: usize, by: usize) -> Clash {
        let clash = self.order(place, by);
        let clash = clash.said(format!("and {} only after that:", self.stays[place].value));
        self.stays[place].take.into_iter().fold(clash, Clash::call)
    }

    /// Nobody took one, or nobody can have who took it in time.
    fn left_behind(&self, place: usize, by: usize, unknown_takes: &[usize]) -> Clash {
        let clash = self.order(place, by);
        let value = self.stays[place].value;
        if unknown_takes.is_empty() {
            return clash.said(format!("Nobody took {value}, and no take has an unknown outcome."));
        }
        let clash = clash.said(format!(
            "Nobody is known to have taken {value}. These takes have an unknown outcome, but none that was asked for \
             before that is left: each took one at most, and others were left behind as well."
        ));
        unknown_takes.iter().take(TOLD).fold(clash, |clash, take| clash.call(*take))
    }

    fn order(&self, place: usize, by: usize) -> Clash {
        let (first, second) = (&self.stays[place], &self.stays[by]);
        let what = "what was put in later was taken earlier, though each was put in once";
        let clash = Clash::new(what)
            .said(format!(
                "{} was in the queue before anybody asked to put {} in:",
                first.value, second.value
            ))
            .call(first.put)
            .call(second.put)
            .said(format!("Yet {} was taken,", second.value));
        second.take.into_iter().fold(clash, Clash::call)
    }

    /// Of these, which were there one after the other without a gap, the first few that cover the call.
    fn not_empty(&self, call: usize, certain: &[&Stay]) -> Clash {
        let Operation { invoked, .. } = self.operations[call];
        let end = self.operations[call].end();
        let mut clash = Clash::new("nothing was found in the queue, in which there was something all the time")
            .call(call)
            .said(
                "Each of these was there from the end of its put, at the latest, until the beginning of its take, at the \
                 earliest:",
            );
        for (count, stay) in covering(certain, invoked, end).into_iter().enumerate() {
            if count == TOLD {
                return clash.said("and so on");
            }
            clash = clash.call(stay.put);
            clash = match stay.take {
                Some(take) => clash.call(take),
                None => clash.said(format!("  Nobody took {}.", stay.value)),
            };
        }
        clash
    }
}

/// The fewest that leave no gap between two moments. They are ascending by their beginnings.
fn covering<'s>(certain: &[&'s Stay], from: usize, to: usize) -> Vec<&'s Stay> {
    let mut covering: Vec<&Stay> = Vec::new();
    let mut until = from;
    let mut longest: Option<&Stay> = None;
    for stay in certain {
        if stay.put_end > until {
            let Some(chosen) = longest.take() else { break };
            covering.push(chosen);
            until = chosen.take_begin;
            if until > to {
                break;
            }
        }
        if longest.is_none_or(|longest| longest.take_begin < stay.take_begin) {
            longest = Some(stay);
        }
    }
    if until <= to {
        covering.extend(longest);
    }
    covering
}
