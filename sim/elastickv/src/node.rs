//! One node (`main.go`): reads its disk, starts the engine, serves the two ports.
//!
//! Nothing but the bytes on `Env`'s disk survives a restart: [`recover`] is the only way state comes back, and it is also how the simulation
//! rebuilds every node after a run to compare its state.

use crate::bug::Bug;
use crate::codec::{Reader, frame_at, frame_into};
use crate::env::{Disk, Env, Fact, GroupId, Level, NodeId, Port};
use crate::files::{read_whole, write_whole};
use crate::group::{Folder, GroupEnv, Wire};
use crate::hlc::Hlc;
use crate::identity;
use crate::kv::coordinator::Coordinator;
use crate::kv::forward;
use crate::kv::fsm::Fsm;
use crate::mvcc::Keep;
use crate::mvcc::journal::{Journal, LastCommitTs};
use crate::options::Options;
use crate::raft::engine::{Engine, Files, Recovered, bootstrap, payload_of};
use crate::raft::message::Snapshot;
use crate::raft::snapshots;
use crate::raft::wal::{self, Image, Wal};
use crate::redis::pubsub::Channels;
use crate::redis::server::Server;
use futures_util::future::try_join_all;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

const BOOT_FILE: &str = "meta/boot";

/// What a node's disk says of the node itself; read whenever it starts.
pub const OWN_FILES: [&str; 2] = [identity::PATH, BOOT_FILE];

/// Runs a node until its world ends it. Returns only with an error of its disk.
pub async fn run<E: Env>(env: E, options: Options) -> io::Result<()> {
    let options = Rc::new(options);
    let disk = env.disk();
    identity::claim(&disk, env.id()).await?;
    let boot = count_boot(&disk, options.joins).await?;
    let hlc = Rc::new(Hlc::default());
    let mut engines = Vec::new();
    let mut files = Vec::new();
    for env in group_envs(&env, &options) {
        let state = recover(&env.disk(), &options, env.id(), &hlc).await?;
        env.observe(state.fact(boot));
        let fsm = Rc::new(RefCell::new(state.fsm));
        let recovered = Recovered { boot, log: state.log, snapshot: state.snapshot, fsm };
        engines.push(Engine::new(env, options.clone(), recovered));
        files.push(Files { wal: state.wal, journal: state.journal });
    }
    // What the wall clock will show is compared with this.
    hlc.believes(env.wall_ms(), env.monotonic(), options.hlc_window);
    let coordinator = Coordinator::new(env.clone(), options.clone(), engines.clone(), boot);
    let internal = env.listen(Port::INTERNAL).await?;
    let redis = env.listen(Port::REDIS).await?;
    let channels = Channels::default();
    env.spawn(forward::serve(env.clone(), coordinator.clone(), channels.clone(), internal));
    let server = Server::new(env.clone(), options.clone(), coordinator.clone(), channels);
    env.spawn(server.serve(redis));
    for engine in &engines {
        env.spawn(renew_ceiling(env.clone(), options.clone(), engine.clone()));
    }
    if !options.compact_every.is_zero() {
        for engine in &engines {
            env.spawn(compact(env.clone(), options.clone(), engine.clone()));
        }
    }
    if coordinator.is_sharded() {
        env.spawn(coordinator.clone().watch_catalog());
        env.spawn(coordinator.clone().resolve_expired());
        env.spawn(coordinator.gather_leaders());
    }
    let running = engines.into_iter().zip(files).map(|(engine, files)| engine.run(files));
    try_join_all(running).await.map(|_| ())
}

/// The world of each group, the default group's first. What shares a wire has one task that reads it.
fn group_envs<E: Env>(env: &E, options: &Options) -> Vec<GroupEnv<E>> {
    let groups = options.shards.groups();
    if groups.len() == 1 {
        return vec![GroupEnv::alone(env.clone())];
    }
    let wire = Wire::new(groups.iter().copied());
    env.spawn(wire.clone().run(env.clone()));
    groups.into_iter().map(|group| GroupEnv::shared(env.clone(), group, &wire)).collect()
}

/// `RunHLCLeaseRenewal`: a leader asks for a higher ceiling once a second.
async fn renew_ceiling<E: Env>(env: E, options: Rc<Options>, engine: Engine<E>) {
    loop {
        gauge_wall_skew(&env, &engine);
        if engine.is_leader() && !env.buggify("rare: ceiling not renewed in time") {
            // A renewal that fails is tried again at the next turn; the fence holds meanwhile.
            let _ = engine.renew_ceiling().await;
        }
        env.sleep(options.hlc_renewal).await;
    }
}

/// `FSMCompactor`: a leader asks for old versions to go.
async fn compact<E: Env>(env: E, options: Rc<Options>, engine: Engine<E>) {
    loop {
        env.sleep(options.compact_every).await;
        if engine.is_leader() {
            // One that fails is made up for by the next.
            let _ = engine.compact(options.retention).await;
        }
    }
}

/// The gauge `hlc_wall_skew_seconds`, which every node keeps: whether its wall clock has run past what Raft agreed on. And whether it can
/// be believed, which is to be looked at every few seconds.
fn gauge_wall_skew<E: Env>(env: &E, engine: &Engine<E>) {
    let ceiling_ms = engine.fsm().borrow().hlc.ceiling_ms();
    if ceiling_ms == 0 {
        return;
    }
    let wall_ms = env.wall_ms();
    if wall_ms >= ceiling_ms {
        sometimes!(env, "wall clock above the ceiling");
        let text =
            format_args!("its wall clock is past the ceiling {ceiling_ms}, no timestamp is issued");
        env.log(Level::Warn, text);
    }
    if !engine.believes(wall_ms) {
        let text = format_args!("its wall clock went another way than its monotonic clock");
        env.log(Level::Warn, text);
    }
}

