//! The rules in force between all parties, and how often they acted: what every connection looks at.
//!
//! A path is one direction of a link; clients are one party, so they share their paths. It lives on the
//! thread of the proxies; only [`Effects`] are read from elsewhere.

use super::block::{Block, Party};
use crate::effects::Effects;
use harness::cluster::NodeId;
use harness::seed::{Draw, Seed, Stream};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes that one read may take.
const SCRATCH_BYTES: usize = 256 << 10;

/// How much longer what leaves a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowness {
    /// At least.
    pub delay_ms: u32,
    /// Up to so much more, uniform.
    pub jitter_ms: u32,
}

/// One direction between two parties.
#[derive(Default)]
pub(super) struct Path {
    /// Nothing passes, because of this injection.
    pub(super) cut: Cell<Option<usize>>,
    /// All that passes takes longer, because of this injection.
    pub(super) slow: Cell<Option<(Slowness, usize)>>,
}

/// All paths, and what their connections share.
pub(super) struct Fabric {
    paths: BTreeMap<(Party, Party), Rc<Path>>,
    /// Tells every connection that a rule has changed.
    pub(super) changed: Notify,
    pub(super) effects: Arc<Effects>,
    /// Where reads go first; nothing stays in it between two polls.
    pub(super) scratch: RefCell<Box<[u8]>>,
    jitter: RefCell<Box<dyn FnMut(u64) -> u64>>,
}

impl Fabric {
    pub(super) fn new(block: &Block, seed: Seed, effects: Arc<Effects>) -> Fabric {
        let mut paths = BTreeMap::new();
        for node in block.nodes() {
            for from in block.sources(node) {
                paths.insert((from, Party::Node(node)), Rc::default());
                paths.entry((Party::Node(node), from)).or_default();
            }
        }
        let mut rng = seed.stream(Stream::Net);
        Fabric {
            paths,
            changed: Notify::new(),
            effects,
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            jitter: RefCell::new(Box::new(move |most| rng.range(0, most + 1))),
        }
    }

    pub(super) fn path(&self, from: Party, to: Party) -> Rc<Path> {
        Rc::clone(&self.paths[&(from, to)])
    }

    /// Whether something is cut between two parties, in either direction.
    pub(super) fn parted(&self, one: Party, other: Party) -> bool {
        [(one, other), (other, one)].iter().any(|pair| self.paths[pair].cut.get().is_some())
    }

    /// These paths are cut and no others. What names no path of this cluster was refused before.
    pub(super) fn cut(&self, cuts: &[(NodeId, NodeId)], injection: usize) {
        self.paths.values().for_each(|path| path.cut.set(None));
        for (from, to) in cuts {
            if let Some(path) = self.paths.get(&(Party::Node(*from), Party::Node(*to))) {
                path.cut.set(Some(injection));
            }
        }
    }

    /// What leaves these nodes is slow, and nothing else is.
    pub(super) fn slow(&self, nodes: &[NodeId], slowness: Slowness, injection: usize) {
        for ((from, _), path) in &self.paths {
            let slowed = nodes.iter().any(|node| *from == Party::Node(*node));
            path.slow.set(slowed.then_some((slowness, injection)));
        }
    }

    /// How long what enters a path now is under way, beyond what the machine takes. A delay counts as an effect.
    pub(super) fn delay(&self, path: &Path) -> Option<Duration> {
        let (Slowness { delay_ms, jitter_ms }, injection) = path.slow.get()?;
        self.effects.acted(injection, 1);
        let jitter = (self.jitter.borrow_mut())(u64::from(jitter_ms) * 1_000);
        Some(Duration::from_millis(delay_ms.into()) + Duration::from_micros(jitter))
    }
}
