//! What the log holds and how far it is committed: appends, heartbeats, snapshots, read indexes. Mirrors
//! `raft.go`.

use super::config::ReadOnlyOption;
use super::core::{Raft, ReadState, Role};
use super::error::ProposeError;
use super::message::{Entry, EntryKind, Message, MessageKind, Snapshot};
use super::progress::{Progress, ProgressState};
use bytes::Bytes;

impl Raft {
    pub(super) fn append_and_broadcast(&mut self, kind: EntryKind, data: Bytes) -> u64 {
        let index = self.append(kind, data);
        self.broadcast_append();
        index
    }

    /// Adds an entry to the leader's own log. Its ack to itself counts once the entry is durable.
    pub(super) fn append(&mut self, kind: EntryKind, data: Bytes) -> u64 {
        let index = self.log.last_index() + 1;
        self.log.append(&[Entry { term: self.term, index, kind, data }]);
        let mut ack = Message::new(MessageKind::AppResp, self.config.id);
        ack.index = index;
        self.send(ack);
        index
    }

    pub(super) fn broadcast_append(&mut self) {
        for at in 0..self.peers.list.len() {
            self.try_append(at, true);
        }
    }

    pub(super) fn send_append(&mut self, to: u64) {
        if let Some(at) = self.peers.find(to) {
            self.try_append(at, true);
        }
    }

    /// Sends the peer what comes next, if it may be sent anything; without `even_empty`, only if there are
    /// entries. Says whether a message was sent.
    pub(super) fn try_append(&mut self, at: usize, even_empty: bool) -> bool {
        let peer = &self.peers.list[at];
        let (to, progress) = (peer.id, &peer.progress);
        if to == self.config.id || progress.is_paused() {
            return false;
        }
        let index = progress.next - 1;
        let Some(log_term) = self.log.term(index) else {
            return self.try_snapshot(at);
        };
        // A full window still lets an empty append through: should all before it be lost, its answer is what
        // gets the flow going again.
        let full = progress.state == ProgressState::Replicate && progress.is_full();
        let to_index = if full { index } else { self.log.last_index() };
        if to_index == index && !even_empty {
            return false;
        }
        let mut m = Message::new(MessageKind::App, to);
        m.index = index;
        m.log_term = log_term;
        m.entries = self.log.slice(index, to_index, self.config.max_size_per_msg);
        m.commit = self.log.committed;
        let (sent, commit) = (m.entries.len(), m.commit);
        self.send(m);
        self.peers.list[at].progress.sent(sent, commit);
        true
    }

    fn try_snapshot(&mut self, at: usize) -> bool {
        let peer = &mut self.peers.list[at];
        // A snapshot is not wasted on the dead, and not sent without its data: the next heartbeat's answer
        // tries again.
        let Some(snapshot) = self.log.snapshot().filter(|_| peer.progress.recent_active) else {
            return false;
        };
        peer.progress.become_snapshot(snapshot.meta.index);
        let mut m = Message::new(MessageKind::Snap, peer.id);
        m.snapshot = Some(Box::new(snapshot.clone()));
        self.send(m);
        true
    }

    /// To all peers, with the commit index cut to what each is known to hold.
    pub(super) fn broadcast_heartbeat(&mut self) {
        let context = self.read_only.position();
        for at in 0..self.peers.list.len() {
            let peer = &mut self.peers.list[at];
            if peer.id == self.config.id {
                continue;
            }
            let mut m = Message::new(MessageKind::Heartbeat, peer.id);
            m.commit = peer.progress.matched.min(self.log.committed);
            m.context = context;
            peer.progress.sent_commit(m.commit);
            self.send(m);
        }
    }

    pub(super) fn handle_append(&mut self, m: &Message) {
        let mut answer = Message::new(MessageKind::AppResp, m.from);
        answer.stamp = m.stamp;
        if m.index < self.log.committed {
            answer.index = self.log.committed;
        } else if self.log.matches(m.index, m.log_term) {
            self.log.merge(&m.entries);
            answer.index = m.index + m.entries.len() as u64;
            self.log.commit_to(m.commit.min(answer.index));
        } else {
            answer.index = m.index;
            answer.reject = true;
            let last = m.index.min(self.log.last_index());
            (answer.reject_hint, answer.log_term) = self.log.find_conflict(last, m.log_term);
        }
        self.send(answer);
    }

    pub(super) fn handle_heartbeat(&mut self, m: &Message) {
        self.log.commit_to(m.commit);
        let mut answer = Message::new(MessageKind::HeartbeatResp, m.from);
        answer.context = m.context;
        answer.stamp = m.stamp;
        self.send(answer);
    }

    pub(super) fn handle_snapshot(&mut self, m: Message) {
        let mut answer = Message::new(MessageKind::AppResp, m.from);
        answer.stamp = m.stamp;
        let restored = m.snapshot.is_some_and(|snapshot| self.restore(*snapshot));
        answer.index = if restored { self.log.last_index() } else { self.log.committed };
        self.send(answer);
    }

    /// Whether the snapshot replaced the log; an old one or one of others' configuration does not.
    fn restore(&mut self, snapshot: Snapshot) -> bool {
        let meta = &snapshot.meta;
        if meta.index <= self.log.committed || !meta.conf.contains(self.config.id) {
            return false;
        }
        if self.log.matches(meta.index, meta.term) {
            self.log.commit_to(meta.index);
            return false;
        }
        let conf = meta.conf.clone();
        self.log.restore(snapshot);
        self.switch_to(&conf);
        true
    }

