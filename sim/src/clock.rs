//! What nodes and the harness see of time. Virtual time is true time, known only to the harness; a node's wall
//! clock differs from it by an offset of its own, as machines kept by NTP do, and by the jumps that were injected.
//!
//! Cannot do yet: rates. Monotonic clocks all run as virtual time does.

use crate::world::World;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use harness::seed::{Draw, Seed, Stream};
use std::rc::Rc;
use std::time::Duration;

/// 2026-01-01T00:00:00Z, where every run begins.
pub const WALL_START_MS: u64 = 1_767_225_600_000;

/// A machine that NTP keeps is off by at most this much.
const NTP_ERROR_NS: i64 = 50_000_000;

/// The wall clocks of all nodes.
pub(crate) struct WallClocks(Vec<WallClock>);

struct WallClock {
    offset_ns: i64,
    jumped_ms: i64,
    reads: u64,
    /// Injections in force and the number of reads before each.
    jumps: Vec<(usize, u64)>,
}

impl WallClocks {
    pub(crate) fn new(seed: Seed, nodes: u16) -> WallClocks {
        let mut rng = seed.stream(Stream::Params);
        // Far from the swarm choice's own draws.
        rng.set_word_pos(1 << 40);
        let span = 2 * NTP_ERROR_NS as u64 + 1;
        let clock = |offset_ns| WallClock { offset_ns, jumped_ms: 0, reads: 0, jumps: Vec::new() };
        let mut draw = || rng.range(0, span) as i64 - NTP_ERROR_NS;
        WallClocks((0..=nodes).map(|node| clock(if node == 0 { 0 } else { draw() })).collect())
    }

    /// What the node's wall clock shows at virtual time `now`, counted as a read.
    pub(crate) fn read_ms(&mut self, node: u16, now_ns: u64) -> u64 {
        let clock = &mut self.0[usize::from(node)];
        clock.reads += 1;
        let ns = (WALL_START_MS * 1_000_000 + now_ns).saturating_add_signed(clock.offset_ns);
        (ns / 1_000_000).saturating_add_signed(clock.jumped_ms)
    }

    /// Moves a clock, for the injection of this number.
    pub(crate) fn jump(&mut self, node: u16, by_ms: i64, injection: usize) {
        let clock = &mut self.0[usize::from(node)];
        clock.jumped_ms = clock.jumped_ms.saturating_add(by_ms);
        clock.jumps.push((injection, clock.reads));
    }

    /// True time again. Returns, for each jump that was in force, how often the node read its clock meanwhile.
    pub(crate) fn reset(&mut self, node: u16) -> Vec<(usize, u64)> {
        let clock = &mut self.0[usize::from(node)];
        clock.offset_ns = 0;
        clock.jumped_ms = 0;
        let reads = clock.reads;
        clock.jumps.drain(..).map(|(injection, before)| (injection, reads - before)).collect()
    }
}

/// The harness' clock: virtual time since the cluster was set up.
pub struct SimClock(pub(crate) Rc<World>);

impl harness::cluster::Clock for SimClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.since_set_up())
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        self.0.sleep(duration).boxed_local()
    }
}
