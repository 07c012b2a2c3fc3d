//! Sets to which every element is added once at most, and from which nothing is removed: near-linear.
//!
//! Promises: exact, for any number of calls at once.
//!
//! Then an answer says of each element that it tells of only whether its add came before or after: before every read that
//! shows it and every `contains` that found it, after every other. So a history is linearizable if and only if these
//! precedences and those of time can be kept together. They cannot if two reads each show an element that the other does
//! not; else the reads are a chain by inclusion, and an add belongs between the last read without its element and the
//! first with it. Let the earliest moment of a call be the latest invocation of it and of all that must come before it:
//! no order has it earlier. If no call ended before its earliest moment, all can take effect at theirs, in the order of
//! the chain where these are equal. If one did, what was asked for after its end must have come before it.
//!
//! An add of unknown outcome whose element nobody saw is left out: whatever order has it has room without it.
//!
//! Not for sets with `remove` or `clear`, nor for elements that were added again.

use super::clash::{Clash, Latest};
use super::model::Asked;
use super::search::Operation;
use crate::op::{Answer, Function, Value};
use std::collections::BTreeSet;

/// No read shows the element.
const NEVER: u32 = u32::MAX;

/// What the order of inclusion says, if the history is one that it can judge.
pub(super) fn judge(operations: &[Operation<Asked>]) -> Option<Result<(), Clash>> {
    let elements = elements(operations)?;
    let growing = Growing { operations, elements, shown: Vec::new(), reads: Vec::new() };
    Some(growing.judge())
}

struct Element {
    value: Value,
    add: usize,
    /// The number of the smallest set that has it, among the different ones that were read.
    level: u32,
    /// A `contains` did.
    found: bool,
    /// The latest `contains` that did not.
    missed: Latest,
    /// The earliest moment of its add.
    earliest: Latest,
}

/// What was added, ascending; `None` if something was added twice, or if something else was asked.
fn elements(operations: &[Operation<Asked>]) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    for (add, operation) in operations.iter().enumerate() {
        match operation.what.function {
            Function::Read | Function::Contains(_) => {}
            Function::Insert(value) => elements.push(Element {
                value: *value,
                add,
                level: NEVER,
                found: false,
                missed: None,
                earliest: None,
            }),
            _ => return None,
        }
    }
    elements.sort_unstable_by_key(|element| element.value);
    let once = elements.windows(2).all(|pair| pair[0].value != pair[1].value);
    once.then_some(elements)
}

struct Read {
    operation: usize,
    /// The number of its set among the different ones; the empty set has 0.
    level: u32,
}

struct Growing<'o, 'h> {
    operations: &'o [Operation<Asked<'h>>],
    elements: Vec<Element>,
    /// Elements in the order in which the chain of reads has them.
    shown: Vec<usize>,
    /// By size.
    reads: Vec<Read>,
}

impl Growing<'_, '_> {
    fn judge(mut self) -> Result<(), Clash> {
        self.single_answers()?;
        self.rank()?;
        self.place()
    }

