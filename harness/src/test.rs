//! A test as a value: what clients ask, what is broken, what must hold. The same value runs in both worlds.

use crate::checker::Checker;
use crate::client::Dial;
use crate::options::Options;
use crate::workload::Workload;

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
