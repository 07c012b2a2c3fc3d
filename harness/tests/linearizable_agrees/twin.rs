//! The twin: objects written down once more, and every order tried.

use harness::checker::linearizable::FailedCas;
use harness::history::{History, Kind, Process};
use harness::op::{Answer, Function, Key, Object, Op, TypeName, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An object of any kind, changed in place.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    register: Option<Value>,
    /// The register may be empty at any moment.
    passing: bool,
    count: Option<i64>,
    members: BTreeSet<Value>,
    row: Vec<Value>,
    /// Of a stream's entries, as far as anybody was told.
    ids: Vec<Option<i64>>,
    fields: BTreeMap<Value, Value>,
    scores: BTreeMap<Value, i64>,
}

impl Twin {
    /// Does what is asked, and says all that can be said of it.
    pub fn apply(&mut self, object: Object, function: &Function) -> Answer {
        if object == Object::Mixed && !self.is_of(function) {
            return Answer::WrongType;
        }
        match (function, object) {
            (
                Function::Read,
                Object::Register | Object::CasRegister | Object::TtlRegister | Object::Mixed,
            ) => nilable(self.register),
            (Function::Write(value), Object::Mixed) => {
                *self = Twin { register: Some(*value), ..Twin::default() };
                Answer::Done
            }
            (Function::Append(value), Object::Stream) => {
                self.row.push(*value);
                let id = self.ids.last().copied().flatten().unwrap_or(0) + 1;
                self.ids.push(Some(id));
                Answer::Number(id)
            }
            (Function::Read, Object::Stream) => {
                let ids = self.ids.iter().map(|id| id.unwrap_or(0));
                Answer::Scores(self.row.iter().copied().zip(ids).collect())
            }
            (Function::Type, _) => {
                Answer::Type(self.types().first().copied().unwrap_or(TypeName::None))
            }
            (Function::WriteFor { value, .. }, _) => {
                (self.register, self.passing) = (Some(*value), true);
                Answer::Done
            }
            (Function::Expire(_), _) => {
                self.passing = self.register.is_some();
                Answer::Flag(self.passing)
            }
            (Function::Persist, _) => {
                let was = self.passing;
                self.passing = false;
                Answer::Flag(was)
            }
            (Function::Read, Object::Counter) => Answer::Number(self.count.unwrap_or(0)),
            (Function::Read, Object::Set) => Answer::Values(self.members.iter().copied().collect()),
            (Function::Read, Object::Map) => {
                Answer::Fields(self.fields.iter().map(|(a, b)| (*a, *b)).collect())
            }
            (Function::Read, _) => Answer::Values(self.row.clone()),
            (Function::Write(value), _) => {
                (self.register, self.passing) = (Some(*value), false);
                Answer::Done
            }
            (Function::Cas { from, to }, _) => {
                let holds = self.register == *from;
                if holds {
                    self.register = Some(*to);
                }
                Answer::Flag(holds)
            }
            (Function::Add(by), _) => {
                self.count = Some(self.count.unwrap_or(0) + by);
                Answer::Number(self.count.unwrap_or(0))
            }
            (Function::Insert(value), _) => Answer::Flag(self.members.insert(*value)),
            (Function::Remove(value), _) => Answer::Flag(self.members.remove(value)),
            (Function::Contains(value), _) => Answer::Flag(self.members.contains(value)),
            (Function::Enqueue(value) | Function::Append(value), _) => {
                self.row.push(*value);
                Answer::Number(self.row.len() as i64)
            }
            (Function::Prepend(value), _) => {
                self.row.insert(0, *value);
                Answer::Number(self.row.len() as i64)
            }
            (Function::Dequeue, _) if self.row.is_empty() => Answer::Nil,
            (Function::Dequeue, _) => Answer::Value(self.row.remove(0)),
            (Function::Put { field, value }, _) => {
                Answer::Flag(self.fields.insert(*field, *value).is_none())
            }
            (Function::Get(field), _) => nilable(self.fields.get(field).copied()),
            (Function::Delete(field), _) => Answer::Flag(self.fields.remove(field).is_some()),
            (Function::ZAdd { member, score }, _) => {
                Answer::Flag(self.scores.insert(*member, *score).is_none())
            }
            (Function::ZIncrBy { member, by }, _) => {
                let score = self.scores.get(member).copied().unwrap_or(0) + by;
                self.scores.insert(*member, score);
                Answer::Number(score)
            }
            (Function::ZRem(member), _) => Answer::Flag(self.scores.remove(member).is_some()),
            (Function::ZRange, _) => self.range(i64::MIN, i64::MAX),
            (Function::ZRangeByScore { min, max }, _) => self.range(*min, *max),
            (Function::Clear, _) => {
                let is_there = self.register.is_some()
                    || self.count.is_some()
                    || !self.members.is_empty()
                    || !self.row.is_empty()
                    || !self.fields.is_empty()
                    || !self.scores.is_empty();
                *self = Twin::default();
                Answer::Flag(is_there)
            }
        }
    }

