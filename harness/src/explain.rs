//! What a person needs to follow an anomaly: its words with every inferred edge opened up to its evidence, a picture of
//! its cycle, a smaller history that still shows it, and the run as a timeline.
//!
//! | file                          | what                                                                   |
//! |-------------------------------|------------------------------------------------------------------------|
//! | `timeline.html`               | all operations, faults and anomalies, in one page that loads nothing    |
//! | `anomalies/<type>-<n>.txt`    | one anomaly in words, with its evidence                                 |
//! | `anomalies/<type>-<n>.svg`    | its picture, if it is a cycle                                           |
//! | `anomalies/<type>-<n>.jsonl`  | a smaller history that shows it, for `check`                            |
//!
//! Promises the same bytes for the same run, and a bounded cost: checkers that find cycles judge the whole history once more,
//! and every anomaly's history is made smaller within a [`Budget`]. Pure: who writes the files is the caller.
//!
//! Cannot see: what was not judged. An anomaly of an older checker is told as it was, without what only the checker knows.

mod lanes;
pub mod minimal;
pub mod operations;
pub mod packed;
pub mod svg;
pub mod timeline;
mod words;

use crate::checker::linearizable::Partial;
use crate::checker::transactional::proof::Cycle;
use crate::checker::{Anomaly, Checker, Verdict};
use crate::history::History;
use crate::judge::Judgement;
use crate::recording::{Phase, Run};
use crate::store;
use crate::windows::Windows;
use minimal::{Budget, Minimal, Whole};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// The page.
pub const TIMELINE: &str = "timeline.html";
/// The folder of single anomalies.
pub const ANOMALIES: &str = "anomalies";

/// Anomalies of one run that are made small; the others are told.
const SMALL_MAX: usize = 16;

/// An anomaly and what explains it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What it is.
    pub anomaly: Anomaly,
    /// The name of its files, but for their endings.
    pub name: String,
    /// Its cycle, if it is one.
    pub cycle: Option<Cycle>,
    /// How far an order of calls goes, if it is about one object.
    pub order: Option<Partial>,
    /// A smaller history; or why there is none, in one sentence.
    pub minimal: Result<Minimal, String>,
    /// What to say to `check` for its checker.
    pub words: Option<String>,
}

/// Some time in which something was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The family of the fault.
    pub kind: String,
    /// The fault in few words.
    pub fault: String,
    /// From when to when.
    pub span: (Duration, Duration),
}

/// All that is shown of a history.
#[derive(Clone, Debug)]
pub struct Explanation<'h> {
    /// What it is, in one line.
    pub title: String,
    /// What happened.
    pub history: &'h History,
    /// What is wrong with it.
    pub anomalies: Vec<Explained>,
    /// What was broken.
    pub bands: Vec<Band>,
    /// When each phase began.
    pub phases: Vec<(String, Duration)>,
    /// Moments of anomalies that have no events, by their positions.
    pub moments: BTreeMap<usize, Duration>,
}

impl<'h> Explanation<'h> {
    /// Of a run and what was made of it, by the checkers that judged it.
    pub fn of_run(run: &'h Run, judgement: &Judgement, checkers: &[Box<dyn Checker>]) -> Self {
        let title = format!("{} {} seed {}", run.test, judgement.verdict.name(), run.seed);
        let mut explanation = Explanation::of(title, &run.history, &judgement.verdict, checkers);
        let bands = Windows::of(run).all.into_iter().map(|window| Band {
            kind: window.kind.name().to_owned(),
            fault: window.fault,
            span: (window.from, window.to),
        });
        explanation.bands = bands.collect();
        let phase = |(phase, at): &(Phase, Duration)| (phase.to_string(), *at);
        explanation.phases = run.phases.iter().map(phase).collect();
        for (place, explained) in explanation.anomalies.iter().enumerate() {
            let anomaly = &explained.anomaly;
            let mut findings = run.artifacts.findings.iter();
            let finding = findings.find(|finding| {
                finding.name == anomaly.name && anomaly.text.starts_with(&finding.text)
            });
            if let Some(finding) = finding.filter(|_| anomaly.events.is_empty()) {
                explanation.moments.insert(place, finding.time);
            }
        }
        explanation
    }