/// What a disk holds.
pub struct State<D> {
    /// The Raft log.
    pub log: Image,
    /// The newest snapshot, if there is one with data.
    pub snapshot: Option<Snapshot>,
    /// The state machine at its applied index.
    pub fsm: Fsm,
    /// The open log.
    pub wal: Wal<D>,
    /// The open store.
    pub journal: Journal<D>,
}

impl<D> State<D> {
    /// What a start of the node says of it.
    fn fact(&self, boot: u32) -> Fact {
        Fact::Recovered {
            boot,
            applied: self.fsm.applied(),
            state_hash: self.fsm.state_hash(),
            last_commit_ts: self.fsm.store.last_commit_ts(),
            newest_version: self.fsm.store.newest_version(),
        }
    }
}

/// Cold start of a group (`wal_store.go`): store and log from disk. If the store is at least as new as the snapshot, only the
/// snapshot's header is taken (the restart skip gate); and the ceilings of entries that the store already covers are replayed, since the
/// store does not keep them.
pub async fn recover<D: Disk + Clone>(
    disk: &D,
    options: &Options,
    own: NodeId,
    hlc: &Rc<Hlc>,
) -> io::Result<State<D>> {
    let keep = match options.bugs.has(Bug::LastCommitTsNosync) {
        true => LastCommitTs::OwnFileUnsynced,
        false => LastCommitTs::InBatch,
    };
    let (mut journal, store) = Journal::open(disk.clone(), keep).await?;
    let first = bootstrap(options, own);
    let (wal, log) = Wal::open(disk.clone(), &first).await?;
    let mut fsm = Fsm::new(store, hlc.clone());
    fsm.store.keys_run_together = options.bugs.has(Bug::NoKeyTerminator);
    if options.bugs.has(Bug::CompactDropsVisible) {
        fsm.keep = Keep::Nothing;
    }
    let mut snapshot = None;
    if log.snapshot.index > first.index {
        let data = snapshots::load(disk, log.snapshot.index).await?;
        let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, "snapshot is malformed");
        if fsm.restore(log.snapshot.index, &data).map_err(malformed)? {
            journal.replace(&fsm.store.export(), fsm.store.last_commit_ts()).await?;
        }
        snapshot = Some(Snapshot { meta: log.snapshot.clone(), data });
    }
    fsm.set_applied(log.snapshot.index);
    let applied = fsm.applied();
    if applied > log.last_index() {
        let last = log.last_index();
        let text = format!(
            "the store holds entry {applied}, but the log ends at entry {last}: part of it is gone"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let forgets = options.bugs.has(Bug::SkipGateDropsHlcLease);
    let covered = log.entries.iter().take_while(|entry| entry.index <= applied && !forgets);
    for entry in covered {
        if let Some(payload) = payload_of(entry) {
            fsm.replay_volatile(payload);
        }
    }
    Ok(State { log, snapshot, fsm, wal, journal })
}

/// The node once more from the bytes on its disk: of each group what recovery finds, then every entry that its log knows to be
/// committed.
pub async fn rebuild<D: Disk + Clone>(
    disk: &D,
    options: &Options,
    own: NodeId,
) -> io::Result<Vec<(GroupId, Vec<Fact>)>> {
    let mut all = Vec::new();
    for group in options.shards.groups() {
        let disk = Folder::of(disk.clone(), group);
        let state = recover(&disk, options, own, &Rc::new(Hlc::default())).await?;
        let mut facts = vec![state.fact(0)];
        let (log, mut fsm) = (state.log, state.fsm);
        let (done, commit) = (fsm.applied(), log.hard_state.commit);
        for entry in log.entries.iter().filter(|e| e.index > done && e.index <= commit) {
            fsm.apply(entry.index, payload_of(entry).unwrap_or_default());
            let (index, term) = (entry.index, entry.term);
            facts.push(Fact::Applied { index, term, state_hash: fsm.state_hash() });
        }
        all.push((group, facts));
    }
    Ok(all)
}

/// The number of this start, from 1; durable when this returns, so that no two starts share it. A node that has forgotten its starts
/// with all else counts from a number that tells this life from those before.
async fn count_boot<D: Disk>(disk: &D, joins: u16) -> io::Result<u32> {
    let broken =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_FILE} fails its checksum"));
    let last = match read_whole(disk, BOOT_FILE).await? {
        Some(file) => {
            frame_at(&file, 0).and_then(|(n, _)| Reader::new(n).u32().ok()).ok_or_else(broken)?
        }
        None => not_started(disk).await? + (u32::from(joins) << 16),
    };
    let boot = last + 1;
    let mut content = Vec::new();
    frame_into(&mut content, &boot.to_le_bytes());
    write_whole(disk, BOOT_FILE, &content).await?;
    Ok(boot)
}

/// 0, unless there is a log: a node that counted its starts from the beginning again would give its old requests' identities to new ones,
/// and they would be taken for repetitions.
async fn not_started<D: Disk>(disk: &D) -> io::Result<u32> {
    let log = disk.list(wal::FORMAT.folder).await?;
    match log.iter().find(|file| wal::FORMAT.segment_number(file).is_some()) {
        None => Ok(0),
        Some(file) => {
            let text = format!("this data directory holds {file} but no {BOOT_FILE}");
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}
