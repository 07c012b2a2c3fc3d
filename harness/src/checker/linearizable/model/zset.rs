//! Members with scores, read by score: a sorted set. `zadd` is told whether the member is new, `zincrby` its new score,
//! `zrem` whether it was there.
//!
//! A range must show its members by ascending score. The order of members with one score is not judged: servers order
//! them by their bytes, and a value here is a number.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};
use std::collections::BTreeMap;

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zset;

impl Model<Asked<'_>> for Zset {
    type State = BTreeMap<Value, i64>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, asked: &Asked) -> Option<Self::State> {
        let mut next = state.clone();
        let possible = match asked.function {
            Function::ZRange => shows(state, (i64::MIN, i64::MAX), asked.answer),
            Function::ZRangeByScore { min, max } => shows(state, (*min, *max), asked.answer),
            Function::ZAdd { member, score } => {
                let new = next.insert(*member, *score).is_none();
                asked.flag_is(new)
            }
            Function::ZIncrBy { member, by } => {
                let score = next.entry(*member).or_default();
                *score = score.wrapping_add(*by);
                asked.number_is(*score)
            }
            Function::ZRem(member) => {
                let was_there = next.remove(member).is_some();
                asked.flag_is(was_there)
            }
            Function::Clear => {
                next.clear();
                asked.flag_is(!state.is_empty())
            }
            _ => false,
        };
        possible.then_some(next)
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        asked.changes_nothing()
    }

    fn words(&self, state: &Self::State) -> String {
        let mut scores: Vec<(Value, i64)> = state.iter().map(|(m, score)| (*m, *score)).collect();
        scores.sort_by_key(|(_, score)| *score);
        Answer::Scores(scores).to_string()
    }
}

/// Whether a range of scores, both ends included, shows what was answered.
fn shows(state: &BTreeMap<Value, i64>, (min, max): (i64, i64), answer: Option<&Answer>) -> bool {
    let Some(Answer::Scores(seen)) = answer else { return true };
    let there = state.values().filter(|score| (min..=max).contains(*score)).count();
    let ascending = seen.windows(2).all(|pair| pair[0].1 <= pair[1].1);
    let mut members: Vec<Value> = seen.iter().map(|(member, _)| *member).collect();
    members.sort_unstable();
    members.dedup();
    let right = |(member, score): &(Value, i64)| {
        (min..=max).contains(score) && state.get(member) == Some(score)
    };
    ascending && members.len() == there && seen.len() == there && seen.iter().all(right)
}