    /// Of a history and what was made of it.
    pub fn of(
        title: String,
        history: &'h History,
        verdict: &Verdict,
        checkers: &[Box<dyn Checker>],
    ) -> Self {
        let anomalies = match verdict {
            Verdict::Invalid(anomalies) => explained(history, anomalies, checkers),
            Verdict::Valid | Verdict::Unknown(_) => Vec::new(),
        };
        let (bands, phases, moments) = (Vec::new(), Vec::new(), BTreeMap::new());
        Explanation { title, history, anomalies, bands, phases, moments }
    }

    /// Writes every file: `file` is told its path and what writes it.
    pub fn files<E>(
        &self,
        mut file: impl FnMut(&str, &dyn Fn(&mut dyn Write) -> io::Result<()>) -> Result<(), E>,
    ) -> Result<(), E> {
        for explained in &self.anomalies {
            let name = |ending: &str| format!("{ANOMALIES}/{}.{ending}", explained.name);
            let words = words::words(explained);
            file(&name("txt"), &|to| to.write_all(words.as_bytes()))?;
            if let Some(cycle) = &explained.cycle {
                file(&name("svg"), &|to| to.write_all(svg::svg(cycle).as_bytes()))?;
            }
            if let Ok(minimal) = &explained.minimal {
                file(&name("jsonl"), &|to| store::write_lines(&minimal.history, to))?;
            }
        }
        file(TIMELINE, &|to| timeline::write(self, to))
    }
}

fn explained(
    history: &History,
    anomalies: &[Anomaly],
    checkers: &[Box<dyn Checker>],
) -> Vec<Explained> {
    let cycles: Vec<(Anomaly, Cycle)> =
        checkers.iter().flat_map(|checker| checker.cycles(history)).collect();
    let wholes: Vec<Whole> =
        checkers.iter().map(|checker| Whole::of(history, checker.as_ref(), anomalies)).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut explained = Vec::new();
    for (place, anomaly) in anomalies.iter().enumerate() {
        let kind = file_name(&anomaly.name);
        let count = counts.entry(kind.clone()).or_default();
        *count += 1;
        let name = format!("{kind}-{count}");
        let cycle = cycles.iter().find(|(of, _)| of == anomaly).map(|(_, cycle)| cycle.clone());
        let whole = wholes.iter().find(|whole| whole.checker().name() == anomaly.found_by);
        let minimal = match whole {
            None => {
                Err(format!("{} judges no history that could be made smaller", anomaly.found_by))
            }
            Some(_) if place >= SMALL_MAX => {
                Err(format!("only the first {SMALL_MAX} anomalies are made small"))
            }
            Some(whole) => smaller(whole, anomaly, cycle.as_ref()),
        };
        let order = whole.zip(minimal.as_ref().ok()).and_then(|(whole, minimal)| {
            let order = whole.checker().order(&minimal.history)?;
            Some(in_whole(order, &minimal.events))
        });
        let words = whole.map(|whole| whole.checker().words());
        explained.push(Explained { anomaly: anomaly.clone(), name, cycle, order, minimal, words });
    }
    explained
}

fn smaller(whole: &Whole, anomaly: &Anomaly, cycle: Option<&Cycle>) -> Result<Minimal, String> {
    let mut events = anomaly.events.clone();
    let places = cycle.map(Cycle::places).unwrap_or_default();
    events.extend(places.iter().map(|place| place.event));
    whole.minimal(anomaly, &events, Budget::ONE)
}

/// With the events that the calls of a smaller history have in the whole.
fn in_whole(mut order: Partial, events: &[usize]) -> Partial {
    let of_calls = order.order.iter_mut().map(|placed| &mut placed.events);
    for event in of_calls.chain([&mut order.stuck]).flatten() {
        *event = events[*event];
    }
    order
}

/// A name as it may be that of a file anywhere.
fn file_name(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(letter).take(60).collect();
    if name.is_empty() { "anomaly".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
