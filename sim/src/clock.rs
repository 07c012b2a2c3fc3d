//! What nodes and the harness see of time. Virtual time is true time, known only to the harness; a node's wall
//! clock differs from it by an offset of its own, as machines kept by NTP do, and by what was injected: jumps, leaps, a strobe,
//! a drift (a clock that stands still is one). Monotonic clocks are in `clock/monotonic.rs`.

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

const MS: u64 = 1_000_000;

mod monotonic;

pub(crate) use monotonic::MonotonicClocks;

/// The wall clocks of all nodes.
pub(crate) struct WallClocks(Vec<WallClock>);

#[derive(Clone, Default)]
struct WallClock {
    offset_ns: i64,
    jumped_ms: i64,
    reads: u64,
    /// Injections in force and the number of reads before each.
    jumps: Vec<(usize, u64)>,
    strobe: Option<Strobe>,
    drift: Option<Drift>,
    /// Gained by drifts whose place another took.
    drifted_ns: i64,
    /// Strobes and drifts whose place another took, and the reads that they changed.
    replaced: Vec<Changed>,
}

/// An injection and the number of reads that it changed.
pub(crate) type Changed = (usize, u64);

#[derive(Clone)]
struct Strobe {
    delta_ms: i64,
    period_ns: u64,
    since: u64,
    changed: Changed,
}

#[derive(Clone)]
struct Drift {
    ppm: i32,
    since: u64,
    changed: Changed,
}

impl Strobe {
    /// What it adds at that time: its delta in the first period and in every other one after it.
    fn adds_ms(&self, now_ns: u64) -> i64 {
        let periods = (now_ns - self.since) / self.period_ns;
        if periods.is_multiple_of(2) { self.delta_ms } else { 0 }
    }
}

impl Drift {
    fn gained_ns(&self, now_ns: u64) -> i64 {
        (i128::from(now_ns - self.since) * i128::from(self.ppm) / 1_000_000) as i64
    }
}

impl WallClock {
    fn kept_by_ntp(offset_ns: i64) -> WallClock {
        WallClock { offset_ns, ..WallClock::default() }
    }

    fn changed(&self) -> Vec<Changed> {
        let jump = |(injection, before): &(usize, u64)| (*injection, self.reads - before);
        let strobe = self.strobe.iter().map(|strobe| strobe.changed);
        let drift = self.drift.iter().map(|drift| drift.changed);
        let replaced = self.replaced.iter().copied();
        self.jumps.iter().map(jump).chain(replaced).chain(strobe).chain(drift).collect()
    }

    fn read_ms(&mut self, now_ns: u64) -> u64 {
        self.reads += 1;
        let offset_ns = self.offset_ns.saturating_add(self.drifted_ns);
        let ms = |gained_ns: i64| {
            let ns = WALL_START_MS * MS + now_ns;
            ns.saturating_add_signed(offset_ns.saturating_add(gained_ns)) / MS
        };
        let mut shows = ms(0);
        if let Some(drift) = &mut self.drift {
            let drifted = ms(drift.gained_ns(now_ns));
            drift.changed.1 += u64::from(drifted != shows);
            shows = drifted;
        }
        if let Some(strobe) = &mut self.strobe {
            let adds_ms = strobe.adds_ms(now_ns);
            strobe.changed.1 += u64::from(adds_ms != 0);
            shows = shows.saturating_add_signed(adds_ms);
        }
        shows.saturating_add_signed(self.jumped_ms)
    }
}

impl WallClocks {
    pub(crate) fn new(seed: Seed, nodes: u16) -> WallClocks {
        let mut rng = seed.stream(Stream::Params);
        // Far from the swarm choice's own draws.
        rng.set_word_pos(1 << 40);
        let span = 2 * NTP_ERROR_NS as u64 + 1;
        let mut draw = || rng.range(0, span) as i64 - NTP_ERROR_NS;
        let offsets = (0..=nodes).map(|node| if node == 0 { 0 } else { draw() });
        WallClocks(offsets.map(WallClock::kept_by_ntp).collect())
    }

    /// What the node's wall clock shows at virtual time `now`, counted as a read.
    pub(crate) fn read_ms(&mut self, node: u16, now_ns: u64) -> u64 {
        self.0[usize::from(node)].read_ms(now_ns)
    }

    /// How far the node's wall clock is from true time, milliseconds. Nobody reads it: faults do not act by it.
    pub(crate) fn offset_ms(&self, node: u16, now_ns: u64) -> i64 {
        self.0[usize::from(node)].clone().read_ms(now_ns) as i64
            - ((WALL_START_MS * MS + now_ns) / MS) as i64
    }

    /// Moves a clock, for the injection of this number.
    pub(crate) fn jump(&mut self, node: u16, by_ms: i64, injection: usize) {
        let clock = &mut self.0[usize::from(node)];
        clock.jumped_ms = clock.jumped_ms.saturating_add(by_ms);
        clock.jumps.push((injection, clock.reads));
    }

    /// Lets a clock alternate from now on, so and no longer otherwise, for the injection of this number.
    pub(crate) fn strobe(
        &mut self,
        node: u16,
        delta_ms: i64,
        period_ms: u32,
        now_ns: u64,
        injection: usize,
    ) {
        let clock = &mut self.0[usize::from(node)];
        let period_ns = u64::from(period_ms.max(1)) * MS;
        let strobe = Strobe { delta_ms, period_ns, since: now_ns, changed: (injection, 0) };
        let before = clock.strobe.replace(strobe);
        clock.replaced.extend(before.map(|strobe| strobe.changed));
    }

    /// Lets a clock gain or lose from now on, so and no longer otherwise, for the injection of this number. What it has gained
    /// it keeps.
    pub(crate) fn drift(&mut self, node: u16, ppm: i32, now_ns: u64, injection: usize) {
        let clock = &mut self.0[usize::from(node)];
        let drift = Drift { ppm, since: now_ns, changed: (injection, 0) };
        if let Some(before) = clock.drift.replace(drift) {
            clock.drifted_ns = clock.drifted_ns.saturating_add(before.gained_ns(now_ns));
            clock.replaced.push(before.changed);
        }
    }

    /// True time again. Returns, for each injection that was in force, how many reads of the clock it changed.
    pub(crate) fn reset(&mut self, node: u16) -> Vec<Changed> {
        let clock = &mut self.0[usize::from(node)];
        let changed = clock.changed();
        *clock = WallClock { reads: clock.reads, ..WallClock::default() };
        changed
    }

    /// For each injection in force, how many reads it has changed so far.
    pub(crate) fn changed(&self) -> Vec<Changed> {
        self.0.iter().flat_map(WallClock::changed).collect()
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