    /// Whether what was said of a stream's ids can be; an entry just added has the id that was said, or one that nobody knows.
    fn ids_agree(&mut self, function: &Function, said: Option<&Answer>) -> bool {
        match (function, said) {
            (Function::Append(_), said) => {
                let id = if let Some(Answer::Number(id)) = said { Some(*id) } else { None };
                self.ids.pop();
                let rises =
                    self.ids.iter().flatten().all(|before| id.is_none_or(|id| *before < id));
                self.ids.push(id);
                rises
            }
            (Function::Read, Some(Answer::Scores(said))) => {
                let known = self.ids.iter().zip(said);
                let same = known.into_iter().all(|(id, (_, said))| id.is_none_or(|id| id == *said));
                self.ids = said.iter().map(|(_, id)| Some(*id)).collect();
                same && said.windows(2).all(|pair| pair[0].1 < pair[1].1)
            }
            _ => true,
        }
    }

    /// The time of a register is over, if it has one.
    pub fn lapsed(&self) -> Option<Twin> {
        self.passing.then(Twin::default)
    }

    /// What is there, by its types: never more than one, where that is kept to.
    fn types(&self) -> Vec<TypeName> {
        let there = [
            (TypeName::String, self.register.is_some()),
            (TypeName::List, !self.row.is_empty()),
            (TypeName::Set, !self.members.is_empty()),
            (TypeName::Hash, !self.fields.is_empty()),
            (TypeName::Zset, !self.scores.is_empty()),
        ];
        there.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }

    /// Whether a function suits what is there.
    fn is_of(&self, function: &Function) -> bool {
        let wanted = match function {
            Function::Read => TypeName::String,
            Function::Append(_) | Function::Dequeue => TypeName::List,
            Function::Insert(_) | Function::Remove(_) | Function::Contains(_) => TypeName::Set,
            Function::Put { .. } | Function::Get(_) | Function::Delete(_) => TypeName::Hash,
            Function::ZAdd { .. } | Function::ZRem(_) | Function::ZRange => TypeName::Zset,
            _ => return true,
        };
        self.types().iter().all(|name| *name == wanted)
    }

    fn range(&self, min: i64, max: i64) -> Answer {
        let mut scores: Vec<(Value, i64)> = self.scores.iter().map(|(a, b)| (*a, *b)).collect();
        scores.retain(|(_, score)| (min..=max).contains(score));
        scores.sort_by_key(|(member, score)| (*score, *member));
        Answer::Scores(scores)
    }
}

fn nilable(value: Option<Value>) -> Answer {
    value.map_or(Answer::Nil, Answer::Value)
}

