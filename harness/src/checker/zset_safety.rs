//! Sorted sets as Elastickv's own suite judges them (`redis_zset_safety_workload.clj`): scores, order, ranges, phantoms, and
//! reads that see a later change without an earlier one.
//!
//! One read by itself: members come by ascending score and, where these are equal, by the bytes of their names; none twice; none
//! outside of the range that was asked for. All else is judged of each member by itself and of every two together: what
//! was done to them and what reads show of them must have an order that explains every answer. A search looks for it
//! (`linearizable`), over one or two scores, where all members at once would be too many.
//!
//! Differs from upstream: exact for one member and for two, answers of ZADD and DEL included; a change of unknown outcome may
//! take effect at any later time, where upstream takes it to be over when it was given up; what hits a cap is `unknown`. Cannot
//! see: contradictions that need three members; `zset`, which searches all of a key at once, does.

mod projection;

use super::findings::{Analyse, Findings};
use super::linearizable::{Capped, Caps, Found, Stuck, search};
use super::operations::{Operation, operations};
use crate::history::History;
use crate::op::{Answer, Call, Function, Key, Value};
use projection::{Projected, Projection, project};
use std::collections::{BTreeMap, BTreeSet};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "zset-safety";

/// Checks sorted sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZsetSafety {
    /// Whether members of one score must come in the order of the bytes of their names.
    pub ordered_ties: bool,
    /// When to give up on one member or two.
    pub caps: Caps,
}

impl Default for ZsetSafety {
    fn default() -> ZsetSafety {
        ZsetSafety { ordered_ties: true, caps: Caps::default() }
    }
}

impl Analyse for ZsetSafety {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        self.judged(history, &operations(history)?)
    }
}

/// How much was tested.
#[derive(Default)]
struct Tally {
    reads: usize,
    changes: usize,
    members: usize,
    pairs: usize,
    undecided: usize,
}

impl ZsetSafety {
    fn judged(&self, history: &History, operations: &[Operation]) -> Result<Findings, String> {
        let mut by_key: BTreeMap<Key, Vec<&Operation>> = BTreeMap::new();
        for operation in operations {
            let call = operation.call().filter(|call| is_zset(call));
            let Some(call) = call else {
                return Err(format!("event {} is no call of a sorted set", operation.invoked));
            };
            by_key.entry(call.key).or_default().push(operation);
        }
        let mut findings = Findings::new(NAME);
        let mut tally = Tally::default();
        for (key, operations) in &by_key {
            for operation in operations {
                if let Some(shown) = shown(operation) {
                    tally.reads += 1;
                    self.one_read(history, *key, operation, shown, &mut findings);
                }
                tally.changes += usize::from(operation.returned().is_some() && changes(operation));
            }
            self.members(history, *key, operations, &mut tally, &mut findings);
        }
        findings.number("reads", tally.reads);
        findings.number("changes", tally.changes);
        findings.number("members", tally.members);
        findings.number("pairs of members", tally.pairs);
        findings.number("undecided", tally.undecided);
        if tally.reads == 0 {
            findings.reason("no read of a sorted set succeeded".to_owned());
        } else if tally.changes == 0 {
            findings.reason("no change of a sorted set was acknowledged".to_owned());
        }
        Ok(findings)
    }

    /// What is wrong with a read whatever happened.
    fn one_read(
        &self,
        history: &History,
        key: Key,
        read: &Operation,
        shown: &[(Value, i64)],
        findings: &mut Findings,
    ) {
        let mut tell = |name, what: String| {
            findings.anomaly(history, name, format!("key {key}, {what}"), &[read]);
        };
        let descends = |pair: &&[(Value, i64)]| {
            let ((a, low), (b, high)) = (pair[0], pair[1]);
            let tie = self.ordered_ties && low == high && a.to_string() > b.to_string();
            low > high || tie
        };
        if let Some(pair) = shown.windows(2).find(descends) {
            let ((a, low), (b, high)) = (pair[0], pair[1]);
            tell(
                "unsorted",
                format!("member {a} of score {low} comes before member {b} of score {high}"),
            );
        }
        let mut seen = BTreeSet::new();
        if let Some((member, _)) = shown.iter().find(|(member, _)| !seen.insert(*member)) {
            tell("duplicate-members", format!("member {member} is in one read more than once"));
        }
        if let Some(Function::ZRangeByScore { min, max }) = read.call().map(|call| &call.function)
            && let Some((member, score)) =
                shown.iter().find(|(_, score)| score < min || score > max)
        {
            tell(
                "out-of-range",
                format!("member {member} of score {score} is not from {min} to {max}"),
            );
        }
    }

