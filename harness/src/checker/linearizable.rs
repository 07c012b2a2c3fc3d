//! Linearizability of single objects: registers, counters, sets, queues, lists, maps, sorted sets. Every call must seem to
//! take effect at one moment between its invocation and its answer.
//!
//! Promises:
//! - exact: what is called invalid has no order that explains it, and what is called valid has one;
//! - the verdict is a function of the history alone: no timeout decides, and the caps count configurations;
//! - what was capped, or never tested, is `Unknown`.
//!
//! Every key is an object of its own, and so are the elements of a set, the fields of a map and the members of a sorted set
//! of which only single ones were asked (`parts`). What is asked so that every value is there once is judged near-linear,
//! however much is open at once: registers without compare-and-set (`zones`), sets from which nothing is removed (`sets`),
//! queues (`queues`), and counters that only rise and tell every sum (`counters`). Of other registers and queues, changes of
//! unknown outcome that left no trace are left out first (`unread`). Everything else is searched (`search`): linear in the length of
//! the history, exponential in how many changes are open at once.
//!
//! Differs from Jepsen's Knossos by nothing in the default reading: what failed never happened. Porcupine reads a failed
//! compare-and-set as an observation that the register held something else: [`FailedCas::Observed`].
//!
//! Cannot see: what spans several objects, and what a server answered to nobody.

mod bags;
mod broad;
mod calls;
mod clash;
mod counters;
mod course;
mod deep;
mod frontier;
mod grown;
pub mod model;
mod open;
mod orders;
mod partial;
mod parts;
mod queues;
mod search;
mod sets;
mod space;
pub mod streaming;
mod table;
mod trace;
mod unread;
mod watched;
mod words;
mod zones;

pub use calls::Coverage;
pub use partial::{Partial, Placed};
pub use search::{Capped, CappedDeep, Caps, Found, Operation, Stuck, search};

use super::{Anomaly, Checker, Verdict};
use crate::history::History;
use crate::op::Object;
use calls::One;
use model::{Counter, Map, Mixed, Register, Sequence, Set, Stream, TtlRegister, Zset};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use words::{Told, Words};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "linearizable";
/// The name of the only anomaly there is.
pub const NONLINEARIZABLE: &str = "nonlinearizable";

/// So many objects that are not linearizable are put into words.
const SHOWN_MAX: usize = 8;

/// What a compare-and-set says that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedCas {
    /// Nothing: it did not happen (Jepsen).
    #[default]
    Dropped,
    /// That the register held something else than it asked for (Porcupine).
    Observed,
}

impl FromStr for FailedCas {
    type Err = String;

    fn from_str(text: &str) -> Result<FailedCas, String> {
        match text {
            "dropped" => Ok(FailedCas::Dropped),
            "observed" => Ok(FailedCas::Observed),
            _ => Err(format!("`{text}` is not a reading of a failed cas: dropped or observed")),
        }
    }
}

/// Checks the calls of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linearizable {
    /// What they are calls of.
    pub object: Object,
    /// How failed compare-and-sets are read.
    pub failed_cas: FailedCas,
    /// When to give up.
    pub caps: Caps,
}

impl Linearizable {
    /// In Jepsen's reading, with the usual caps.
    pub fn of(object: Object) -> Linearizable {
        Linearizable { object, failed_cas: FailedCas::default(), caps: Caps::default() }
    }

    /// Checks a history and says how much it tested.
    pub fn analyse(&self, history: &History) -> Report {
        let (objects, coverage) = match self.objects(history) {
            Ok(read) => read,
            Err(reason) => return Report::unknown(reason),
        };
        let mut report =
            Report { verdict: Verdict::Valid, wrong: 0, undecided: 0, unsearched: 0, coverage };
        for one in objects {
            self.judge(history, &one, &mut report);
        }
        let nothing_told = report.coverage.told == 0;
        if nothing_told && report.verdict == Verdict::Valid {
            report.verdict = Verdict::Unknown(vec![coverage.too_little()]);
        }
        report
    }

