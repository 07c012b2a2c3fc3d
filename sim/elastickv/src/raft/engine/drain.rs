//! What a turn of the engine leaves to do (`drainReady`), in upstream's order.

use super::{Engine, Files, proposals};
use crate::bug::Bug;
use crate::env::{Env, Fact, Lane, Level, NodeId};
use crate::kv::fsm::{Effect, Response};
use crate::mvcc::journal;
use crate::raft::message::{
    ConfChange, ConfChangeKind, ConfState, Entry, EntryKind, Message, MessageKind, Snapshot,
    SnapshotMeta,
};
use crate::raft::{Ready, snapshots};
use bytes::Bytes;
use std::io;
use std::time::Duration;

/// How long a rare wait between applying and answering is: some ticks, and far from an election.
const ANSWERS_WAIT: Duration = Duration::from_millis(50);

/// A snapshot that is rarely taken before it is due covers so many entries at least.
const EARLY_ENTRIES: u64 = 16;

impl<E: Env> Engine<E> {
    pub(super) async fn drain(&self, files: &mut Files<E>) -> io::Result<()> {
        loop {
            let ready = {
                let mut raft = self.0.raft.borrow_mut();
                if !raft.has_ready() {
                    break;
                }
                raft.ready()
            };
            self.carry_out(files, ready).await?;
        }
        self.finish_snapshot(files).await?;
        self.0.refresh_status();
        Ok(())
    }

    async fn carry_out(&self, files: &mut Files<E>, mut ready: Ready) -> io::Result<()> {
        if let Some(role) = ready.soft_state {
            self.0.log_role(role);
        }
        let messages = std::mem::take(&mut ready.messages);
        if self.0.options.bugs.has(Bug::AckBeforeFsync) {
            self.send_all(messages);
            self.persist(files, &mut ready).await?;
        } else {
            self.persist(files, &mut ready).await?;
            self.send_all(messages);
        }
        self.apply(files, std::mem::take(&mut ready.committed)).await?;
        for read in &ready.read_states {
            self.0.reads.borrow_mut().confirmed(read.context, read.index);
        }
        self.0.raft.borrow_mut().advance();
        self.maybe_snapshot();
        self.0.refresh_status();
        let applied = self.0.fsm.borrow().applied();
        self.0.reads.borrow_mut().resolve(applied);
        Ok(())
    }

    /// Snapshot, entries and hard state; durable when this returns.
    async fn persist(&self, files: &mut Files<E>, ready: &mut Ready) -> io::Result<()> {
        if let Some(snapshot) = ready.snapshot.take() {
            self.install(files, snapshot, ready).await?;
        }
        files.wal.append(ready.hard_state.as_ref(), &ready.entries).await?;
        let must_sync = match self.0.options.bugs.has(Bug::VoteNotPersisted) {
            true => !ready.entries.is_empty(),
            false => ready.must_sync,
        };
        if must_sync {
            files.wal.sync().await?;
            if self.0.env.buggify("rare: entries synced twice") {
                files.wal.sync().await?;
            }
        }
        Ok(())
    }

    fn send_all(&self, messages: Vec<Message>) {
        for message in messages {
            let Ok(to) = u16::try_from(message.to) else { continue };
            if message.kind == MessageKind::Snap {
                self.0.env.log(Level::Info, format_args!("sends n{to} a snapshot"));
                self.watch_snapshot(message.to);
            }
            let (to, lane, bytes) = (NodeId(to), lane(message.kind), message.encode());
            if self.0.env.buggify("rare: message sent twice") {
                self.0.env.send(to, lane, bytes.clone());
            }
            self.0.env.send(to, lane, bytes);
        }
    }

    /// Upstream's stream reports how sending a snapshot ended. A message reports nothing: after an election time-out without an
    /// answer it counts as failed, and Raft probes again.
    fn watch_snapshot(&self, to: u64) {
        let engine = self.clone();
        self.0.env.spawn(async move {
            engine.0.env.sleep(engine.0.options.election_timeout()).await;
            engine.0.raft.borrow_mut().report_snapshot(to, false);
        });
    }

