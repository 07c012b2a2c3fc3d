//! A test as a value: what clients ask, what is broken, what must hold. The same value runs in both worlds.

use crate::checker::Checker;
use crate::checker::linearizable::streaming::StreamingCalls;
use crate::checker::list_append::streaming::StreamingLists;
use crate::checker::streaming::Streaming;
use crate::client::Dial;
use crate::options::{Options, Until};
use crate::workload::Workload;
use crate::workload::transactions::Alphabet;

/// What must hold: made afresh for each judgement.
pub type Checkers = fn() -> Vec<Box<dyn Checker>>;

/// A test. Its options say the rest.
#[derive(Clone)]
pub struct Test {
    /// Its name on the command line and in the store.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// What the options are if nobody says otherwise: size, rate, length, faults, shape of the workload.
    pub defaults: Options,
    /// What clients ask.
    pub workload: Workload,
    /// The protocol of the server under test.
    pub dial: Dial,
    /// Its judges.
    pub checkers: Checkers,
}

impl Test {
    /// A judge for while the run goes on, where there is one for what its clients ask.
    pub fn streaming(&self) -> Option<Box<dyn Streaming>> {
        match self.workload {
            Workload::Transactions(Alphabet::Lists) => Some(Box::new(StreamingLists::default())),
            Workload::Calls(object) => {
                let calls = StreamingCalls::of(object).ok()?;
                Some(Box::new(calls))
            }
            _ => None,
        }
    }

    /// That its runs go on to the end of their time, though they are to end at an anomaly: a sentence, where it is so.
    pub fn unwatched(&self, options: &Options) -> Option<String> {
        (options.until == Until::Anomaly && self.streaming().is_none()).then(|| {
            let name = self.name;
            format!(
                "{name} has no checker that sees a run while it goes on: each lasts its whole time"
            )
        })
    }
}
