//! The calls of a history, object by object.

use super::FailedCas;
use super::model::Asked;
use super::search::Operation;
use crate::history::{Event, History, Kind, Process};
use crate::op::{Answer, Call, Function, Key, Object, Op, Value};
use std::collections::BTreeMap;

/// The calls of one object, or of one part of it.
pub(super) struct One<'h> {
    pub key: Key,
    /// The element, field or member, where the object falls into these.
    pub part: Option<Value>,
    /// In the order of their invocations; moments are indices of events.
    pub operations: Vec<Operation<Asked<'h>>>,
    /// The event that completed each, whatever it said.
    pub completed: Vec<Option<usize>>,
}

impl One<'_> {
    /// Only the operations that are marked.
    pub fn keep(&mut self, marks: &[bool]) {
        retain(&mut self.operations, marks);
        retain(&mut self.completed, marks);
    }
}

/// How much was tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Objects.
    pub keys: usize,
    /// Calls that succeeded.
    pub ok: usize,
    /// Calls that failed.
    pub failed: usize,
    /// Calls of unknown outcome, those still open included.
    pub unknown: usize,
    /// Answers that say something of the object: with none of them, no history is wrong.
    pub told: usize,
}

/// Every object of a history, ascending by key. The error is what makes it impossible to check, in one sentence.
pub(super) fn read(
    history: &History,
    object: Object,
    failed_cas: FailedCas,
) -> Result<(Vec<One<'_>>, Coverage), String> {
    let mut reader = Reader::new(history, object, failed_cas);
    for (index, event) in history.client_events() {
        match &event.op {
            Op::Call(call) => reader.call(index, event, call)?,
            _ => {
                return Err(format!(
                    "event {index} is no call: linearizability is checked on calls of one object each"
                ));
            }
        }
    }
    Ok(reader.finish())
}

/// What a failed compare-and-set was told.
static REFUSED: Answer = Answer::Flag(false);

struct Reader<'h> {
    history: &'h History,
    object: Object,
    failed_cas: FailedCas,
    places: BTreeMap<Key, usize>,
    objects: Vec<One<'h>>,
    /// For each operation of each object, whether it counts.
    counts: Vec<Vec<bool>>,
    running: BTreeMap<Process, Running>,
    coverage: Coverage,
}

#[derive(Clone, Copy)]
struct Running {
    object: usize,
    operation: usize,
    event: usize,
}

impl<'h> Reader<'h> {
    fn new(history: &'h History, object: Object, failed_cas: FailedCas) -> Reader<'h> {
        Reader {
            history,
            object,
            failed_cas,
            places: BTreeMap::new(),
            objects: Vec::new(),
            counts: Vec::new(),
            running: BTreeMap::new(),
            coverage: Coverage::default(),
        }
    }

    fn call(&mut self, index: usize, event: &Event, call: &'h Call) -> Result<(), String> {
        if !self.object.knows(&call.function, call.answer.as_ref()) {
            let object = self.object;
            return Err(format!("event {index}, {call}, is no call of a {object}"));
        }
        if event.kind == Kind::Invoke {
            return self.invoked(index, event.process, call);
        }
        let Some(running) = self.running.remove(&event.process) else {
            let process = event.process;
            return Err(format!("event {index} completes what {process} has not asked for"));
        };
        let asked = &self.history.events[running.event].op;
        let same = |a: &Call| a.key == call.key && a.function == call.function;
        if !matches!(asked, Op::Call(asked) if same(asked)) {
            let earlier = running.event;
            return Err(format!(
                "event {index}, {call}, completes another call than event {earlier} asked for"
            ));
        }
        self.completed(index, event.kind, running, call);
        Ok(())
    }

    fn invoked(&mut self, index: usize, process: Process, call: &'h Call) -> Result<(), String> {
        let next = self.objects.len();
        let object = *self.places.entry(call.key).or_insert(next);
        if object == next {
            let (operations, completed) = (Vec::new(), Vec::new());
            self.objects.push(One { key: call.key, part: None, operations, completed });
            self.counts.push(Vec::new());
        }
        let one = &mut self.objects[object];
        let running = Running { object, operation: one.operations.len(), event: index };
        let what = Asked { function: &call.function, answer: None };
        one.operations.push(Operation { what, invoked: index, returned: None });
        one.completed.push(None);
        self.counts[object].push(true);
        match self.running.insert(process, running) {
            Some(Running { event, .. }) => Err(format!(
                "{process} invokes at event {index} while its operation of event {event} is open: \
                 a process asks one thing at a time"
            )),
            None => Ok(()),
        }
    }

    fn completed(&mut self, index: usize, kind: Kind, running: Running, call: &'h Call) {
        let Running { object, operation, .. } = running;
        let one = &mut self.objects[object];
        one.completed[operation] = Some(index);
        let returned = &mut one.operations[operation];
        match kind {
            Kind::Ok => {
                self.coverage.ok += 1;
                returned.what.answer = call.answer.as_ref();
                returned.returned = Some(index);
            }
            Kind::Fail => {
                self.coverage.failed += 1;
                let is_cas = matches!(call.function, Function::Cas { .. });
                if is_cas && self.failed_cas == FailedCas::Observed {
                    returned.what.answer = Some(&REFUSED);
                    returned.returned = Some(index);
                } else {
                    self.counts[object][operation] = false;
                }
            }
            Kind::Info | Kind::Invoke => {}
        }
        // A reading whose answer nobody knows says nothing.
        let blind = returned.what.answer.is_none() && call.function.reads();
        self.counts[object][operation] &= !blind;
        self.coverage.told += usize::from(returned.what.answer.is_some_and(Answer::tells));
    }

    fn finish(mut self) -> (Vec<One<'h>>, Coverage) {
        let all: usize = self.objects.iter().map(|one| one.operations.len()).sum();
        self.coverage.unknown = all - self.coverage.ok - self.coverage.failed;
        self.coverage.keys = self.objects.len();
        for (one, counts) in self.objects.iter_mut().zip(&self.counts) {
            one.keep(counts);
        }
        self.objects.sort_by_key(|one| one.key);
        (self.objects, self.coverage)
    }
}

fn retain<T>(items: &mut Vec<T>, counts: &[bool]) {
    let mut counts = counts.iter();
    items.retain(|_| *counts.next().unwrap_or(&true));
}