    /// Replaces the state by a snapshot from the leader (`applyReadySnapshot`).
    async fn install(
        &self,
        files: &mut Files<E>,
        snapshot: Snapshot,
        ready: &Ready,
    ) -> io::Result<()> {
        let inner = &self.0;
        let meta = snapshot.meta;
        // In memory first: what cannot be read must not reach the disk.
        let malformed =
            |_| io::Error::new(io::ErrorKind::InvalidData, "snapshot from the leader is malformed");
        let restored =
            inner.fsm.borrow_mut().restore(meta.index, &snapshot.data).map_err(malformed)?;
        let disk = inner.env.disk();
        snapshots::save(&disk, meta.index, &snapshot.data).await?;
        let hard_state = ready.hard_state.unwrap_or_else(|| inner.raft.borrow().hard_state());
        files.wal.cut(&meta, &hard_state, &ready.entries).await?;
        if restored {
            let state = inner.fsm.borrow().store.export();
            files.journal.replace(&state, self.last_commit_ts()).await?;
        }
        snapshots::prune(&disk, meta.index).await?;
        sometimes!(inner.env, "snapshot installed");
        let state_hash = inner.fsm.borrow().state_hash();
        inner.env.observe(Fact::Installed { index: meta.index, state_hash });
        Ok(())
    }

    /// Applies committed entries, makes their versions durable together, then answers who waits for them.
    async fn apply(&self, files: &mut Files<E>, committed: Vec<Entry>) -> io::Result<()> {
        let mut frames = Vec::new();
        let mut answers = Vec::new();
        self.0.observe_committed_to(&committed);
        for entry in &committed {
            let Some(effect) = self.apply_entry(entry) else { continue };
            if let Some(frame) = effect.1.frame {
                frames.extend_from_slice(&frame);
            }
            answers.push((effect.0, effect.1.request, entry.index, effect.1.response));
        }
        if !frames.is_empty() {
            let last_commit_ts = self.last_commit_ts();
            files.journal.append(&frames, last_commit_ts).await?;
        }
        if !answers.is_empty() && self.0.env.buggify("rare: answers wait") {
            self.0.env.sleep(ANSWERS_WAIT).await;
        }
        for (id, request, index, response) in answers {
            self.resolve(id, request, index, response);
        }
        Ok(())
    }

    fn apply_entry(&self, entry: &Entry) -> Option<(proposals::ProposalId, Effect)> {
        let inner = &self.0;
        let opened = match entry.kind {
            EntryKind::Normal => proposals::open(&entry.data),
            // Upstream refuses joint consensus, and nobody here proposes it.
            EntryKind::ConfChangeV2 => None,
            EntryKind::ConfChange => {
                self.apply_conf_change(entry);
                None
            }
        };
        let payload = opened.as_ref().map_or_else(Bytes::new, |(_, payload)| payload.clone());
        let payload = inner.as_applied(payload);
        let effect = inner.fsm.borrow_mut().apply(entry.index, payload);
        self.observe_effect(entry, &effect);
        if inner.raft.borrow().is_leader() && inner.raft.borrow().term() == entry.term {
            inner.serves.set(inner.leads.get() == Some(entry.term));
        }
        opened.map(|(id, _)| (id, effect))
    }

    /// Every member that applies a change takes a snapshot then (`persistConfigState`): a node that was added installs only one
    /// that knows it.
    fn apply_conf_change(&self, entry: &Entry) {
        let inner = &self.0;
        let Ok(change) = ConfChange::decode(&entry.data) else { return };
        let (leads, conf) = {
            let raft = inner.raft.borrow();
            (raft.is_leader(), raft.conf_state())
        };
        let known = conf.voters.contains(&change.id) || conf.learners.contains(&change.id);
        // What is sent to the node from now on is stamped with this time, and no less.
        let now = inner.env.monotonic().as_nanos() as u64;
        inner.raft.borrow_mut().set_stamp(now);
        inner.raft.borrow_mut().apply_conf_change(&change);
        inner.conf_changed.set(entry.index);
        let conf = inner.raft.borrow().conf_state();
        let ConfState { voters, learners, .. } = &conf;
        inner.env.log(
            Level::Info,
            format_args!(
                "members as of entry {}: voters {voters:?}, learners {learners:?}",
                entry.index
            ),
        );
        if !known && change.kind != ConfChangeKind::Remove {
            inner.added_at.borrow_mut().insert(change.id, now);
        }
        match change.kind {
            _ if !leads => sometimes!(inner.env, "conf change applied by a follower"),
            ConfChangeKind::AddVoter => sometimes!(inner.env, "voter added"),
            ConfChangeKind::AddLearner => sometimes!(inner.env, "learner added"),
            ConfChangeKind::Remove => sometimes!(inner.env, "member removed"),
        }
    }

