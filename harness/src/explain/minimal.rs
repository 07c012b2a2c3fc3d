//! A smaller history that still shows an anomaly: whole operations are left out, with what would have no sense without
//! them, as long as the same checker finds an anomaly of the same name (Zeller and Hildebrandt's delta debugging, 2002).
//!
//! Leaving out what happened could make wrong what was right: so it is not done. An operation that shows a value needs
//! who wrote it; one of an object whose state is more than its last write needs every change of that object
//! (`needs`). So no read becomes one of a value that nobody wrote. No anomaly of a name that the whole history has none of
//! may come up.
//!
//! Promises a sub-history that shows the anomaly; of which no operation can be left out with what needs it, unless the
//! [`Budget`] ended first, which is said; the same for the same history. Cannot see: smaller histories that are reached only by leaving
//! out two things at once that do not need each other.

use super::operations::{Operation, by_event, operations};
use crate::checker::{Anomaly, Checker, Verdict};
use crate::history::History;
use needs::Needs;
use std::collections::BTreeSet;

mod needs;

/// What it may cost: both fall as it is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Times that the checker is asked.
    pub calls: usize,
    /// Operations that it is asked about, all together.
    pub operations: usize,
}

impl Budget {
    /// Of one anomaly.
    pub const ONE: Budget = Budget { calls: 600, operations: 400_000 };

    fn spend(&mut self, operations: usize) -> bool {
        if self.calls == 0 || self.operations < operations {
            return false;
        }
        self.calls -= 1;
        self.operations -= operations;
        true
    }
}

/// More operations than these are not made fewer one by one.
const OPERATIONS_MAX: usize = 20_000;

/// What is left of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimal {
    /// The history.
    pub history: History,
    /// For each of its events the index that it had.
    pub events: Vec<usize>,
    /// How many operations it has.
    pub operations: usize,
    /// How many there were.
    pub of: usize,
    /// Whether the budget ended before it was known that nothing more can be left out.
    pub is_capped: bool,
}

/// A history, and what one checker found in it.
pub struct Whole<'h> {
    history: &'h History,
    operations: Vec<Operation<'h>>,
    checker: &'h dyn Checker,
    needs: Needs,
    /// The names of what may come up.
    allowed: BTreeSet<String>,
}

impl<'h> Whole<'h> {
    /// Of a history and all that was found in it, by this checker or another.
    pub fn of(history: &'h History, checker: &'h dyn Checker, found: &[Anomaly]) -> Whole<'h> {
        let operations = operations(history);
        let needs = Needs::of(&operations, checker.name());
        let own = found.iter().filter(|anomaly| anomaly.found_by == checker.name());
        let allowed = own.map(|anomaly| anomaly.name.clone()).collect();
        Whole { history, operations, checker, needs, allowed }
    }

    /// Who judges.
    pub fn checker(&self) -> &'h dyn Checker {
        self.checker
    }

    /// Makes it small, beginning with the operations of some events, so that it still shows an anomaly. The error says why it
    /// cannot be done, in one sentence.
    pub fn minimal(
        &self,
        anomaly: &Anomaly,
        events: &[usize],
        budget: Budget,
    ) -> Result<Minimal, String> {
        let mut search = Search { whole: self, name: &anomaly.name, budget };
        let begin = search.begin(events)?;
        let (kept, is_capped) = search.smaller(begin);
        let (history, events) = self.history_of(&kept);
        let (operations, of) = (kept.len(), self.operations.len());
        Ok(Minimal { history, events, operations, of, is_capped })
    }

    /// Only these operations, and the events that they have in the whole.
    fn history_of(&self, kept: &[usize]) -> (History, Vec<usize>) {
        let mut events: Vec<usize> =
            kept.iter().flat_map(|number| self.operations[*number].events()).collect();
        events.sort_unstable();
        let kept = events.iter().map(|event| self.history.events[*event].clone());
        (History { events: kept.collect() }, events)
    }

    fn shows(&self, name: &str, kept: &[usize]) -> bool {
        let found = names(self.checker.check(&self.history_of(kept).0));
        found.contains(name) && found.is_subset(&self.allowed)
    }
}

fn names(verdict: Verdict) -> BTreeSet<String> {
    match verdict {
        Verdict::Invalid(anomalies) => anomalies.into_iter().map(|anomaly| anomaly.name).collect(),
        Verdict::Valid | Verdict::Unknown(_) => BTreeSet::new(),
    }
}

struct Search<'w, 'h> {
    whole: &'w Whole<'h>,
    /// Of the anomaly that must still be there.
    name: &'w str,
    budget: Budget,
}

impl Search<'_, '_> {
    /// Operations to begin with: those of the anomaly, else all of their keys, else all.
    fn begin(&mut self, events: &[usize]) -> Result<Vec<usize>, String> {
        let of = by_event(self.whole.history, &self.whole.operations);
        let told = events.iter().filter_map(|event| of.get(*event).copied().flatten());
        let told: BTreeSet<usize> = told.collect();
        let Whole { operations, needs, .. } = self.whole;
        let of_keys = needs.sharing_keys(operations, &told);
        let all: BTreeSet<usize> = (0..operations.len()).collect();
        for begin in [told, of_keys, all] {
            if begin.is_empty() {
                continue;
            }
            let begin = needs.with_needed(operations, begin, OPERATIONS_MAX);
            let Some(begin) = begin else { break };
            if !self.budget.spend(begin.len()) {
                break;
            }
            if self.whole.shows(self.name, &begin) {
                return Ok(begin);
            }
        }
        Err(format!(
            "it takes more operations to show it than are made fewer one by one, {OPERATIONS_MAX} or what \
             the budget allows"
        ))
    }

    /// Leaves out ever smaller parts, the last ones first, until nothing can be left out.
    fn smaller(&mut self, mut kept: Vec<usize>) -> (Vec<usize>, bool) {
        let mut parts = 2;
        loop {
            parts = parts.min(kept.len());
            let needed_by = self.whole.needs.reversed(&self.whole.operations, &kept);
            let length = kept.len().div_ceil(parts.max(1));
            let mut found = None;
            for part in kept.chunks(length).rev() {
                let candidate = needed_by.without(&kept, part);
                if candidate.is_empty() {
                    continue;
                }
                if !self.budget.spend(candidate.len()) {
                    return (kept, true);
                }
                if self.whole.shows(self.name, &candidate) {
                    found = Some(candidate);
                    break;
                }
            }
            match found {
                Some(candidate) => kept = candidate,
                None if length <= 1 => return (kept, false),
                None => parts *= 2,
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
