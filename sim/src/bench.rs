//! What a simulated minute costs, on one shape that others have measured too.
//!
//! ```text
//!   shape   5 nodes, 10 closed-loop clients on 8 keys, half appends and half reads, links of 1 to 10 ms, syncs of 1 ms,
//!           two random nodes parted from the rest for 2 to 5 s, then 2 to 4 s of peace
//!   raw     Raft alone, with raw appends                     in the world, and on a bare loop of events
//!   whole   the Redis stack, invariants and history          in the world, and without madsim under it
//! ```
//!
//! The floor beside each is the same nodes with less under them: what it costs more is what the simulation costs. Promises:
//! each seed is run on both, one after the other; CPU time is this thread's; with the whole stack both are the same run, and
//! with raw appends nearly as much work (their messages are told). Cannot say: how long a run takes on a busy machine, where CPU time grows, too.

mod floor;
pub mod instructions;
mod raw;
mod shape;
mod whole;

use crate::execute::thread_cpu_ms;
use crate::run::on_fresh_thread;
use harness::seed::Seed;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// Raft and nothing above it.
    Raw,
    /// All of Elastickv, with what watches it.
    Whole,
}

impl Load {
    /// Both.
    pub const ALL: [Load; 2] = [Load::Raw, Load::Whole];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Load::Raw => "raw",
            Load::Whole => "whole",
        }
    }

    /// CPU time that a simulated minute may take, milliseconds.
    pub fn asked_ms(self) -> f64 {
        match self {
            Load::Raw => 200.0,
            Load::Whole => 350.0,
        }
    }
}

/// Times its floor that a world may take.
pub const ASKED_RATIO: f64 = 1.5;

/// On what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The simulated world, as every run has it.
    World,
    /// The least that could carry it.
    Floor,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Datagrams and packets sent.
    pub messages: u64,
    /// Operations that ended well.
    pub operations: u64,
    /// Hash of what happened.
    pub hash: u64,
}

/// What so many simulated seconds cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// Simulated seconds.
    pub simulated_s: f64,
    /// CPU time, milliseconds.
    pub cpu_ms: f64,
    /// Messages sent.
    pub messages: u64,
    /// Operations that ended well.
    pub operations: u64,
}

impl Cost {
    fn add(&mut self, time: Duration, cpu_ms: f64, work: Work) {
        self.simulated_s += time.as_secs_f64();
        self.cpu_ms += cpu_ms;
        self.messages += work.messages;
        self.operations += work.operations;
    }

    /// CPU milliseconds for a simulated minute.
    pub fn ms_per_minute(&self) -> f64 {
        self.cpu_ms * 60.0 / self.simulated_s
    }

    /// CPU microseconds for a message.
    pub fn us_per_message(&self) -> f64 {
        self.cpu_ms * 1000.0 / self.messages as f64
    }

    /// Simulated seconds for a CPU second.
    pub fn speed(&self) -> f64 {
        self.simulated_s * 1000.0 / self.cpu_ms
    }
}

/// What a load costs in the world and on its floor, over these seeds. `done` is told after each.
pub fn measure(
    load: Load,
    time: Duration,
    seeds: impl Iterator<Item = Seed>,
    mut done: impl FnMut(Seed),
) -> [Cost; 2] {
    let mut costs = [Cost::default(); 2];
    for seed in seeds {
        let runs = [Ground::World, Ground::Floor].map(|ground| timed(load, ground, time, seed));
        let [(_, world), (_, floor)] = runs;
        assert!(load == Load::Raw || world == floor, "the same run: {world:?} and {floor:?}");
        for (cost, (cpu_ms, work)) in costs.iter_mut().zip(runs) {
            cost.add(time, cpu_ms, work);
        }
        done(seed);
    }
    costs
}

/// CPU milliseconds of one run, and what it did.
pub fn timed(load: Load, ground: Ground, time: Duration, seed: Seed) -> (f64, Work) {
    on_fresh_thread(move || {
        let before = thread_cpu_ms();
        let work = match (load, ground) {
            (Load::Raw, Ground::World) => raw::run(seed, time),
            (Load::Raw, Ground::Floor) => floor::run(seed, time),
            (Load::Whole, ground) => whole::run(seed, time, ground),
        };
        (thread_cpu_ms() - before, work)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[test]
    fn a_seed_is_the_same_work_again_and_the_whole_stack_without_madsim_the_same_run() {
        let done = |load, ground| timed(load, ground, TIME, Seed(1)).1;
        for load in Load::ALL {
            let world = done(load, Ground::World);
            assert!(world.messages > 10_000 && world.operations > 500, "{load:?}: {world:?}");
            assert_eq!(world, done(load, Ground::World), "{load:?}");
        }
        assert_eq!(done(Load::Whole, Ground::World), done(Load::Whole, Ground::Floor));
        let (world, floor) = (done(Load::Raw, Ground::World), done(Load::Raw, Ground::Floor));
        let apart = world.messages.abs_diff(floor.messages);
        assert!(apart * 10 < floor.messages, "as much work: {world:?} and {floor:?}");
    }

    #[test]
    fn figures_are_of_a_minute_a_message_and_a_second() {
        let mut cost = Cost::default();
        let work = Work { messages: 1000, operations: 50, hash: 0 };
        cost.add(Duration::from_secs(30), 100.0, work);
        cost.add(Duration::from_secs(30), 300.0, work);
        assert_eq!(cost.ms_per_minute(), 400.0);
        assert_eq!(cost.us_per_message(), 200.0);
        assert_eq!(cost.speed(), 150.0);
        assert_eq!(cost.operations, 100);
    }
}
