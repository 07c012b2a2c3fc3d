//! Durable before promised (Raft §5, Figure 2 "updated on stable storage before responding to RPCs"): when a vote, a candidate's
//! request for one (it has voted for itself) or an append response leaves a node, the term, the vote and the entries that it speaks for are on that node's disk where no power cut can
//! take them.
//!
//! Detects: `ack_before_fsync`, `vote_not_persisted`. Cannot see: what a leader counts for itself; and nothing is promised by a rejection, a
//! pre-vote or a heartbeat's answer. A node whose disk lies to it is not asked until that has ended or another disk is in its place. An entry on disk of another term than the one promised at the same index passes: the
//! answer does not name the term.

use super::{DiskView, Invariant, Sent};
use bytes::Bytes;
use elastickv::codec::frame_at;
use elastickv::env::Fact;
use elastickv::raft::wal::{self, Image};
use elastickv::raft::{Message, MessageKind};
use std::collections::{BTreeMap, BTreeSet};

/// What each node's disk has been read to say, so that only new bytes are read.
#[derive(Default)]
pub struct DurableBeforePromised {
    logs: BTreeMap<u16, Log>,
    /// Whose disks lie: these nodes cannot know what they hold, and must be replaced when it is gone.
    doubted: BTreeSet<u16>,
}

#[derive(Default)]
struct Log {
    /// How many changes of names were durable when the newest segment was looked for.
    names: Option<u64>,
    segment: String,
    read: usize,
    image: Image,
}

impl Invariant for DurableBeforePromised {
    fn name(&self) -> &'static str {
        "durable-before-promised"
    }

    fn observe(&mut self, node: u16, _: u64, fact: &Fact) -> Result<(), String> {
        if matches!(fact, Fact::Recovered { .. }) {
            // Recovery may have cut a torn tail off the segment.
            self.logs.remove(&node);
        }
        Ok(())
    }

    fn wiped(&mut self, node: u16) {
        self.logs.remove(&node);
        self.doubted.remove(&node);
    }

    fn doubted(&mut self, node: u16, doubted: bool) {
        self.logs.remove(&node);
        match doubted {
            true => self.doubted.insert(node),
            false => self.doubted.remove(&node),
        };
    }

    fn watches_sends(&self) -> bool {
        true
    }

    fn sent(&mut self, sent: &Sent<'_>) -> Result<(), String> {
        if self.doubted.contains(&sent.node) {
            return Ok(());
        }
        let kind = Message::kind_of(sent.message);
        if !matches!(kind, Some(MessageKind::AppResp | MessageKind::VoteResp | MessageKind::Vote)) {
            return Ok(());
        }
        let Ok(message) = Message::decode(sent.message) else { return Ok(()) };
        if message.reject {
            return Ok(());
        }
        let log = self.logs.entry(sent.node).or_default();
        log.read_on(sent.disk);
        check(sent.node, sent.to, &message, &log.image)
    }
}

impl Log {
    fn read_on(&mut self, disk: DiskView<'_>) {
        let names = Some(disk.names_settled());
        if self.names != names {
            let segments = disk.synced_paths();
            let newest = segments.filter(|path| wal::FORMAT.segment_number(path).is_some()).max();
            let Some(newest) = newest else { return };
            if newest != self.segment {
                *self = Log { segment: newest.to_owned(), ..Log::default() };
            }
            self.names = names;
        }
        let Some(bytes) = disk.synced_image(&self.segment) else { return };
        let Some(news) = bytes.get(self.read..).filter(|news| !news.is_empty()) else { return };
        let news = Bytes::copy_from_slice(news);
        let mut at = 0;
        while let Some((record, next)) = frame_at(&news, at) {
            let header = self.read + at == 0;
            if !header && self.image.take(record).is_err() {
                return;
            }
            at = next;
        }
        self.read += at;
    }
}

