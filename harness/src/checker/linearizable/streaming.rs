//! Linearizability while the history grows: every object is watched, and the first answer that no order
//! explains is told as soon as it comes.
//!
//! Promises: exact up to each event, as the checker is on a whole history: what is told is wrong whatever comes later, and
//! what is not told is not wrong yet. What is held is what is open, what has an unknown outcome, and the states that are
//! possible: it does not grow with the history, but for a few kilobytes for each object.
//!
//! Cannot see: an object at which a cap was reached; the answer of an operation that was open for so long that 2^14 moments
//! of its object came meanwhile: it counts as one of unknown outcome. `finish` says of both that they are not decided.
//! There is none for streams: their model must know all ids before it begins.

use super::FailedCas;
use super::model::{Counter, Map, Mixed, Register, Sequence, Set, TtlRegister, Zset};
use super::search::{Caps, Stuck};
use super::watched::{Ending, Object as Of, Over, Watched};
use super::{NAME, NONLINEARIZABLE};
use crate::checker::streaming::{Held, Streaming};
use crate::checker::{Anomaly, Verdict};
use crate::history::{Event, Kind, Process, seconds};
use crate::op::{Answer, Call, Function, Key, Object, Op};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Less than a second for an object, and a few megabytes.
const CAPS: Caps = Caps { narrow: 0, deep: 0, configurations: 4096, visited: 10_000_000 };

/// Operations of a list that are told, at most.
const TOLD: usize = 10;

/// Reasons that are told, at most.
const REASONS: usize = 8;

/// Checks calls as they come.
pub struct StreamingCalls {
    object: Object,
    failed_cas: FailedCas,
    caps: Caps,
    running: BTreeMap<Process, Running>,
    objects: BTreeMap<Key, Kept>,
    answers: u64,
    undecided: Vec<String>,
    over: Option<Verdict>,
}

#[derive(Clone, Copy)]
struct Running {
    key: Key,
    operation: u32,
}

struct Kept {
    /// `None` once it is given up.
    watched: Option<Box<dyn Watched>>,
    next: u32,
    told: BTreeMap<u32, Told>,
}

/// An operation, for people.
struct Told {
    process: Process,
    function: Function,
    asked: (usize, Duration),
    ended: Option<(usize, String)>,
}

impl StreamingCalls {
    /// In Jepsen's reading, with caps that suit a run. The error says why there is none for such an object.
    pub fn of(object: Object) -> Result<StreamingCalls, String> {
        StreamingCalls::with(object, FailedCas::default(), CAPS)
    }

    /// In that reading and with those caps, of which `configurations` and `visited` count for each object.
    pub fn with(
        object: Object,
        failed_cas: FailedCas,
        caps: Caps,
    ) -> Result<StreamingCalls, String> {
        if object == Object::Stream {
            return Err("streams cannot be judged while the history grows".to_owned());
        }
        Ok(StreamingCalls {
            object,
            failed_cas,
            caps,
            running: BTreeMap::new(),
            objects: BTreeMap::new(),
            answers: 0,
            undecided: Vec::new(),
            over: None,
        })
    }

    fn call(&mut self, index: usize, event: &Event, call: &Call) -> Result<(), Failed> {
        let object = self.object;
        if !object.knows(&call.function, call.answer.as_ref()) {
            return Err(unfit(format!("event {index}, {call}, is no call of a {object}")));
        }
        if event.kind == Kind::Invoke {
            return self.invoked(index, event, call);
        }
        let process = event.process;
        let Some(running) = self.running.remove(&process) else {
            let what = format!("event {index} completes what {process} has not asked for");
            return Err(unfit(what));
        };
        self.ended(index, event, call, running)
    }

