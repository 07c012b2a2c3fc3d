//! Sometimes: everything that some run of many can reach, whoever counts it: the layers, the simulated world, the harness.
//! A sweep says at its end which of it no run reached.
//!
//! What a sweep is too small without is said in [`crate::sweep::MARKS`]; here is all of it, also what only some options allow.
//! Not in it: rare branches, and what only a planted bug reaches.

use crate::steps;

/// Every mark that the world counts, in order.
pub const OF_THE_WORLD: &[&str] = &[
    "all nodes down at once",
    "another led while the leader was paused",
    "connections reset from outside",
    "damaged disk refused",
    "datagrams damaged",
    "datagrams doubled",
    "datagrams dropped by a full inbox",
    "datagrams lost",
    "datagrams sent",
    "disk call failed",
    "disk wiped",
    "held datagrams dropped",
    "node not rebuilt from a disk that is lost",
    "node rebuilt from its disk",
    "node stopped by its disk",
    "older disk swapped back",
    "packets damaged",
    "packets lost",
    "packets retransmitted",
    "packets vanished",
    "power cut lost unsynced changes",
    "read cut short",
    "sync that lied",
];

/// All marks, of whoever counts them; those of processes that end from inside are with their steps.
pub fn all() -> impl Iterator<Item = &'static str> {
    let lists = [elastickv::marks::ALL, OF_THE_WORLD, harness::coverage::seen::ALL];
    lists.into_iter().flatten().copied().chain(steps::marks())
}
