//! Whether a story still holds: its plan first, which is small, then its seeds in order.
//!
//! A story that is to be found holds if its plan shows the signature, or else one of its seeds does. One that was mended
//! holds if neither its plan nor its seed is invalid, and one of them, or of the seeds after it, is valid and reaches its
//! marks. An unknown run shows nothing. What holds no more is stale, or a regression, and these are told apart: a stale
//! story tests nothing any more, a regression is the failure itself.
//!
//! The same with any number of threads: the smallest seed counts.

use super::{Expect, Remembered, Story};
use crate::execute::{Case, Outcome};
use crate::keep;
use crate::record::{self, replay_line};
use crate::sweep::{Hands, Numbers, in_order, ran};
use harness::checker::Verdict;
use harness::fault::FaultKind;
use harness::record::Record;
use harness::seed::Seed;
use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// As nodes count them; a run's first is no change.
const ELECTIONS: &str = "leader elected";
const LEADER_CHANGES: &str = "leader changes";

/// Which tier of a story showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its decisions.
    Plan,
    /// One of its seeds.
    Seed(Seed),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Plan => write!(f, "its plan"),
            Way::Seed(seed) => write!(f, "seed {seed}"),
        }
    }
}

/// A story that holds.
pub struct Shown {
    /// By which tier.
    pub way: Way,
    /// The run that showed it.
    pub outcome: Box<Outcome>,
}

/// A story that does not hold. `Display` is what people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No run of it shows it any more: a sentence with the command that records it again.
    Stale(String),
    /// It was mended, and is not: the whole report.
    Regression(String),
    /// The simulation failed: a sentence.
    Error(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Broken::Stale(text) | Broken::Regression(text) | Broken::Error(text)) = self;
        f.write_str(text)
    }
}

/// A seed's run in one line, and all of it where it shows the story.
type Seeded = Result<(Record, Option<Shown>), Broken>;

impl Remembered {
    /// Whether what it says holds. Seeds run on so many threads.
    pub fn check(&self, jobs: NonZeroUsize) -> Result<Shown, Broken> {
        let story = &self.story;
        let plan = self.planned()?;
        let by_plan = self.judge(&plan)?;
        if by_plan && story.expect == Expect::Invalid {
            return Ok(Shown { way: Way::Plan, outcome: plan });
        }
        // A mended story's seed is run even if the plan is as it should be: each of them must stay mended.
        let count = if by_plan { 1 } else { story.span };
        let by_seed = self.first(count, jobs, |_| {})?;
        if by_plan {
            return Ok(Shown { way: Way::Plan, outcome: plan });
        }
        by_seed.ok_or_else(|| self.stale(&self.neither_shows()))
    }

    /// The first of so many seeds from its own on whose run shows it; `tell` hears of every run until then, in order.
    pub fn first(
        &self,
        count: u64,
        jobs: NonZeroUsize,
        mut tell: impl FnMut(&Record),
    ) -> Result<Option<Shown>, Broken> {
        let start = self.story.seed().map_err(|sentence| self.error(sentence))?;
        let numbers = Numbers { range: 0..count, jobs };
        let is_last = |result: &Seeded| !matches!(result, Ok((_, None)));
        let hands = Hands { more: || true, last: is_last };
        let worker = || |index| self.seeded(Seed(start.0.wrapping_add(index)));
        let mut first = Ok(None);
        in_order(numbers, hands, worker, |result| {
            let is_last = is_last(&result);
            first = result.map(|(record, shown)| {
                tell(&record);
                shown
            });
            if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        first
    }

    fn seeded(&self, seed: Seed) -> Seeded {
        let case = self.story.case(seed).map_err(|sentence| self.error(sentence))?;
        let outcome = run(&case).map_err(|sentence| self.error(sentence))?;
        let shows = self.judge(&outcome)?;
        let record = record::of(&outcome);
        Ok((record, shows.then_some(Shown { way: Way::Seed(seed), outcome })))
    }

    /// Whether a run shows the story; `Err`: it is what was mended.
    pub fn judge(&self, outcome: &Outcome) -> Result<bool, Broken> {
        let verdict = &outcome.judgement.verdict;
        match (self.story.expect, verdict) {
            (Expect::Invalid, _) => {
                Ok(self.story.signature().is_some_and(|signature| signature.is_in(verdict)))
            }
            (Expect::Valid, Verdict::Invalid(_)) => Err(self.regression(outcome)),
            (Expect::Valid, Verdict::Unknown(_)) => Ok(false),
            (Expect::Valid, Verdict::Valid) => Ok(self.story.unreached(outcome).is_empty()),
        }
    }

    fn planned(&self) -> Result<Box<Outcome>, Broken> {
        let plan = self.plan();
        let plan = plan.map_err(|error| self.stale(&format!("its plan is of no use: {error}")))?;
        let place = self.plan_file().display().to_string();
        let case = Case::planned(plan, &place).map_err(|sentence| self.error(sentence))?;
        run(&case).map_err(|sentence| self.error(sentence))
    }

    fn neither_shows(&self) -> String {
        let Story { seed, span, reaches, .. } = &self.story;
        let what = match (self.story.expect, self.story.signature()) {
            (Expect::Invalid, Some(signature)) => format!("shows {signature}"),
            _ if reaches.is_empty() => "is valid".to_owned(),
            _ => format!("is valid and reaches `{}`", reaches.join("`, `")),
        };
        format!("neither its plan nor any of {span} seeds from {seed} on {what}")
    }

    fn stale(&self, why: &str) -> Broken {
        let (place, again) = (self.place(), self.again());
        Broken::Stale(format!("{place} is stale: {why}; `{again}` records it again"))
    }

    fn regression(&self, outcome: &Outcome) -> Broken {
        let showed = match self.story.signature() {
            Some(signature) => format!("showed {signature} and was mended"),
            None => "was valid".to_owned(),
        };
        let (place, why) = (self.place(), &self.story.why);
        let report = keep::report(outcome, None);
        Broken::Regression(format!("{place} {showed}, and is invalid now: {why}\n{report}"))
    }

    fn error(&self, sentence: String) -> Broken {
        Broken::Error(format!("{}: {sentence}", self.place()))
    }

    fn place(&self) -> String {
        self.file.display().to_string()
    }
}

impl Story {
    /// The marks of the story that a run did not reach.
    pub fn unreached(&self, outcome: &Outcome) -> Vec<String> {
        let reached = marks(outcome);
        // A kind of fault may be told by the name that it had.
        let today = |mark: &str| match mark.parse() {
            Ok(kind) => FaultKind::name(kind).to_owned(),
            Err(_) => mark.to_owned(),
        };
        self.reaches.iter().filter(|mark| !reached.contains(&today(mark))).cloned().collect()
    }
}

/// What a run reached: the marks that the system under test counted, the kinds of fault that acted, and whether leaders
/// changed.
pub fn marks(outcome: &Outcome) -> BTreeSet<String> {
    let Record { marks, faults, .. } = record::of(outcome);
    let changed = marks.get(ELECTIONS).is_some_and(|times| *times > 1);
    let changed = changed.then(|| LEADER_CHANGES.to_owned());
    let counted = marks.into_iter().filter(|(_, times)| *times > 0).map(|(mark, _)| mark);
    let acted = faults.into_iter().filter(|(_, struck)| struck.effective > 0);
    counted.chain(acted.map(|(kind, _)| kind.name().to_owned())).chain(changed).collect()
}

fn run(case: &Case) -> Result<Box<Outcome>, String> {
    ran(case).map_err(|sentence| format!("`{}`: {sentence}", replay_line(case)))
}
