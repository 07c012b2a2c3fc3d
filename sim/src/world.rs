//! One run's world: everything that nodes share and that is not code of theirs. Reached through a thread-local, so that it
//! needs no owner among the nodes' futures and goes away with the run.
//!
//! Each part has its own borrow and none is held across a call into a guest. Numbering: host 0 is the clients' machine,
//! hosts 1.. are the nodes.

use crate::clock::{MonotonicClocks, WallClocks};
use crate::cluster::Guest;
use crate::disk::NodeDisk;
use crate::env::SimEnv;
use crate::host::{Down, Host};
use crate::invariants::{DiskView, Invariant, Sent};
use crate::net::Net;
use crate::observe::{Seen, Watcher};
use crate::observer;
use crate::params::WorldParams;
use crate::progress::Progress;
use crate::rare::Rare;
use crate::steps::Fuse;
use crate::stream::Streams;
use crate::tasks::Tasks;
use crate::timers::{Event, Sleep, Timers};
use crate::trace::{Kind, Trace};
use bytes::Bytes;
use elastickv::env::{Draw, Fact, GroupId, Lane};
use elastickv::group;
use harness::cluster::Finding;
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// More findings say nothing that these do not.
const FINDINGS_MAX: usize = 5;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// This thread's world, if a run is on.
pub(crate) fn get() -> Option<Rc<World>> {
    WORLD.try_with(|world| world.borrow().clone()).ok().flatten()
}

/// Asks this thread's world something, if a run is on. Cheaper than a handle on it.
pub(crate) fn with<T>(ask: impl FnOnce(&World) -> T) -> Option<T> {
    WORLD.try_with(|world| world.borrow().as_deref().map(ask)).ok().flatten()
}

pub(crate) fn enter(world: &Rc<World>) {
    let before = WORLD.replace(Some(world.clone()));
    assert!(before.is_none(), "two runs on one thread at once");
}

pub(crate) fn leave() {
    drop(WORLD.take());
}

/// Worlds of this process that are gone: with the number of runs, whether a run leaks its world.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The world of one run.
pub struct World {
    pub(crate) seed: Seed,
    pub(crate) params: WorldParams,
    pub(crate) guest: RefCell<Option<Rc<dyn Guest>>>,
    pub(crate) timers: Timers,
    pub(crate) tasks: Tasks,
    pub(crate) hosts: RefCell<Vec<Host>>,
    pub(crate) net: RefCell<Net>,
    pub(crate) streams: RefCell<Streams>,
    pub(crate) disks: Vec<RefCell<NodeDisk>>,
    pub(crate) wall: RefCell<WallClocks>,
    /// What writes the run down for people, if anybody asked.
    pub(crate) watcher: OnceCell<Watcher>,
    pub(crate) monotonic: MonotonicClocks,
    pub(crate) fuses: Vec<Fuse>,
    trace: RefCell<Trace>,
    draws: RefCell<Vec<NodeDraws>>,
    rare: RefCell<Rare>,
    invariants: RefCell<Vec<Watch>>,
    watches_sends: Cell<bool>,
    findings: RefCell<Vec<Finding>>,
    progress: RefCell<Progress>,
    counters: RefCell<BTreeMap<&'static str, u64>>,
    /// Datagrams sent, which each message raises: beside the others, where only the first is counted.
    pub(crate) datagrams: Cell<u64>,
    effects: RefCell<Vec<u64>>,
    set_up_at: Cell<u64>,
    /// Nodes have several groups, so a message says which it is for.
    pub(crate) is_sharded: bool,
}

/// The streams of one node.
struct NodeDraws {
    election: ChaCha8Rng,
    backoff: ChaCha8Rng,
    stall: ChaCha8Rng,
}

struct Watch {
    group: GroupId,
    invariant: Box<dyn Invariant>,
    /// Whether it is told of datagrams.
    sends: bool,
    broken: bool,
}