/// Whether what was said can be said of what is.
fn agree(object: Object, said: Option<&Answer>, is: &Answer) -> bool {
    match (said, is) {
        // What was refused did not happen.
        (Some(Answer::Done), Answer::WrongType) => false,
        (None | Some(Answer::Done), _) => true,
        (Some(Answer::Values(said)), Answer::Values(is)) if object == Object::Set => {
            let mut said = said.clone();
            said.sort_unstable();
            said == *is
        }
        (Some(Answer::Fields(said)), Answer::Fields(is)) => {
            let mut said = said.clone();
            said.sort_unstable();
            said == *is
        }
        (Some(Answer::Scores(said)), Answer::Scores(is)) => {
            let mut sorted = said.clone();
            sorted.sort_by_key(|(member, score)| (*score, *member));
            sorted == *is && said.is_sorted_by_key(|(_, score)| *score)
        }
        (Some(said), is) => said == is,
    }
}

/// Whether a stream's values are these, whatever their ids.
fn same_values(said: Option<&Answer>, is: &Answer) -> bool {
    match (said, is) {
        (Some(Answer::Scores(said)), Answer::Scores(is)) => {
            said.iter().map(|(value, _)| value).eq(is.iter().map(|(value, _)| value))
        }
        (Some(Answer::Flag(said)), Answer::Flag(is)) => said == is,
        _ => true,
    }
}

struct Candidate<'h> {
    key: Key,
    function: &'h Function,
    answer: Option<Answer>,
    invoked: usize,
    /// `usize::MAX` if it may never happen.
    returned: usize,
}

/// Whether some order explains every answer.
pub fn linearizable(object: Object, failed_cas: FailedCas, history: &History) -> bool {
    let mut candidates: Vec<Option<Candidate>> = Vec::new();
    let mut running: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.events.iter().enumerate() {
        let Op::Call(call) = &event.op else { panic!("{event:?} is no call") };
        if event.kind == Kind::Invoke {
            running.insert(event.process, candidates.len());
            let (key, function) = (call.key, &call.function);
            let open =
                Candidate { key, function, answer: None, invoked: index, returned: usize::MAX };
            candidates.push(Some(open));
            continue;
        }
        let place = running[&event.process];
        let Some(candidate) = &mut candidates[place] else { continue };
        let refused = matches!(call.function, Function::Cas { .. })
            && failed_cas == FailedCas::Observed
            && event.kind == Kind::Fail;
        match event.kind {
            Kind::Ok => {
                (candidate.answer, candidate.returned) = (call.answer.clone(), index);
            }
            Kind::Fail if refused => {
                (candidate.answer, candidate.returned) = (Some(Answer::Flag(false)), index);
            }
            Kind::Fail => candidates[place] = None,
            _ => {}
        }
    }
    let candidates: Vec<Candidate> = candidates.into_iter().flatten().collect();
    order(object, &candidates, &mut vec![false; candidates.len()], &BTreeMap::new())
}

fn order(
    object: Object,
    candidates: &[Candidate],
    placed: &mut [bool],
    stores: &BTreeMap<Key, Twin>,
) -> bool {
    let waiting = candidates.iter().zip(placed.iter()).filter(|(_, placed)| !**placed);
    let first_return = waiting.map(|(candidate, _)| candidate.returned).min();
    let Some(first_return) = first_return.filter(|first| *first < usize::MAX) else { return true };
    for next in 0..candidates.len() {
        let candidate = &candidates[next];
        if placed[next] || candidate.invoked > first_return {
            continue;
        }
        let store = stores.get(&candidate.key).cloned().unwrap_or_default();
        for mut store in store.lapsed().into_iter().chain([store]) {
            let is = store.apply(object, candidate.function);
            let said = candidate.answer.as_ref();
            let agrees = match object {
                Object::Stream => {
                    store.ids_agree(candidate.function, said) && same_values(said, &is)
                }
                _ => agree(object, said, &is),
            };
            if !agrees {
                continue;
            }
            let mut stores = stores.clone();
            stores.insert(candidate.key, store);
            placed[next] = true;
            if order(object, candidates, placed, &stores) {
                return true;
            }
            placed[next] = false;
        }
    }
    false
}
