//! What is not linearizable, in words that a person can follow with nothing else at hand.

use super::calls::One;
use super::clash::{Clash, Line};
use super::search::{Capped, CappedDeep, Stuck};
use super::zones::{Contradiction, Stay};
use crate::history::{Event, History, Kind, seconds};
use crate::op::{Answer, Function, Object};
use std::fmt::Write;

/// Operations of a list that are told, at most.
const TOLD: usize = 10;

/// An explanation and the events that it names.
pub(super) struct Told {
    pub text: String,
    pub events: Vec<usize>,
}

/// Puts into words what came of one object.
pub(super) struct Words<'w, 'h> {
    pub history: &'h History,
    pub object: Object,
    pub one: &'w One<'h>,
}

impl Words<'_, '_> {
    /// No order went on.
    pub fn stuck(&self, stuck: &Stuck) -> Told {
        let mut told = self.told("no order of these calls explains every answer");
        self.line(&mut told, "  ", stuck.operation);
        let states = match stuck.states_total - stuck.states.len() {
            0 => stuck.states.join(" or "),
            more => format!("{} or one of {more} others", stuck.states.join(" or ")),
        };
        let _ = write!(
            told.text,
            "\nIt must have taken effect in that time, and it cannot have: until it was answered the {} \
             could only be {states}.",
            self.noun()
        );
        self.lines(&mut told, "Open at the same time:", &stuck.open);
        let unknown =
            "Of unknown outcome, so that each may have taken effect at any time since, or never:";
        self.lines(&mut told, unknown, &stuck.unknown);
        self.order(&mut told, stuck);
        told.sorted()
    }

    fn order(&self, told: &mut Told, stuck: &Stuck) {
        let from = stuck.order.len().saturating_sub(TOLD);
        told.text.push_str("\nOne of the longest orders that explain all that was answered before");
        if stuck.order.is_empty() {
            let _ = write!(told.text, " is empty: the {} is {}.", self.noun(), stuck.left);
            return;
        }
        told.text.push_str(if stuck.order_is_cut || from > 0 { " ends:" } else { ":" });
        for operation in &stuck.order[from..] {
            let (process, call) = (self.invocation(*operation).process, self.call(*operation));
            let _ = write!(told.text, "\n  {process} {call}");
            told.events.extend(self.events(*operation));
        }
        let _ = write!(told.text, "\n  and leaves {}.", stuck.left);
    }

    /// Two values were there at once.
    pub fn contradiction(&self, contradiction: &Contradiction) -> Told {
        match contradiction {
            Contradiction::NeverWritten { read } => {
                let mut told = self.told("a value was read that nobody can have written");
                self.line(&mut told, "  ", *read);
                told.text.push_str("\nNo write of it succeeded or has an unknown outcome.");
                told.sorted()
            }
            Contradiction::FromTheFuture { read, write } => {
                let mut told = self.told("a value was read before anybody asked to write it");
                self.line(&mut told, "  ", *read);
                self.line(&mut told, "  ", *write);
                told.sorted()
            }
            Contradiction::TwoAtOnce(first, second) => {
                let mut told =
                    self.told("two values, each written once, were there at the same time");
                self.throughout(&mut told, first);
                self.throughout(&mut told, second);
                told.sorted()
            }
            Contradiction::Within(outer, inner) => {
                let mut told = self.told("a value was there while another, written once, was");
                self.throughout(&mut told, outer);
                let value = value(inner.value);
                let _ = write!(
                    told.text,
                    "\n{value} was there at some moment of that time: all that wrote or read it began and \
                     ended so that they share only moments of it, from the beginning of the first of these \
                     to the end of the second:"
                );
                self.line(&mut told, "  ", inner.last_start);
                if let Some(end) = inner.first_end.filter(|end| *end != inner.last_start) {
                    self.line(&mut told, "  ", end);
                }
                told.sorted()
            }
        }
    }

    /// Something else cannot be.
    pub fn clash(&self, clash: &Clash) -> Told {
        let mut told = self.told(&clash.what);
        for line in &clash.lines {
            match line {
                Line::Said(sentence) => told.text.extend(["\n", sentence]),
                Line::Call(operation) => self.line(&mut told, "  ", *operation),
            }
        }
        told.sorted()
    }