    pub(super) fn handle_append_response(&mut self, m: &Message) {
        let Some(at) = self.peers.find(m.from) else { return };
        let progress = &mut self.peers.list[at].progress;
        heard(progress, m);
        if m.reject {
            // The follower's terms only grow: where ours is above its hint's, a probe must fail.
            let hint = match m.log_term {
                0 => m.reject_hint,
                term => self.log.find_conflict(m.reject_hint, term).0,
            };
            if progress.rejected(m.index, hint) {
                if progress.state == ProgressState::Replicate {
                    progress.become_probe();
                }
                self.try_append(at, true);
            }
            return;
        }
        // An ack without news may still end a probe.
        let probed = progress.matched == m.index && progress.state == ProgressState::Probe;
        if progress.acked(m.index) || probed {
            self.resume(at, m.index);
            self.replicate_on(at);
        }
    }

    /// The peer answered an append: its log is known to match up to `index`.
    fn resume(&mut self, at: usize, index: u64) {
        let progress = &mut self.peers.list[at].progress;
        match progress.state {
            ProgressState::Probe => progress.become_replicate(),
            // Whichever snapshot got it so far: the log can carry it on from here.
            ProgressState::Snapshot if progress.matched >= self.log.offset() => {
                progress.become_probe();
                progress.become_replicate();
            }
            ProgressState::Snapshot => {}
            ProgressState::Replicate => progress.free_inflight(index),
        }
    }

    fn replicate_on(&mut self, at: usize) {
        let peer = &self.peers.list[at];
        let (from, own) = (peer.id, peer.id == self.config.id);
        let bumps = peer.progress.can_bump_commit(self.log.committed);
        if self.try_commit() {
            self.release_early_reads();
            self.broadcast_append();
        } else if !own && bumps {
            self.try_append(at, true);
        }
        // The window may have room for several messages now.
        while self.try_append(at, false) {}
        let matched = self.peers.list[at].progress.matched;
        if from == self.transferee && matched == self.log.last_index() {
            self.send_timeout_now(from);
        }
    }

    /// Counting commits entries of the own term only (Raft §5.4.2). Whether the commit index moved.
    pub(super) fn try_commit(&mut self) -> bool {
        match self.peers.committed() {
            Some(index) if index > self.log.committed && self.log.matches(index, self.term) => {
                self.log.commit_to(index);
                true
            }
            _ => false,
        }
    }

    pub(super) fn handle_heartbeat_response(&mut self, m: &Message) {
        let Some(at) = self.peers.find(m.from) else { return };
        let progress = &mut self.peers.list[at].progress;
        heard(progress, m);
        progress.paused = false;
        if progress.matched < self.log.last_index() || progress.state == ProgressState::Probe {
            self.try_append(at, true);
        }
        if m.context != 0 {
            self.read_only.ack(m.from, m.context);
            self.release_reads();
        }
    }

    /// The driver could not send to the peer: what was sent ahead is probably lost.
    pub fn report_unreachable(&mut self, id: u64) {
        if self.role != Role::Leader {
            return;
        }
        if let Some(progress) = self.peers.get_mut(id)
            && progress.state == ProgressState::Replicate
        {
            progress.become_probe();
        }
    }

    /// The driver has sent a snapshot to the peer, or failed to.
    pub fn report_snapshot(&mut self, id: u64, sent: bool) {
        if self.role != Role::Leader {
            return;
        }
        let Some(progress) = self.peers.get_mut(id) else { return };
        if progress.state != ProgressState::Snapshot {
            return;
        }
        match sent {
            true => progress.become_probe(),
            false => progress.snapshot_failed(),
        }
        // Its ack, or after a failure the next heartbeat's answer, resumes.
        progress.paused = true;
    }

    /// Asks for an index that a read must wait for to be linearizable; the answer comes as a [`ReadState`]
    /// with the same context, or never if this node ceases to lead. As upstream, a transfer under way does
    /// not refuse it.
    pub fn read_index(&mut self, context: u64) -> Result<(), ProposeError> {
        if self.role != Role::Leader {
            return Err(ProposeError::NotLeader { leader: self.leader });
        }
        // A new leader does not know what is committed before an entry of its own is. Upstream lets a lone
        // voter read before that: entries whose commit index it lost in a crash are missing then.
        if self.has_committed_in_term() {
            self.start_read(context);
        } else {
            self.early_reads.push(context);
        }
        Ok(())
    }

    fn start_read(&mut self, context: u64) {
        let index = self.log.committed;
        let leased = self.config.read_only == ReadOnlyOption::LeaseBased;
        if leased || self.peers.is_only_voter(self.config.id) {
            self.read_states.push(ReadState { context, index });
            return;
        }
        self.read_only.add(context, index);
        self.read_only.ack(self.config.id, self.read_only.position());
        self.broadcast_heartbeat();
    }

    fn release_early_reads(&mut self) {
        if self.has_committed_in_term() {
            for context in std::mem::take(&mut self.early_reads) {
                self.start_read(context);
            }
        }
    }

    pub(super) fn release_reads(&mut self) {
        let (read_only, states) = (&mut self.read_only, &mut self.read_states);
        read_only.release(&self.peers, |context, index| states.push(ReadState { context, index }));
    }
}

fn heard(progress: &mut Progress, m: &Message) {
    progress.recent_active = true;
    progress.stamp = progress.stamp.max(Some(m.stamp));
}