fn check(node: u16, to: u16, message: &Message, disk: &Image) -> Result<(), String> {
    let (term, state) = (message.term, &disk.hard_state);
    if state.term < term {
        return Err(format!(
            "n{node} answers in term {term} but its disk holds term {}",
            state.term
        ));
    }
    match message.kind {
        MessageKind::VoteResp if state.term == term && state.vote != u64::from(to) => {
            let held = state.vote;
            Err(format!("n{node} votes for n{to} in term {term} but its disk holds vote {held}"))
        }
        MessageKind::Vote if (state.term, state.vote) != (term, u64::from(node)) => {
            let (held, vote) = (state.term, state.vote);
            Err(format!(
                "n{node} stands for term {term} but its disk holds term {held} and vote {vote}"
            ))
        }
        MessageKind::AppResp if disk.last_index() < message.index => {
            let (promised, held) = (message.index, disk.last_index());
            Err(format!("n{node} acknowledges entry {promised} but its disk ends at entry {held}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Volume;
    use elastickv::env::{GroupId, Lane};
    use elastickv::raft::{Entry, HardState, SnapshotMeta};

    fn image(term: u64, vote: u64, entries: u64) -> Image {
        let entry = |index| Entry { term, index, ..Entry::default() };
        Image {
            hard_state: HardState { term, vote, commit: 0 },
            snapshot: SnapshotMeta::default(),
            entries: (1..=entries).map(entry).collect(),
        }
    }

    fn message(kind: MessageKind, term: u64, index: u64) -> Message {
        Message { term, index, from: 2, ..Message::new(kind, 1) }
    }

    #[test]
    fn a_vote_and_an_entry_that_the_disk_holds_may_be_promised() {
        let disk = image(3, 1, 5);
        assert_eq!(check(2, 1, &message(MessageKind::VoteResp, 3, 0), &disk), Ok(()));
        assert_eq!(check(2, 1, &message(MessageKind::AppResp, 3, 5), &disk), Ok(()));
    }

    #[test]
    fn a_candidate_has_voted_for_itself_durably() {
        assert_eq!(check(2, 1, &message(MessageKind::Vote, 3, 9), &image(3, 2, 5)), Ok(()));
        assert!(check(2, 1, &message(MessageKind::Vote, 3, 9), &image(3, 0, 5)).is_err());
        assert!(check(2, 1, &message(MessageKind::Vote, 4, 9), &image(3, 2, 5)).is_err());
    }

    #[test]
    fn a_vote_a_term_or_an_entry_that_a_power_cut_would_take_may_not() {
        let disk = image(3, 0, 5);
        assert!(check(2, 1, &message(MessageKind::VoteResp, 3, 0), &disk).is_err());
        assert!(check(2, 1, &message(MessageKind::VoteResp, 4, 0), &disk).is_err());
        assert!(check(2, 1, &message(MessageKind::AppResp, 3, 6), &disk).is_err());
        assert!(check(2, 1, &message(MessageKind::AppResp, 4, 5), &disk).is_err());
    }

    #[test]
    fn whom_its_disk_lies_to_is_not_asked_until_that_is_over() {
        let volume = Volume::default();
        let bytes = message(MessageKind::VoteResp, 3, 0).encode();
        let sent = Sent {
            node: 2,
            boot: 1,
            to: 1,
            lane: Lane::Heartbeat,
            message: &bytes,
            disk: DiskView::of(&volume, GroupId::DEFAULT),
        };
        let mut invariant = DurableBeforePromised::default();
        assert!(invariant.sent(&sent).is_err(), "there is nothing on the disk");
        invariant.doubted(2, true);
        assert_eq!(invariant.sent(&sent), Ok(()));
        invariant.doubted(2, false);
        assert!(invariant.sent(&sent).is_err());
        invariant.doubted(2, true);
        invariant.wiped(2);
        assert!(invariant.sent(&sent).is_err(), "another disk is in its place");
    }
}