    fn throughout(&self, told: &mut Told, stay: &Stay) {
        let value = value(stay.value);
        match stay.first_end {
            Some(end) => {
                let _ = write!(
                    told.text,
                    "\n{value} was there from the end of the first of these at the latest until the beginning \
                     of the second at least:"
                );
                self.line(told, "  ", end);
            }
            None => {
                let _ = write!(
                    told.text,
                    "\n{value}, which was there before anything was written, was there until the beginning of \
                     this at least:"
                );
            }
        }
        self.line(told, "  ", stay.last_start);
    }

    /// The search gave up.
    pub fn capped(&self, capped: &Capped) -> String {
        let Capped { cap, operation, configurations, deep } = capped;
        let mut text = format!(
            "{} is not decided: {cap} is the cap, reached with {configurations} configurations at call {} of {}: {}",
            self.name(),
            operation + 1,
            self.one.operations.len(),
            self.sentence(*operation),
        );
        if let Some(CappedDeep { cap, operation }) = deep {
            let call = operation + 1;
            let _ = write!(
                text,
                "; one order at a time, {cap} were too many, at call {call} at the furthest"
            );
        }
        text
    }

    fn told(&self, what: &str) -> Told {
        let text = format!("nonlinearizable: {}, {}: {what}", self.name(), self.a_kind());
        Told { text, events: Vec::new() }
    }

    fn name(&self) -> String {
        match self.one.part {
            None => format!("key {}", self.one.key),
            Some(part) => format!("key {}, {} {part}", self.one.key, self.noun()),
        }
    }

    fn a_kind(&self) -> String {
        format!("a {}", self.object)
    }

    /// What it is that has a state.
    fn noun(&self) -> &'static str {
        match (self.one.part, self.object) {
            (None, object) => object.name(),
            (_, Object::Set) => "element",
            (_, Object::Map) => "field",
            _ => "member",
        }
    }

    fn lines(&self, told: &mut Told, title: &str, operations: &[usize]) {
        if operations.is_empty() {
            return;
        }
        let _ = write!(told.text, "\n{title}");
        for operation in operations.iter().take(TOLD) {
            self.line(told, "  ", *operation);
        }
        if operations.len() > TOLD {
            let _ = write!(told.text, "\n  and {} more", operations.len() - TOLD);
        }
    }

    fn line(&self, told: &mut Told, indent: &str, operation: usize) {
        let _ = write!(told.text, "\n{indent}{}", self.sentence(operation));
        told.events.extend(self.events(operation));
    }

    /// `p9 :read, asked at 18.900 s (event 12), answered 3 at 19.911 s (event 15)`.
    fn sentence(&self, operation: usize) -> String {
        let asked = self.invocation(operation);
        let event = self.one.operations[operation].invoked;
        let at = seconds(asked.time);
        let function = self.one.operations[operation].what.function;
        let node = asked.node.map_or(String::new(), |node| format!(" of {node}"));
        format!(
            "{} {function}, asked{node} at {at} (event {event}), {}",
            asked.process,
            self.ending(operation)
        )
    }

    fn ending(&self, operation: usize) -> String {
        let answer = self.one.operations[operation].what.answer;
        let Some(completed) = self.one.completed[operation] else {
            return "still open at the end".to_owned();
        };
        let event = &self.history.events[completed];
        let at = seconds(event.time);
        match (event.kind, answer) {
            (Kind::Ok, Some(Answer::Done) | None) => format!("done at {at} (event {completed})"),
            (Kind::Ok, Some(answer)) => format!("answered {answer} at {at} (event {completed})"),
            (Kind::Fail, _) => format!("refused at {at} (event {completed})"),
            _ => format!("given up at {at} (event {completed})"),
        }
    }

    /// `:read -> 3`.
    fn call(&self, operation: usize) -> String {
        let asked = self.one.operations[operation].what;
        let function: &Function = asked.function;
        match asked.answer {
            None | Some(Answer::Done) => function.to_string(),
            Some(answer) => format!("{function} -> {answer}"),
        }
    }

    fn invocation(&self, operation: usize) -> &Event {
        &self.history.events[self.one.operations[operation].invoked]
    }

    fn events(&self, operation: usize) -> impl Iterator<Item = usize> {
        let invoked = self.one.operations[operation].invoked;
        [Some(invoked), self.one.completed[operation]].into_iter().flatten()
    }
}

impl Told {
    fn sorted(mut self) -> Told {
        self.events.sort_unstable();
        self.events.dedup();
        self
    }
}

fn value(value: Option<u64>) -> String {
    value.map_or("nil".to_owned(), |value| value.to_string())
}