impl World {
    pub(crate) fn new(seed: Seed, params: WorldParams, nodes: u16, guest: Rc<dyn Guest>) -> World {
        let disk = |node| NodeDisk::new(seed, node, params.lifts_disk_bound);
        World {
            seed,
            is_sharded: guest.groups().len() > 1,
            guest: RefCell::new(Some(guest)),
            timers: Timers::new(),
            tasks: Tasks::new(seed, usize::from(nodes) + 1),
            hosts: RefCell::new((0..=nodes).map(|_| Host::default()).collect()),
            net: RefCell::new(Net::new(seed, nodes, &params.overrides)),
            streams: RefCell::default(),
            disks: (0..=nodes).map(|node| RefCell::new(disk(node))).collect(),
            wall: RefCell::new(WallClocks::new(seed, nodes)),
            watcher: OnceCell::new(),
            monotonic: MonotonicClocks::new(nodes),
            fuses: (0..=nodes).map(|_| Fuse::default()).collect(),
            trace: RefCell::new(Trace::new(params.record)),
            draws: RefCell::new((0..=nodes).map(|node| NodeDraws::new(seed, node)).collect()),
            rare: RefCell::default(),
            watches_sends: Cell::new(false),
            invariants: RefCell::default(),
            findings: RefCell::default(),
            progress: RefCell::default(),
            counters: RefCell::default(),
            datagrams: Cell::default(),
            effects: RefCell::default(),
            set_up_at: Cell::new(0),
            params,
        }
    }

    /// Virtual nanoseconds since the run began: true time.
    pub(crate) fn now(&self) -> u64 {
        self.timers.now()
    }

    pub(crate) fn begin(&self) {
        self.set_up_at.set(self.now());
    }

    pub(crate) fn since_set_up(&self) -> u64 {
        self.now() - self.set_up_at.get()
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::after(0, self.now(), duration)
    }

    /// All that is due happens.
    pub(crate) fn fire_due(&self) {
        while let Some(event) = self.timers.due() {
            self.fire(event);
        }
    }

    fn fire(&self, event: Event) {
        self.look();
        match event {
            Event::Wake(_, waker) => waker.wake(),
            Event::Frame(frame) => self.deliver(frame),
            Event::Packet(packet) => self.packet(packet),
            Event::Retry(retry) => self.retry(retry),
            Event::Synced(synced) => self.end_sync(synced),
        }
    }

    /// Folds an event into the run's hash.
    pub(crate) fn event(&self, node: u16, kind: Kind, words: &[u64], bytes: &[u8]) {
        self.trace.borrow_mut().event(self.now(), node, kind, words, bytes);
    }

    /// Adds words to the event just folded, for people who look at events.
    pub(crate) fn annotate(&self, words: impl FnOnce() -> String) {
        self.trace.borrow_mut().annotate(words);
    }

