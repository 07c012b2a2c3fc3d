//! What a sorted set looks like to whoever sees one member or two of it: their scores, and nothing else.
//!
//! If an order explains all of a sorted set, it explains each projection, too: so what no order explains here is wrong there.

use super::shown;
use crate::checker::linearizable::Operation as Timed;
use crate::checker::linearizable::model::Model;
use crate::checker::operations::{End, Operation};
use crate::op::{Answer, Function, Value};

/// Scores of two members at most; `None` is not there.
pub(super) type Scores = [Option<i64>; 2];

/// A call as the members see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Projected {
    /// The member has this score then; whether it is new, if that was answered.
    Set(usize, i64, Option<bool>),
    /// Added to the member's score; what that was then, if it was answered.
    Change(usize, i64, Option<i64>),
    /// The member goes; whether it was there, if that was answered.
    Remove(usize, Option<bool>),
    /// All members go; whether there were any, if that was answered and is known of these.
    Clear(Option<bool>),
    /// The whole set was read.
    Shows(Scores),
    /// So much of it was read that lies from the first number to the second.
    Within(i64, i64, Scores),
}

impl Projected {
    /// Whether it is a read of the whole set or of a range.
    pub fn is_read(&self) -> bool {
        matches!(self, Projected::Shows(_) | Projected::Within(..))
    }

    /// Whether it is a read that shows none of the members.
    pub fn misses_all(&self) -> bool {
        matches!(self, Projected::Shows([None, None]) | Projected::Within(_, _, [None, None]))
    }
}

/// So many members, one or two.
pub(super) struct Projection(pub usize);

impl Model<Projected> for Projection {
    type State = Scores;

    fn initial(&self) -> Scores {
        [None, None]
    }

    fn step(&self, state: &Scores, projected: &Projected) -> Option<Scores> {
        let mut next = *state;
        let possible = match *projected {
            Projected::Set(place, score, new) => {
                next[place] = Some(score);
                new.is_none_or(|new| new == state[place].is_none())
            }
            Projected::Change(place, by, answered) => {
                let score = state[place].unwrap_or(0).wrapping_add(by);
                next[place] = Some(score);
                answered.is_none_or(|answered| answered == score)
            }
            Projected::Remove(place, was_there) => {
                next[place] = None;
                was_there.is_none_or(|was_there| was_there == state[place].is_some())
            }
            Projected::Clear(was_there) => {
                next = [None, None];
                was_there.is_none_or(|was_there| was_there == (*state != [None, None]))
            }
            Projected::Shows(seen) => seen == *state,
            Projected::Within(min, max, seen) => {
                let visible =
                    |score: Option<i64>| score.filter(|score| (min..=max).contains(score));
                seen == state.map(visible)
            }
        };
        possible.then_some(next)
    }

    fn is_pure(&self, projected: &Projected) -> bool {
        matches!(
            projected,
            Projected::Shows(_)
                | Projected::Within(..)
                | Projected::Remove(_, Some(false))
                | Projected::Clear(Some(false))
        )
    }

    fn words(&self, state: &Scores) -> String {
        let word =
            |score: Option<i64>| score.map_or("absent".to_owned(), |score| score.to_string());
        state[..self.0].iter().map(|score| word(*score)).collect::<Vec<_>>().join(" and ")
    }
}

/// What these members see of a key's calls, and which call each of it was. If they are `all` of the key's, whether it was empty
/// is about them.
pub(super) fn project<'o, 'h>(
    operations: &[&'o Operation<'h>],
    members: &[Value],
    all: bool,
) -> (Vec<Timed<Projected>>, Vec<&'o Operation<'h>>) {
    let (mut projected, mut sources) = (Vec::new(), Vec::new());
    for operation in operations.iter().filter(|operation| operation.end != End::Fail) {
        if let Some(what) = one(operation, members, all) {
            let (invoked, returned) = (operation.invoked, operation.returned());
            projected.push(Timed { what, invoked, returned });
            sources.push(*operation);
        }
    }
    (projected, sources)
}

fn one(operation: &Operation, members: &[Value], all: bool) -> Option<Projected> {
    let call = operation.call()?;
    let place = |member: &Value| members.iter().position(|known| known == member);
    let flag = match call.answer {
        Some(Answer::Flag(flag)) => Some(flag),
        _ => None,
    };
    Some(match &call.function {
        Function::ZAdd { member, score } => Projected::Set(place(member)?, *score, flag),
        Function::ZIncrBy { member, by } => {
            let answered = match call.answer {
                Some(Answer::Number(number)) => Some(number),
                _ => None,
            };
            Projected::Change(place(member)?, *by, answered)
        }
        Function::ZRem(member) => Projected::Remove(place(member)?, flag),
        Function::Clear => Projected::Clear(flag.filter(|was_there| all || !was_there)),
        Function::ZRange => Projected::Shows(scores(operation, members)?),
        Function::ZRangeByScore { min, max } => {
            Projected::Within(*min, *max, scores(operation, members)?)
        }
        _ => return None,
    })
}

/// What a read that succeeded shows of the members. Of one that it shows twice, the first: that is told already.
fn scores(operation: &Operation, members: &[Value]) -> Option<Scores> {
    let shown = shown(operation)?;
    let score = |member: &Value| {
        let found = shown.iter().find(|(known, _)| known == member);
        found.map(|(_, score)| *score)
    };
    let mut scores = [None, None];
    for (place, member) in members.iter().enumerate() {
        scores[place] = score(member);
    }
    Some(scores)
}