    fn invoked(&mut self, index: usize, event: &Event, call: &Call) -> Result<(), Failed> {
        let (object, caps) = (self.object, self.caps);
        let kept = self.objects.entry(call.key).or_insert_with(|| Kept {
            watched: Some(watched(object, caps)),
            next: 0,
            told: BTreeMap::new(),
        });
        let operation = kept.next;
        kept.next += 1;
        let running = Running { key: call.key, operation };
        if self.running.insert(event.process, running).is_some() {
            let process = event.process;
            return Err(unfit(format!(
                "{process} invokes at event {index} while its operation is open"
            )));
        }
        let Some(watched) = &mut kept.watched else { return Ok(()) };
        let function = call.function.clone();
        let asked = (index, event.time);
        kept.told.insert(operation, Told { process: event.process, function, asked, ended: None });
        watched.asked(operation, &call.function).map_err(|over| Failed::Over(call.key, over))
    }

    fn ended(
        &mut self,
        index: usize,
        event: &Event,
        call: &Call,
        Running { key, operation }: Running,
    ) -> Result<(), Failed> {
        let another =
            || unfit(format!("event {index}, {call}, completes another call than was asked for"));
        let kept = self.objects.get_mut(&key).filter(|_| key == call.key).ok_or_else(another)?;
        let Some(watched) = &mut kept.watched else { return Ok(()) };
        let Some(told) = kept.told.get_mut(&operation) else { return Ok(()) };
        if told.function != call.function {
            return Err(another());
        }
        let is_cas = matches!(call.function, Function::Cas { .. });
        let ending = match event.kind {
            // A reading whose answer nobody knows says nothing.
            Kind::Ok if call.answer.is_none() && call.function.reads() => Ending::Never,
            Kind::Ok => Ending::Done(call.answer.as_ref()),
            Kind::Fail if is_cas && self.failed_cas == FailedCas::Observed => {
                Ending::Done(Some(&REFUSED))
            }
            Kind::Fail => Ending::Never,
            Kind::Info | Kind::Invoke => Ending::Unknown,
        };
        told.ended = Some((index, told_ending(event, call)));
        if let Ending::Done(Some(answer)) = ending {
            self.answers += u64::from(answer.tells());
        }
        watched.ended(operation, ending).map_err(|over| Failed::Over(key, over))?;
        let held = watched.held();
        if kept.told.len() > 2 * held.operations + 16 {
            kept.told.retain(|operation, _| watched.knows(*operation));
        }
        Ok(())
    }

    fn failed(&mut self, index: usize, failed: Failed) -> Option<Anomaly> {
        match failed {
            Failed::Unfit(reason) => {
                self.objects.clear();
                self.over = Some(Verdict::Unknown(vec![reason]));
                None
            }
            Failed::Over(key, Over::Capped(cap)) => {
                let kept = self.objects.get_mut(&key)?;
                (kept.watched, kept.told) = (None, BTreeMap::new());
                let reason = format!(
                    "key {key} was given up at event {index}: {cap} is the cap while the history grows"
                );
                self.undecided.push(reason);
                None
            }
            Failed::Over(key, Over::Stuck(stuck)) => {
                let anomaly = self.objects.get(&key)?.anomaly(self.object, key, index, &stuck);
                self.objects.clear();
                self.over = Some(Verdict::Invalid(vec![anomaly.clone()]));
                Some(anomaly)
            }
        }
    }

    fn undecided(&self) -> Vec<String> {
        let late: usize = self
            .objects
            .values()
            .flat_map(|kept| &kept.watched)
            .map(|watched| watched.late())
            .sum();
        let late = (late > 0).then(|| {
            format!("{late} operations were open for so long that their answers were not looked at")
        });
        self.undecided.iter().take(REASONS).cloned().chain(late).collect()
    }
}

static REFUSED: Answer = Answer::Flag(false);

/// Why an event leads to nothing good.
enum Failed {
    Unfit(String),
    Over(Key, Over),
}

fn unfit(reason: String) -> Failed {
    Failed::Unfit(reason)
}