    /// The run's trace so far.
    pub fn trace(&self) -> Ref<'_, Trace> {
        self.trace.borrow()
    }

    /// A node touched something.
    pub(crate) fn reached(&self, node: u16, mark: &'static str) {
        self.event(node, Kind::Mark, &[], mark.as_bytes());
        self.see(|| Seen::Mark { node, mark });
        self.count(mark);
    }

    pub(crate) fn count(&self, mark: &'static str) {
        *self.counters.borrow_mut().entry(mark).or_insert(0) += 1;
    }

    /// Datagrams and packets that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.net.borrow().sent()
    }

    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.borrow();
        let mut all: BTreeMap<String, u64> =
            counters.iter().map(|(mark, count)| (mark.to_string(), *count)).collect();
        all.entry("datagrams sent".to_owned()).and_modify(|sent| *sent = self.datagrams.get());
        all
    }

    /// A fault begins; its number is its place in the artifacts' effects.
    pub(crate) fn injection(&self) -> usize {
        let mut effects = self.effects.borrow_mut();
        effects.push(0);
        effects.len() - 1
    }

    /// A fault acted so many times more.
    pub(crate) fn acted(&self, injection: usize, times: u64) {
        self.effects.borrow_mut()[injection] += times;
    }

    /// Whether a fault has acted so far.
    pub(crate) fn has_acted(&self, injection: usize) -> bool {
        self.effects.borrow()[injection] > 0
    }

    pub(crate) fn effects(&self) -> Vec<u64> {
        self.effects.borrow().clone()
    }

    /// Whether this boot of this node is the one that runs.
    pub(crate) fn is_alive(&self, node: u16, boot: u64) -> bool {
        let host = &self.hosts.borrow()[usize::from(node)];
        host.up && host.boot == boot
    }

    /// A guest's own mistake: it panics where it was made.
    pub(crate) fn check_node(&self, node: u16) {
        let nodes = self.disks.len() - 1;
        let known = (1..=nodes).contains(&usize::from(node));
        assert!(known, "node n{node} is not in this cluster (n1..n{nodes})");
    }

    /// The process of the node's next boot starts, and the guest's main function in it.
    pub(crate) fn launch(&self, node: u16) {
        let env = self.start(node);
        let guest = self.guest.borrow().clone();
        // The guest's own code runs under `run` from its first line: a panic there is a finding.
        let main = env.run(async move {
            if let Some(guest) = guest {
                guest.boot(env).await;
            }
        });
        self.tasks.spawn(node, main);
    }

    fn start(&self, node: u16) -> SimEnv {
        let boot = self.hosts.borrow_mut()[usize::from(node)].start();
        self.event(node, Kind::Boot, &[boot], &[]);
        self.see(|| Seen::Booted { node, boot });
        SimEnv { node, boot }
    }

    /// The process is gone, with its machine or without, and its tasks with it. Whatever they do when they are dropped finds that
    /// their boot is over. The caller holds no borrow of the world.
    pub(crate) fn stop(&self, node: u16, how: Down) {
        self.hosts.borrow_mut()[usize::from(node)].stop(how);
        self.event(node, Kind::Down, &[u64::from(how == Down::Power)], &[]);
        self.see(|| Seen::Stopped { node, how });
        if self.hosts.borrow()[1..].iter().all(|host| host.boot > 0 && !host.up) {
            self.count("all nodes down at once");
        }
        self.streams_down(node, how);
        if how == Down::Power {
            let (lied, lost) = {
                let mut disk = self.disks[usize::from(node)].borrow_mut();
                (disk.lies(), disk.power_cut())
            };
            if let Some(injection) = lied {
                self.acted(injection, lost);
            }
            self.event(node, Kind::PowerCut, &[lost], &[]);
            self.see(|| Seen::PowerCut { node, lost });
            if lost > 0 {
                self.count("power cut lost unsynced changes");
            }
        }
        self.tasks.kill(node);
    }

    /// An empty disk takes the place of the node's, whose process is gone. What it promised is another life's.
    pub(crate) fn wipe(&self, node: u16) {
        self.disks[usize::from(node)].borrow_mut().wipe();
        self.event(node, Kind::Wiped, &[], &[]);
        self.see(|| Seen::Wiped { node });
        self.watch(|invariant| {
            invariant.wiped(node);
            Ok(())
        });
        self.count("disk wiped");
    }

    pub(crate) fn draw(&self, node: u16, from: Draw) -> u64 {
        use rand_chacha::rand_core::Rng;
        let draws = &mut self.draws.borrow_mut()[usize::from(node)];
        match from {
            Draw::Election => draws.election.next_u64(),
            Draw::Backoff => draws.backoff.next_u64(),
        }
    }

    /// How long a yield point stalls, if it does.
    pub(crate) fn stall(&self, node: u16) -> Option<Duration> {
        use harness::seed::Draw;
        if self.params.stall_ppm == 0 {
            return None;
        }
        let rng = &mut self.draws.borrow_mut()[usize::from(node)].stall;
        let stalls = rng.range(0, 1_000_000) < self.params.stall_ppm;
        stalls.then(|| Duration::from_nanos(rng.log_uniform(1_000, 20_000_000)))
    }

    /// Whether a node takes a rare branch. Counted, and no event: it shows in what comes of it.
    pub(crate) fn buggify(&self, node: u16, name: &'static str) -> bool {
        let taken = self.rare.borrow_mut().takes(self.seed, self.params.buggify_ppm, node, name);
        if taken {
            self.count(name);
        }
        taken
    }

    /// A node says something of itself.
    pub(crate) fn observe(&self, node: u16, boot: u64, group: GroupId, fact: &Fact) {
        self.event(node, Kind::Fact, &observer::words(group, fact), &[]);
        self.see(|| Seen::Fact { node, boot, group, fact });
        if let Fact::Leads { .. } | Fact::Follows { .. } = fact {
            let mut hosts = self.hosts.borrow_mut();
            let leads = &mut hosts[usize::from(node)].leads;
            leads.remove(&group);
            if matches!(fact, Fact::Leads { .. }) {
                leads.insert(group);
                if hosts.iter().any(|host| host.paused && host.leads.contains(&group)) {
                    // It wakes up and does not know.
                    self.count("another led while the leader was paused");
                }
            }
        }
        self.progress.borrow_mut().observe(node, boot, group, fact);
        self.watch_of(|of, invariant| match of == group {
            true => invariant.observe(node, boot, fact),
            false => invariant.observe_beside(node, fact),
        });
    }

    /// One more invariant watches the default group in this run, from now on.
    pub fn register(&self, invariant: Box<dyn Invariant>) {
        self.register_of(GroupId::DEFAULT, invariant);
    }

    /// One more invariant watches a group.
    pub(crate) fn register_of(&self, group: GroupId, invariant: Box<dyn Invariant>) {
        let sends = invariant.watches_sends();
        self.watches_sends.set(self.watches_sends.get() || sends);
        self.invariants.borrow_mut().push(Watch { group, invariant, sends, broken: false });
    }

    /// A datagram is about to leave a node: nothing of it has reached anyone.
    pub(crate) fn invariants_sent(&self, node: u16, to: u16, lane: Lane, message: &Bytes) {
        if !self.watches_sends.get() {
            return;
        }
        let boot = self.hosts.borrow()[usize::from(node)].boot;
        let disk = self.disks[usize::from(node)].borrow();
        let parted = self.is_sharded.then(|| group::addressee(message.clone()));
        let (group, message) = match &parted {
            None => (GroupId::DEFAULT, message),
            Some(Some((group, message))) => (*group, message),
            Some(None) => return,
        };
        let disk = DiskView::of(&disk.volume, group);
        let sent = Sent { node, boot, to, lane, message, disk };
        self.watch_where(
            |watch| watch.sends && watch.group == group,
            |_, invariant| invariant.sent(&sent),
        );
    }

    /// The run is over: what can only be judged now.
    pub(crate) fn finish_invariants(&self) {
        self.watch(|invariant| invariant.finish());
    }

    /// Asks every invariant that still holds.
    pub(crate) fn watch(&self, mut ask: impl FnMut(&mut dyn Invariant) -> Result<(), String>) {
        self.watch_of(|_, invariant| ask(invariant));
    }

    /// The same, by group.
    pub(crate) fn watch_of(
        &self,
        ask: impl FnMut(GroupId, &mut dyn Invariant) -> Result<(), String>,
    ) {
        self.watch_where(|_| true, ask);
    }

    fn watch_where(
        &self,
        of: impl Fn(&Watch) -> bool,
        mut ask: impl FnMut(GroupId, &mut dyn Invariant) -> Result<(), String>,
    ) {
        let is_sharded = self.is_sharded;
        let mut watches = self.invariants.borrow_mut();
        for watch in watches.iter_mut().filter(|watch| !watch.broken && of(watch)) {
            if let Err(text) = ask(watch.group, watch.invariant.as_mut()) {
                watch.broken = true;
                let text = if is_sharded { format!("{}: {text}", watch.group) } else { text };
                self.found(watch.invariant.name(), text);
            }
        }
    }

    /// A node of a whole cluster that has not applied what was acknowledged: the node, how far it is, how far it should be.
    /// `None` also where something is still broken.
    pub(crate) fn behind(&self) -> Option<(u16, u64, u64)> {
        let whole = self.net.borrow().is_whole()
            && self.streams.borrow().is_remembered()
            && self.disks.iter().all(|disk| disk.borrow().is_whole())
            && self.hosts.borrow()[1..].iter().all(|host| host.up && !host.paused && !host.out);
        whole.then(|| self.progress.borrow().behind()).flatten()
    }

    /// Something that must never happen did.
    pub(crate) fn found(&self, name: &str, text: String) {
        self.event(0, Kind::Finding, &[], name.as_bytes());
        self.see(|| Seen::Finding { name, text: &text });
        let mut findings = self.findings.borrow_mut();
        // The first of each name always: a crash loop must not hide a broken invariant.
        if findings.len() < FINDINGS_MAX || findings.iter().all(|finding| finding.name != name) {
            let time = Duration::from_nanos(self.since_set_up());
            findings.push(Finding { time, name: name.to_string(), text });
        }
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.findings.borrow().clone()
    }

    /// Lets go of all that nodes left here, so that nothing keeps the world alive.
    pub(crate) fn clear(&self) {
        self.tasks.clear();
        self.timers.clear();
        let hosts: Vec<Host> = {
            let mut hosts = self.hosts.borrow_mut();
            let fresh = hosts.iter().map(|_| Host::default()).collect();
            std::mem::replace(&mut *hosts, fresh)
        };
        drop(hosts);
        drop(self.streams.take());
        drop(self.guest.take());
    }
}

impl NodeDraws {
    fn new(seed: Seed, node: u16) -> NodeDraws {
        let mut backoff = seed.stream(Stream::Node(node));
        // A far-apart stretch for each kind of draw.
        backoff.set_word_pos(1 << 40);
        NodeDraws {
            election: seed.stream(Stream::Node(node)),
            backoff,
            stall: seed.stream(Stream::Stall(node)),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}
