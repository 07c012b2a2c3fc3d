//! What a checker of one property finds: anomalies, of each name the first few in words and all of them counted; reasons
//! why too little was tested; and numbers that say how much was.

use super::operations::Operation;
use super::{Anomaly, Checker, Verdict};
use crate::history::History;
use std::collections::BTreeMap;

/// Anomalies of one name that are put into words.
const SHOWN_MAX: usize = 8;

/// What a checker found, and how much it tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    found_by: &'static str,
    anomalies: Vec<Anomaly>,
    counts: BTreeMap<&'static str, usize>,
    reasons: Vec<String>,
    numbers: Vec<(String, i64)>,
}

impl Findings {
    /// Nothing yet.
    pub(super) fn new(found_by: &'static str) -> Findings {
        let (anomalies, counts) = (Vec::new(), BTreeMap::new());
        Findings { found_by, anomalies, counts, reasons: Vec::new(), numbers: Vec::new() }
    }

    /// Nothing, for this reason.
    pub(super) fn unknown(found_by: &'static str, reason: String) -> Findings {
        Findings { reasons: vec![reason], ..Findings::new(found_by) }
    }

    /// Found: a sentence, and the operations that show it.
    pub(super) fn anomaly(
        &mut self,
        history: &History,
        name: &'static str,
        sentence: String,
        shown_by: &[&Operation],
    ) {
        let count = self.counts.entry(name).or_default();
        *count += 1;
        if *count > SHOWN_MAX {
            return;
        }
        let mut text = format!("{name}: {sentence}");
        for operation in shown_by {
            text.push_str(&format!("\n  {}", operation.sentence(history)));
        }
        let mut events: Vec<usize> = shown_by.iter().flat_map(|o| o.events()).collect();
        events.sort_unstable();
        events.dedup();
        let (name, found_by) = (name.to_owned(), self.found_by.to_owned());
        self.anomalies.push(Anomaly { name, found_by, text, events });
    }

    /// Why less was tested than there was to test.
    pub(super) fn reason(&mut self, reason: String) {
        self.reasons.push(reason);
    }

    /// How much of something there was.
    pub(super) fn number(&mut self, name: impl Into<String>, number: impl TryInto<i64>) {
        self.numbers.push((name.into(), number.try_into().unwrap_or(i64::MAX)));
    }

    /// Invalid with an anomaly, else unknown with a reason, else valid.
    pub fn verdict(&self) -> Verdict {
        match (self.anomalies.is_empty(), self.reasons.is_empty()) {
            (false, _) => Verdict::Invalid(self.anomalies.clone()),
            (true, false) => Verdict::Unknown(self.reasons.clone()),
            (true, true) => Verdict::Valid,
        }
    }

    /// How many anomalies there are of each name, those included that are not in words.
    pub fn counts(&self) -> &BTreeMap<&'static str, usize> {
        &self.counts
    }

    /// Why less was tested than there was to test; anomalies stand all the same.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// How much there was of what, in words and in their order.
    pub fn numbers(&self) -> &[(String, i64)] {
        &self.numbers
    }

    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.numbers.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }
}

/// A checker of one property, which says how much it tested.
pub trait Analyse {
    /// The name that anomalies carry in `found_by`, and by which the command line knows it.
    fn name(&self) -> &'static str;
    /// What is in the history; the error is why it cannot be checked, in one sentence.
    fn find(&self, history: &History) -> Result<Findings, String>;
    /// What is in the history. Pure: the same history, the same findings.
    fn analyse(&self, history: &History) -> Findings {
        self.find(history).unwrap_or_else(|reason| Findings::unknown(Analyse::name(self), reason))
    }
    /// What to say to `check` on the command line, but for the file, so that it is this checker.
    fn words(&self) -> String {
        Analyse::name(self).to_owned()
    }
}

impl Analyse for Box<dyn Analyse> {
    fn name(&self) -> &'static str {
        Analyse::name(&**self)
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        (**self).find(history)
    }

    fn words(&self) -> String {
        Analyse::words(&**self)
    }
}

impl<T: Analyse> Checker for T {
    fn name(&self) -> &'static str {
        Analyse::name(self)
    }

    fn check(&self, history: &History) -> Verdict {
        self.analyse(history).verdict()
    }

    fn words(&self) -> String {
        Analyse::words(self)
    }
}
