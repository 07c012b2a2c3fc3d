//! One run of the simulation in one line: [`harness::record`] with the trace hash and the command that replays it.

use crate::execute::{Case, Outcome};
use elastickv::bug::Bug;
use harness::store::World;

pub use harness::record::{Ending, Record};

/// A trace hash as it is written everywhere.
pub fn hash_text(hash: u64) -> String {
    format!("{hash:#018x}")
}

/// The command that runs a case again.
pub fn replay_line(case: &Case) -> String {
    format!("cargo sim replay {}", case.words().join(" "))
}

/// Of a run that is over.
pub fn of(outcome: &Outcome) -> Record {
    let Outcome { case, run, judgement, cpu_ms } = outcome;
    let trace_hash = Some(hash_text(run.artifacts.trace_hash));
    Record { trace_hash, ..blank(case).judged(run, judgement, *cpu_ms) }
}

/// Of a run that our own tool or the environment made impossible.
pub fn error(case: &Case, sentence: String) -> Record {
    blank(case).failed(sentence)
}

fn blank(case: &Case) -> Record {
    let bug = case.bug.map(Bug::name).map(str::to_owned);
    Record::new(World::Simulated, case.test.name, case.seed, bug, replay_line(case))
}