    fn members(
        &self,
        history: &History,
        key: Key,
        operations: &[&Operation],
        tally: &mut Tally,
        findings: &mut Findings,
    ) {
        let members: Vec<Value> = members(operations).into_iter().collect();
        tally.members += members.len();
        let search = Search { history, key, operations, count: members.len(), caps: &self.caps };
        if members.is_empty() {
            search.explains(&[], tally, findings);
        }
        let mut fine = Vec::new();
        for member in members {
            if search.explains(&[member], tally, findings) {
                fine.push(member);
            }
        }
        for (place, a) in fine.iter().enumerate() {
            for b in &fine[place + 1..] {
                tally.pairs += 1;
                search.explains(&[*a, *b], tally, findings);
            }
        }
    }
}

/// One key, of so many members.
struct Search<'s, 'o, 'h> {
    history: &'h History,
    key: Key,
    operations: &'s [&'o Operation<'h>],
    count: usize,
    caps: &'s Caps,
}

impl Search<'_, '_, '_> {
    /// Whether an order explains all that these members show.
    fn explains(&self, members: &[Value], tally: &mut Tally, findings: &mut Findings) -> bool {
        let Search { history, key, .. } = *self;
        let all = members.len() == self.count;
        let (projected, sources) = project(self.operations, members, all);
        let named: Vec<String> =
            members.iter().map(|member| format!(", member {member}")).collect();
        let named = format!("key {key}{}", named.join(" and"));
        match search(&Projection(members.len()), &projected, self.caps) {
            Found::Linearizable => true,
            Found::Stuck(stuck) => {
                let what = projected[stuck.operation].what;
                let (name, sentence) = words(&named, members.len(), &what, &stuck);
                let stuck_at = [stuck.operation].into_iter();
                // What an order ends with comes first, and what reads saw is in the state.
                let changes = stuck.order.into_iter().rev();
                let changes = changes.filter(|place| !projected[*place].what.is_read());
                let around = stuck_at.chain(changes).chain(stuck.open).chain(stuck.unknown);
                let mut shown_by: Vec<&Operation> = Vec::new();
                for operation in around.map(|place| sources[place]).take(8) {
                    if shown_by.iter().all(|known| known.invoked != operation.invoked) {
                        shown_by.push(operation);
                    }
                }
                findings.anomaly(history, name, sentence, &shown_by);
                false
            }
            Found::Capped(capped) => {
                tally.undecided += 1;
                let Capped { cap, operation, configurations, .. } = capped;
                let event = sources[operation].invoked;
                findings.reason(format!(
                    "{named} is not decided: {cap} is the cap, reached with {configurations} configurations at event {event}"
                ));
                false
            }
        }
    }
}

/// Upstream's word for it, and a sentence; the first operation that is named cannot have been answered so.
fn words(named: &str, count: usize, what: &Projected, stuck: &Stuck) -> (&'static str, String) {
    let more = stuck.states_total - stuck.states.len();
    let more = if more == 0 { String::new() } else { format!(" or one of {more} others") };
    let states = format!("{}{more}", stuck.states.join(" or "));
    let name = match (count, what) {
        (2, Projected::Shows(_)) => "fractured-read",
        (_, Projected::Shows([Some(_), _]))
            if stuck.states.iter().all(|state| state == "absent") =>
        {
            "unexpected-presence"
        }
        (_, Projected::Shows([Some(_), _])) => "score-mismatch",
        (_, Projected::Shows(_) | Projected::Within(..)) if what.misses_all() => "missing-member",
        (_, Projected::Within(..)) => "score-mismatch",
        _ => "impossible-mutation-chain",
    };
    let sentence = format!(
        "{named}: no order of what was done explains the first of these; when it was answered, possible was {states}"
    );
    (name, sentence)
}

fn is_zset(call: &Call) -> bool {
    matches!(
        call.function,
        Function::ZAdd { .. }
            | Function::ZIncrBy { .. }
            | Function::ZRem(_)
            | Function::ZRange
            | Function::ZRangeByScore { .. }
            | Function::Clear
    )
}

fn changes(operation: &Operation) -> bool {
    let function = operation.call().map(|call| &call.function);
    !matches!(function, Some(Function::ZRange | Function::ZRangeByScore { .. }))
}

/// What a read shows, if it is one that succeeded.
fn shown<'h>(operation: &Operation<'h>) -> Option<&'h [(Value, i64)]> {
    match &operation.call()?.answer {
        Some(Answer::Scores(scores)) => Some(scores),
        _ => None,
    }
}

/// Every member that a change or a read names.
fn members(operations: &[&Operation]) -> BTreeSet<Value> {
    let mut members = BTreeSet::new();
    for operation in operations {
        match operation.call().map(|call| &call.function) {
            Some(
                Function::ZAdd { member, .. }
                | Function::ZIncrBy { member, .. }
                | Function::ZRem(member),
            ) => drop(members.insert(*member)),
            _ => members
                .extend(shown(operation).unwrap_or_default().iter().map(|(member, _)| *member)),
        }
    }
    members
}
