//! What is tested, the same in both worlds.
//!
//! A [`test::Test`] is a value: a workload (what clients ask), a nemesis (what is broken) and checkers
//! (what must hold). [`run::run`] walks its phases against any [`cluster::Cluster`] and returns a
//! [`history::History`]; [`run::judge`] turns that into a [`checker::Verdict`].
//!
//! ```text
//!   catalog -> Test ─┐
//!                    ├─ run ─ interpreter ─┬─ generator -> Op ─> client ─ bytes ─> Cluster::connect
//!             Seed ──┘                     └─ nemesis -> Fault ─────────────────> Cluster::inject
//!                          History ─> checker -> Verdict -> report, store
//! ```
//!
//! The words are Jepsen's: a *process* is one logical client that asks one *op* at a time; an op is
//! *invoked* and completes *ok* (it happened), *fail* (it did not) or *info* (nobody knows); the *nemesis*
//! injects *faults*; the *history* is all of that in order; a *checker* judges it.
//!
//! Architecture Invariant: this crate knows no madsim, no tokio runtime and no inside of Elastickv. It
//! reads no clock and asks the operating system for no entropy. It starts no thread, but for a check of columns that is
//! asked for by several jobs, outside of any run.

pub mod catalog;
pub mod checker;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod codec;
pub mod columns;
pub mod contract;
pub mod counts;
pub mod coverage;
pub mod decided;
pub mod explain;
pub mod fault;
pub mod generated;
pub mod generator;
pub mod history;
pub mod in_memory;
pub mod interchange;
pub mod interpreter;
pub mod judge;
pub mod locked;
pub mod nemesis;
pub mod op;
pub mod options;
pub mod params;
pub mod plan;
pub mod record;
pub mod recording;
pub mod redis;
pub mod report;
pub mod run;
pub mod seed;
pub mod stats;
pub mod stop;
pub mod store;
pub mod test;
pub mod windows;
pub mod workload;
