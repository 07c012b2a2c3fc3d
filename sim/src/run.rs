//! One run: a fresh thread, a fresh madsim runtime, a fresh world, and nothing left of them afterwards.
//!
//! A fresh thread because per-thread state of libraries (hash keys, thread generators) must not carry from one run to
//! the next; see DESIGN decision 9.

use crate::cluster::{Guest, SimCluster};
use crate::params::WorldParams;
use crate::tasks;
use crate::world;
use harness::seed::{Seed, Stream};
use rand_chacha::rand_core::Rng;
use std::future::Future;
use std::rc::Rc;

/// Runs `f` on a thread of its own and returns its value; a panic of `f` goes on in the caller.
pub fn on_fresh_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    #[expect(clippy::disallowed_methods, reason = "every run gets a fresh thread")]
    let thread = std::thread::spawn(f);
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs `body` against a simulated cluster of `nodes` nodes on a fresh thread. The body sets the cluster up; if it
/// does not tear it down, that is done for it.
pub fn simulate<T, G, B, F>(seed: Seed, params: WorldParams, nodes: u16, guest: G, body: B) -> T
where
    T: Send + 'static,
    G: FnOnce() -> Rc<dyn Guest> + Send + 'static,
    B: FnOnce(Rc<SimCluster>) -> F + Send + 'static,
    F: Future<Output = T>,
{
    on_fresh_thread(move || simulate_here(seed, params, nodes, guest(), body))
}

/// [`simulate`] on this thread: for callers that already are on a fresh one.
pub fn simulate_here<T, B, F>(
    seed: Seed,
    params: WorldParams,
    nodes: u16,
    guest: Rc<dyn Guest>,
    body: B,
) -> T
where
    B: FnOnce(Rc<SimCluster>) -> F,
    F: Future<Output = T>,
{
    let scheduler = seed.stream(Stream::Scheduler).next_u64();
    let runtime =
        madsim::runtime::Runtime::with_seed_and_config(scheduler, madsim::Config::default());
    runtime.block_on(async move { simulate_bare(seed, params, nodes, guest, body) })
}

/// [`simulate_here`] with no madsim runtime around it: libraries see the machine's clock and entropy. Only to measure what a
/// runtime costs.
pub(crate) fn simulate_bare<T, B, F>(
    seed: Seed,
    params: WorldParams,
    nodes: u16,
    guest: Rc<dyn Guest>,
    body: B,
) -> T
where
    B: FnOnce(Rc<SimCluster>) -> F,
    F: Future<Output = T>,
{
    let cluster = Rc::new(SimCluster::new(seed, params, nodes, guest));
    let value = tasks::run(&cluster.world, body(cluster.clone()));
    cluster.stop();
    world::leave();
    value
}