    /// The objects of a history as they are judged, one by one, and how much there is of it.
    fn objects<'h>(
        &self,
        history: &'h History,
    ) -> Result<(impl Iterator<Item = One<'h>> + use<'h>, Coverage), String> {
        let object = self.object;
        let (objects, coverage) = calls::read(history, object, self.failed_cas)?;
        let parts = objects.into_iter().flat_map(move |one| parts::split(object, one));
        let left = parts.map(move |mut one| {
            unread::leave_out(object, &mut one);
            one
        });
        Ok((left, coverage))
    }

    fn judge(&self, history: &History, one: &One, report: &mut Report) {
        let words = Words { history, object: self.object, one };
        let told = match self.unsearched(&words) {
            Some(told) => {
                report.unsearched += 1;
                told
            }
            None => match self.search(one) {
                Found::Linearizable => None,
                Found::Stuck(stuck) => Some(words.stuck(&stuck)),
                Found::Capped(capped) => return report.undecided(words.capped(&capped)),
            },
        };
        if let Some(told) = told {
            report.wrong(told);
        }
    }

    /// What is wrong, if anything, where it can be said without a search.
    fn unsearched(&self, words: &Words) -> Option<Option<Told>> {
        let operations = &words.one.operations[..];
        let judged = match self.object {
            Object::Register | Object::CasRegister => {
                let judged = zones::judge(operations)?;
                return Some(judged.err().map(|contradiction| words.contradiction(&contradiction)));
            }
            Object::Counter => counters::judge(operations)?,
            Object::Set => sets::judge(operations)?,
            Object::Queue | Object::List => queues::judge(operations)?,
            _ => return None,
        };
        Some(judged.err().map(|clash| words.clash(&clash)))
    }

    fn search(&self, one: &One) -> Found {
        let operations = &one.operations[..];
        match self.object {
            Object::Register | Object::CasRegister => search(&Register, operations, &self.caps),
            Object::Counter => search(&Counter, operations, &self.caps),
            Object::Set => search(&Set, operations, &self.caps),
            Object::Queue | Object::List => search(&Sequence, operations, &self.caps),
            Object::Stream => {
                let asked = operations.iter().map(|operation| operation.what);
                search(&Stream::of(asked), operations, &self.caps)
            }
            Object::Map => search(&Map, operations, &self.caps),
            Object::Zset => search(&Zset, operations, &self.caps),
            Object::TtlRegister => search(&TtlRegister, operations, &self.caps),
            Object::Mixed => search(&Mixed, operations, &self.caps),
        }
    }
}

impl Checker for Linearizable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History) -> Verdict {
        self.analyse(history).verdict
    }

    fn order(&self, history: &History) -> Option<Partial> {
        partial::of(self, history)
    }

    fn words(&self) -> String {
        match self.failed_cas {
            FailedCas::Dropped => self.object.name().to_owned(),
            FailedCas::Observed => format!("{} --failed-cas observed", self.object),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict, with the first few objects that are not linearizable.
    pub verdict: Verdict,
    /// Objects and parts of objects that are not linearizable.
    pub wrong: usize,
    /// Objects and parts of objects at which the search gave up.
    pub undecided: usize,
    /// Objects and parts of objects that were judged without a search.
    pub unsearched: usize,
    /// How much was tested.
    pub coverage: Coverage,
}

impl Report {
    fn unknown(reason: String) -> Report {
        let verdict = Verdict::Unknown(vec![reason]);
        Report { verdict, wrong: 0, undecided: 0, unsearched: 0, coverage: Coverage::default() }
    }

    fn wrong(&mut self, told: Told) {
        self.wrong += 1;
        if self.wrong <= SHOWN_MAX {
            let Told { text, events } = told;
            let (name, found_by) = (NONLINEARIZABLE.to_owned(), NAME.to_owned());
            self.merge(Verdict::Invalid(vec![Anomaly { name, found_by, text, events }]));
        }
    }

    fn undecided(&mut self, reason: String) {
        self.undecided += 1;
        if self.undecided <= SHOWN_MAX {
            self.merge(Verdict::Unknown(vec![reason]));
        }
    }

    fn merge(&mut self, verdict: Verdict) {
        let before = std::mem::replace(&mut self.verdict, Verdict::Valid);
        self.verdict = before.merge(verdict);
    }
}

impl Coverage {
    fn too_little(&self) -> String {
        let Coverage { keys, ok, failed, unknown, .. } = self;
        format!(
            "no call was answered anything about its object ({ok} ok, {failed} failed, {unknown} unknown, over \
             {keys} keys): too little was tested to say more"
        )
    }
}