fn watched(object: Object, caps: Caps) -> Box<dyn Watched> {
    match object {
        Object::Register | Object::CasRegister => Box::new(Of::new(Register, caps)),
        Object::Counter => Box::new(Of::new(Counter, caps)),
        Object::Set => Box::new(Of::new(Set, caps)),
        Object::Queue | Object::List => Box::new(Of::new(Sequence, caps)),
        Object::Map => Box::new(Of::new(Map, caps)),
        Object::Zset => Box::new(Of::new(Zset, caps)),
        Object::TtlRegister => Box::new(Of::new(TtlRegister, caps)),
        Object::Mixed => Box::new(Of::new(Mixed, caps)),
        Object::Stream => unreachable!("there is no such checker"),
    }
}

impl Streaming for StreamingCalls {
    fn event(&mut self, index: usize, event: &Event) -> Option<Anomaly> {
        if self.over.is_some() || event.process == Process::Nemesis {
            return None;
        }
        let done = match &event.op {
            Op::Call(call) => self.call(index, event, call),
            _ => Err(unfit(format!("event {index} is no call"))),
        };
        done.err().and_then(|failed| self.failed(index, failed))
    }

    fn held(&self) -> Held {
        let mut held = Held { keys: self.objects.len(), ..Held::default() };
        for kept in self.objects.values() {
            let of_object = kept.watched.as_ref().map_or(Held::default(), |watched| watched.held());
            held.operations += of_object.operations.max(kept.told.len());
            held.configurations += of_object.configurations;
        }
        held
    }

    fn finish(self: Box<Self>) -> Verdict {
        let mut reasons = self.undecided();
        if self.answers == 0 {
            reasons.push("no call was answered anything about its object".to_owned());
        }
        match self.over {
            Some(verdict) => verdict,
            None if reasons.is_empty() => Verdict::Valid,
            None => Verdict::Unknown(reasons),
        }
    }
}

impl Kept {
    fn anomaly(&self, object: Object, key: Key, index: usize, stuck: &Stuck) -> Anomaly {
        let mut events = vec![index];
        let mut text = format!(
            "nonlinearizable: key {key}, a {object}: no order of these calls explains every answer"
        );
        self.line(&mut text, &mut events, stuck.operation);
        let states = match stuck.states_total - stuck.states.len() {
            0 => stuck.states.join(" or "),
            more => format!("{} or one of {more} others", stuck.states.join(" or ")),
        };
        let _ = write!(
            text,
            "\nIt must have taken effect in that time, and it cannot have: until it was answered the {object} \
             could only be {states}. That shows with event {index}."
        );
        let open = "Open at the same time:";
        self.lines(&mut text, &mut events, open, &stuck.open);
        let unknown = "Of unknown outcome by then, so that each may have taken effect, or not:";
        self.lines(&mut text, &mut events, unknown, &stuck.unknown);
        events.sort_unstable();
        events.dedup();
        Anomaly { name: NONLINEARIZABLE.to_owned(), found_by: NAME.to_owned(), text, events }
    }

    fn lines(&self, text: &mut String, events: &mut Vec<usize>, title: &str, which: &[usize]) {
        if which.is_empty() {
            return;
        }
        let _ = write!(text, "\n{title}");
        which.iter().take(TOLD).for_each(|operation| self.line(text, events, *operation));
        if which.len() > TOLD {
            let _ = write!(text, "\n  and {} more", which.len() - TOLD);
        }
    }

    fn line(&self, text: &mut String, events: &mut Vec<usize>, operation: usize) {
        let Some(told) = self.told.get(&(operation as u32)) else { return };
        let Told { process, function, asked: (event, time), ended } = told;
        let ended_by = ended.as_ref().map_or("still open", |(_, words)| words);
        let at = seconds(*time);
        let _ = write!(text, "\n  {process} {function}, asked at {at} (event {event}), {ended_by}");
        events.push(*event);
        events.extend(ended.as_ref().map(|(event, _)| *event));
    }
}

fn told_ending(event: &Event, call: &Call) -> String {
    let at = seconds(event.time);
    match (event.kind, &call.answer) {
        (Kind::Ok, Some(Answer::Done) | None) => format!("done at {at}"),
        (Kind::Ok, Some(answer)) => format!("answered {answer} at {at}"),
        (Kind::Fail, _) => format!("refused at {at}"),
        _ => format!("given up at {at}"),
    }
}
