//! A node of a script: our Raft, a storage in memory and a state machine that appends what it applies.

use super::describe;
use elastickv::raft::storage::{AppendWork, Applied, ApplyWork, Stored};
use elastickv::raft::{
    ConfChange, ConfChangeV2, Config, Entry, EntryKind, HardState, InitialState, Message, Raft,
    Ready, Snapshot,
};
use std::collections::VecDeque;

/// What travels to a node: a peer's message, or word of one of its storage threads.
pub(super) enum Delivery {
    Peer(Message),
    Stored(Stored, Option<Snapshot>),
    Applied(Applied, Vec<Entry>),
}

pub(super) struct Node {
    pub raft: Raft,
    pub config: Config,
    /// The durable log.
    first_after: u64,
    log: Vec<Entry>,
    /// The state after each entry applied, the snapshot at the start first.
    history: Vec<Snapshot>,
    pub append_work: VecDeque<AppendWork>,
    pub apply_work: VecDeque<ApplyWork>,
}

impl Node {
    pub fn start(config: Config, snapshot: &Snapshot) -> Node {
        let meta = snapshot.meta.clone();
        let hard_state = HardState { commit: meta.index, ..HardState::default() };
        let conf = meta.conf.clone();
        let state = InitialState { hard_state, snapshot: meta, conf, entries: Vec::new() };
        // Scripts set time-outs where they matter.
        let mut raft = Raft::new(config.clone(), state, Box::new(|_| 0));
        if snapshot.meta.index > 0 {
            let kept = raft.compact(snapshot.clone());
            assert!(kept.is_ok(), "a log starts with its snapshot: {kept:?}");
        }
        Node {
            raft,
            config,
            first_after: snapshot.meta.index,
            log: Vec::new(),
            history: vec![snapshot.clone()],
            append_work: VecDeque::new(),
            apply_work: VecDeque::new(),
        }
    }

    pub fn id(&self) -> u64 {
        self.config.id
    }

    /// Carries a `Ready` out, or hands it to the storage threads, and returns what is to be sent.
    pub fn take(&mut self, mut ready: Ready, told: &mut Vec<String>) -> Vec<Delivery> {
        let messages = std::mem::take(&mut ready.messages);
        if self.config.async_storage_writes {
            self.append_work.extend(ready.append.map(|work| *work));
            self.apply_work.extend(ready.apply.map(|work| *work));
        } else {
            self.store(&ready.entries, ready.snapshot.as_ref());
            self.apply(&ready.committed, told);
            self.raft.advance();
        }
        messages.into_iter().map(Delivery::Peer).collect()
    }

    pub fn store(&mut self, entries: &[Entry], snapshot: Option<&Snapshot>) {
        if let Some(snapshot) = snapshot {
            self.first_after = snapshot.meta.index;
            self.log.clear();
        }
        if let Some(first) = entries.first() {
            let keep = first.index.saturating_sub(self.first_after + 1);
            self.log.truncate(keep as usize);
            self.log.extend_from_slice(entries);
        }
    }

    pub fn apply(&mut self, committed: &[Entry], told: &mut Vec<String>) {
        for entry in committed {
            let before = &self.history[self.history.len() - 1];
            let mut after = before.clone();
            let change = match entry.kind {
                EntryKind::Normal => None,
                EntryKind::ConfChange => {
                    ConfChange::decode(&entry.data).ok().map(|change| (&change).into())
                }
                EntryKind::ConfChangeV2 => ConfChangeV2::decode(&entry.data).ok(),
            };
            let update = match &change {
                Some(change) => {
                    after.meta.conf = self.raft.apply_conf_change_v2(change);
                    told.push(self.configured());
                    change.context.clone()
                }
                None => entry.data.clone(),
            };
            after.data = [&after.data[..], &update[..]].concat().into();
            (after.meta.index, after.meta.term) = (entry.index, entry.term);
            self.history.push(after);
        }
        // Who lags gets the newest state.
        if let (Some(newest), false) = (self.history.last(), committed.is_empty()) {
            let kept = self.raft.keep_snapshot(newest.clone());
            assert!(kept.is_ok(), "a state of what was applied: {kept:?}");
        }
    }

    /// What etcd logs when a node has a configuration, and the only log line that is compared.
    pub fn configured(&self) -> String {
        let conf = describe::configuration(&self.raft.conf_state());
        format!("INFO {} switched to configuration {conf}", self.id())
    }

    /// Drops the durable log up to `index`.
    pub fn compact(&mut self, index: u64) -> Result<(), String> {
        self.raft.drop_entries_to(index).map_err(|error| error.to_string())?;
        self.log.drain(..(index - self.first_after) as usize);
        self.first_after = index;
        Ok(())
    }

    /// The newest state, as it is sent to who lags.
    pub fn newest_snapshot(&self) -> Snapshot {
        self.history[self.history.len() - 1].clone()
    }

    pub fn print_log(&self) -> String {
        if self.log.is_empty() {
            let last = self.first_after;
            return format!("log is empty: first index={}, last index={last}", last + 1);
        }
        describe::entries(&self.log)
    }
}