    /// What adds and `contains` were answered.
    fn single_answers(&mut self) -> Result<(), Clash> {
        for (number, operation) in self.operations.iter().enumerate() {
            match (operation.what.function, operation.what.answer) {
                (Function::Insert(value), Some(Answer::Flag(false))) => {
                    let what = "an element was there already that nobody else can have added";
                    let rest =
                        format!("No other add of {value} succeeded or has an unknown outcome.");
                    return Err(Clash::new(what).call(number).said(rest));
                }
                (Function::Contains(value), Some(Answer::Flag(found))) => match self.find(*value) {
                    Some(place) if *found => self.elements[place].found = true,
                    Some(place) => {
                        let missed = &mut self.elements[place].missed;
                        *missed = (*missed).max(Some((operation.invoked, number)));
                    }
                    None if *found => return Err(never_added(number, *value)),
                    None => {}
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn find(&self, value: Value) -> Option<usize> {
        self.elements.binary_search_by_key(&value, |element| element.value).ok()
    }

    /// What a read showed; nothing of another call.
    fn values(&self, operation: usize) -> Option<&[Value]> {
        match self.operations[operation].what.answer {
            Some(Answer::Values(values)) => Some(values),
            _ => None,
        }
    }

    /// Puts reads and elements in the order of inclusion.
    fn rank(&mut self) -> Result<(), Clash> {
        let size = |number: usize| Some((self.values(number)?.len(), number));
        let mut sizes: Vec<(usize, usize)> = (0..self.operations.len()).filter_map(size).collect();
        sizes.sort_unstable();
        let mut last_shown = vec![usize::MAX; self.elements.len()];
        let (mut level, mut smaller) = (0, 0);
        for (size, operation) in sizes {
            level += u32::from(size > smaller);
            let again = self.reads.last().is_some_and(|before| {
                before.level == level && self.values(before.operation) == self.values(operation)
            });
            if !again && self.show(operation, level, &mut last_shown)? < smaller {
                let before = self.reads.last().map_or(operation, |before| before.operation);
                return Err(self.incomparable(before, operation));
            }
            self.reads.push(Read { operation, level });
            smaller = size;
        }
        Ok(())
    }

    /// Notes what a read shows first, and counts what smaller ones have shown.
    fn show(
        &mut self,
        operation: usize,
        level: u32,
        last_shown: &mut [usize],
    ) -> Result<usize, Clash> {
        let Some(Answer::Values(values)) = self.operations[operation].what.answer else {
            return Ok(0);
        };
        let mut known = 0;
        for value in values {
            let Some(place) = self.find(*value) else { return Err(never_added(operation, *value)) };
            if last_shown[place] == operation {
                let what = format!("a read shows {value} twice");
                return Err(Clash::new(what).call(operation));
            }
            last_shown[place] = operation;
            if self.elements[place].level == NEVER {
                self.elements[place].level = level;
                self.shown.push(place);
            } else {
                known += 1;
            }
        }
        Ok(known)
    }

    /// Finds the earliest moment of every call, and whether it ended before.
    fn place(mut self) -> Result<(), Clash> {
        let mut before: Latest = None;
        let (mut read, mut next) = (0, 0);
        while let Some(&Read { level, .. }) = self.reads.get(read) {
            let mut seen = before;
            while let Some(&place) = self.shown.get(next) {
                if self.elements[place].level != level {
                    break;
                }
                seen = seen.max(self.place_add(place, before)?);
                next += 1;
            }
            before = seen;
            while let Some(same) = self.reads.get(read).filter(|same| same.level == level) {
                self.after(same.operation, seen)?;
                let invoked = self.operations[same.operation].invoked;
                before = before.max(Some((invoked, same.operation)));
                read += 1;
            }
        }
        for place in 0..self.elements.len() {
            let Element { add, level, found, .. } = self.elements[place];
            if level == NEVER && (found || self.operations[add].returned.is_some()) {
                self.place_add(place, before)?;
            }
        }
        self.place_found()
    }

    /// The earliest moment of an add that comes after all before.
    fn place_add(&mut self, place: usize, before: Latest) -> Result<Latest, Clash> {
        let Element { add, missed, .. } = self.elements[place];
        let earliest = before.max(missed).max(Some((self.operations[add].invoked, add)));
        self.after(add, earliest)?;
        self.elements[place].earliest = earliest;
        Ok(earliest)
    }

    /// Every `contains` that found something.
    fn place_found(&self) -> Result<(), Clash> {
        for (number, operation) in self.operations.iter().enumerate() {
            let Function::Contains(value) = operation.what.function else { continue };
            if operation.what.answer == Some(&Answer::Flag(true))
                && let Some(place) = self.find(*value)
            {
                self.after(number, self.elements[place].earliest)?;
            }
        }
        Ok(())
    }

    fn after(&self, operation: usize, earliest: Latest) -> Result<(), Clash> {
        match earliest {
            Some((at, before)) if at > self.operations[operation].end() => {
                Err(self.reversed(before, operation))
            }
            _ => Ok(()),
        }
    }
}

fn never_added(operation: usize, value: Value) -> Clash {
    let clash = Clash::new("an element was seen that nobody can have added").call(operation);
    clash.said(format!("No add of {value} succeeded or has an unknown outcome."))
}

/// Words.
impl Growing<'_, '_> {
    /// Some element of the first that the second does not show.
    fn missing(&self, first: usize, second: usize) -> Option<Value> {
        let shown: BTreeSet<Value> = self.values(second)?.iter().copied().collect();
        self.values(first)?.iter().copied().find(|value| !shown.contains(value))
    }

    fn incomparable(&self, first: usize, second: usize) -> Clash {
        let mut clash =
            Clash::new("two reads each show an element, added once, that the other does not");
        for (read, other) in [(first, second), (second, first)] {
            clash = clash.call(read);
            if let Some(value) = self.missing(read, other) {
                clash = clash.said(format!("This one shows {value}, and the other does not."));
            }
        }
        clash.said("Nothing is ever removed, so neither can have come first.")
    }

    /// The late one must have come before the early one, which ended before it was asked for.
    fn reversed(&self, late: usize, early: usize) -> Clash {
        let clash = Clash::reversed(late, early);
        let why = match (self.single(late), self.single(early)) {
            (None, None) => self
                .missing(early, late)
                .map(|value| format!("The first of these shows {value}, the second does not.")),
            (Some(value), None) => Some(format!("The first of these shows {value}.")),
            (None, Some(value)) => Some(format!("The second of these does not show {value}.")),
            (Some(value), Some(other)) if value == other => None,
            (Some(value), Some(other)) => Some(format!("{value} was there before {other} was:")),
        };
        let clash = why.into_iter().fold(clash, Clash::said);
        let both =
            self.single(late).zip(self.single(early)).filter(|(value, other)| value != other);
        let witness = both.and_then(|(value, _)| self.first_with(value));
        let clash = witness.into_iter().fold(clash, Clash::call);
        clash.said(
            "Each element was added once and nothing is ever removed, so the second must have come before the first.",
        )
    }

    /// The element that a call is about, unless it is about all.
    fn single(&self, operation: usize) -> Option<Value> {
        match self.operations[operation].what.function {
            Function::Insert(value) | Function::Contains(value) => Some(*value),
            _ => None,
        }
    }

    /// One of the smallest reads that show the element.
    fn first_with(&self, value: Value) -> Option<usize> {
        let level = self.elements[self.find(value)?].level;
        let place = self.reads.partition_point(|read| read.level < level);
        self.reads.get(place).map(|read| read.operation)
    }
}