    fn observe_effect(&self, entry: &Entry, effect: &Effect) {
        let inner = &self.0;
        let (index, term) = (entry.index, entry.term);
        match (&effect.response, effect.request) {
            (Response::Committed { commit_ts, duplicate: false }, Some(request)) => {
                let keys = effect.written.iter().map(|m| crate::codec::hash(&[&m.key])).collect();
                inner.env.observe(Fact::Committed {
                    index,
                    term,
                    request,
                    commit_ts: *commit_ts,
                    keys,
                });
            }
            (Response::Ceiling { ceiling_ms }, _) => {
                inner.env.observe(Fact::Ceiling { index, ceiling_ms: *ceiling_ms });
            }
            _ => {}
        }
        let state_hash = inner.fsm.borrow().state_hash();
        inner.env.observe(Fact::Applied { index, term, state_hash });
    }

    /// Takes a snapshot when enough was applied since the last; a task writes it while the engine goes on (`maybePersistLocalSnapshot`).
    fn maybe_snapshot(&self) {
        let inner = &self.0;
        let (covered, applied) = {
            let raft = inner.raft.borrow();
            (raft.snapshot_index(), inner.fsm.borrow().applied())
        };
        let due = applied >= covered + inner.options.snapshot_entries
            || inner.conf_changed.get() > covered;
        if inner.snapshot_running.get() {
            return;
        }
        let some = applied >= covered + EARLY_ENTRIES;
        let early = some && inner.env.buggify("rare: snapshot before it is due");
        if !due && !early {
            return;
        }
        let (term, conf) = {
            let raft = inner.raft.borrow();
            let Some(term) = raft.term_of(applied) else { return };
            (term, raft.conf_state())
        };
        inner.snapshot_running.set(true);
        let state = inner.fsm.borrow().snapshot();
        let meta = SnapshotMeta { index: applied, term, conf };
        let engine = self.clone();
        inner.env.spawn(async move {
            let saved = snapshots::save(&engine.0.env.disk(), meta.index, &state).await;
            engine.0.snapshot_running.set(false);
            // A snapshot that could not be written is tried again when the next is due.
            match saved {
                Ok(()) if engine.0.env.buggify("rare: snapshot not written") => {}
                Ok(()) => {
                    engine.0.snapshot_done.set(Some(Snapshot { meta, data: state.into() }));
                    engine.0.wake.notify();
                }
                Err(error) => {
                    let index = meta.index;
                    let text =
                        format_args!("a snapshot up to entry {index} is not written: {error}");
                    engine.0.env.log(Level::Warn, text);
                }
            }
        });
    }

    /// A written snapshot takes the place of the entries that it covers, none of which are kept (zero trailing entries).
    async fn finish_snapshot(&self, files: &mut Files<E>) -> io::Result<()> {
        let inner = &self.0;
        let Some(snapshot) = inner.snapshot_done.take() else { return Ok(()) };
        if snapshot.meta.index <= inner.raft.borrow().snapshot_index() {
            return Ok(());
        }
        let last_commit_ts = self.last_commit_ts();
        files.journal.append(&journal::applied(snapshot.meta.index), last_commit_ts).await?;
        let (hard_state, entries) = {
            let raft = inner.raft.borrow();
            (raft.hard_state(), raft.entries_from(snapshot.meta.index + 1))
        };
        files.wal.cut(&snapshot.meta, &hard_state, &entries).await?;
        let index = snapshot.meta.index;
        let compacted = inner.raft.borrow_mut().compact(snapshot);
        assert!(
            compacted.is_ok(),
            "our snapshot at {index} does not fit our own log: {compacted:?}"
        );
        snapshots::prune(&inner.env.disk(), index).await?;
        sometimes!(inner.env, "snapshot taken");
        inner
            .env
            .log(Level::Info, format_args!("entries up to {index} are in a snapshot of its own"));
        Ok(())
    }
}

fn lane(kind: MessageKind) -> Lane {
    match kind {
        MessageKind::App | MessageKind::AppResp => Lane::Normal,
        MessageKind::Snap => Lane::Snapshot,
        _ => Lane::Heartbeat,
    }
}
