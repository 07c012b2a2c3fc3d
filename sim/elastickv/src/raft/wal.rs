//! The Raft log on disk (`raftengine/etcd/wal_store.go`): append-only segments of CRC-framed records.
//!
//! A segment ([`FrameLog`]) begins with the snapshot that its entries stand on. Later records override earlier ones: entries cut
//! off the log from their first index. A snapshot starts the next segment.
//!
//! [`Image`] is what a prefix of a segment means; the simulation's durability check reads disks with it too.

use super::message::{ConfState, Entry, EntryKind, HardState, SnapshotMeta};
use crate::codec::{Malformed, Reader, Writer, frame_with};
use crate::env::Disk;
use crate::files::{Format, FrameLog};
use bytes::Bytes;
use std::io;

/// Where the log is and what its segments begin with.
pub const FORMAT: Format = Format { folder: "wal", header: "elastickv wal 1" };

const SNAPSHOT: u8 = 1;
const HARD_STATE: u8 = 2;
const ENTRIES: u8 = 3;

/// What the log says: the records read so far, the later ones over the earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Term, vote, commit.
    pub hard_state: HardState,
    /// What the entries stand on.
    pub snapshot: SnapshotMeta,
    /// From `snapshot.index + 1`, without gaps.
    pub entries: Vec<Entry>,
}

impl Image {
    /// Takes one record.
    pub fn take(&mut self, record: Bytes) -> Result<(), Malformed> {
        let mut r = Reader::new(record);
        match r.u8()? {
            SNAPSHOT => {
                self.snapshot =
                    SnapshotMeta { index: r.u64()?, term: r.u64()?, conf: read_conf(&mut r)? };
                let covered = self.snapshot.index;
                self.entries.retain(|entry| entry.index > covered);
            }
            HARD_STATE => {
                self.hard_state = HardState { term: r.u64()?, vote: r.u64()?, commit: r.u64()? };
            }
            ENTRIES => {
                for _ in 0..r.count(21)? {
                    self.take_entry(read_entry(&mut r)?)?;
                }
            }
            _ => return Err(Malformed),
        }
        r.end()
    }

    fn take_entry(&mut self, entry: Entry) -> Result<(), Malformed> {
        let next = self.snapshot.index + 1 + self.entries.len() as u64;
        if entry.index <= self.snapshot.index || entry.index > next {
            return Err(Malformed);
        }
        self.entries.truncate((entry.index - self.snapshot.index - 1) as usize);
        self.entries.push(entry);
        Ok(())
    }

    /// The term of the entry at `index`; `None` if the log has none there or it is inside the snapshot.
    pub fn term_of(&self, index: u64) -> Option<u64> {
        if index == self.snapshot.index {
            return Some(self.snapshot.term);
        }
        let position = index.checked_sub(self.snapshot.index + 1)?;
        self.entries.get(position as usize).map(|entry| entry.term)
    }

    /// Index of the last entry.
    pub fn last_index(&self) -> u64 {
        self.snapshot.index + self.entries.len() as u64
    }
}

/// The open segment.
pub struct Wal<D>(FrameLog<D>);

impl<D: Disk> Wal<D> {
    /// Opens the newest segment and reads it, or makes the first one, standing on `bootstrap`.
    pub async fn open(disk: D, bootstrap: &SnapshotMeta) -> io::Result<(Wal<D>, Image)> {
        let (log, records) = FrameLog::open(disk, FORMAT).await?;
        let mut wal = Wal(log);
        let mut image = Image::default();
        match records {
            Some(records) => {
                for record in records {
                    image.take(record).map_err(|Malformed| wal.0.broken())?;
                }
            }
            None => {
                image.hard_state =
                    HardState { term: bootstrap.term, vote: 0, commit: bootstrap.index };
                image.snapshot = bootstrap.clone();
                wal.cut(bootstrap, &image.hard_state, &[]).await?;
            }
        }
        Ok((wal, image))
    }

    /// Adds records; not durable before [`Wal::sync`].
    pub async fn append(
        &self,
        hard_state: Option<&HardState>,
        entries: &[Entry],
    ) -> io::Result<()> {
        if entries.is_empty() && hard_state.is_none() {
            return Ok(());
        }
        let bytes: usize = entries.iter().map(|entry| entry.data.len() + 21).sum();
        let mut frames = Vec::with_capacity(bytes + 64);
        if !entries.is_empty() {
            frame_with(&mut frames, |w| entries_record(w, entries));
        }
        if let Some(hard_state) = hard_state {
            frame_with(&mut frames, |w| hard_state_record(w, hard_state));
        }
        self.0.append(&frames).await
    }

    /// What was appended is durable when this returns.
    pub async fn sync(&self) -> io::Result<()> {
        self.0.sync().await
    }

    /// Starts the next segment on a snapshot; durable when this returns.
    pub async fn cut(
        &mut self,
        snapshot: &SnapshotMeta,
        hard_state: &HardState,
        entries: &[Entry],
    ) -> io::Result<()> {
        let mut frames = Vec::new();
        frame_with(&mut frames, |w| snapshot_record(w, snapshot));
        frame_with(&mut frames, |w| hard_state_record(w, hard_state));
        if !entries.is_empty() {
            frame_with(&mut frames, |w| entries_record(w, entries));
        }
        self.0.start(&frames).await
    }
}

fn snapshot_record(w: &mut Writer, meta: &SnapshotMeta) {
    w.u8(SNAPSHOT).u64(meta.index).u64(meta.term);
    let conf = &meta.conf;
    write_ids(w, &conf.voters);
    write_ids(w, &conf.learners);
    if conf.is_joint() {
        write_ids(w, &conf.voters_outgoing);
        write_ids(w, &conf.learners_next);
        w.u8(u8::from(conf.auto_leave));
    }
}

fn write_ids(w: &mut Writer, ids: &[u64]) {
    w.u32(ids.len() as u32);
    for id in ids {
        w.u64(*id);
    }
}

/// Only a joint configuration has anything after its learners.
fn read_conf(r: &mut Reader) -> Result<ConfState, Malformed> {
    let mut conf = ConfState::new(read_ids(r)?, read_ids(r)?);
    if r.left() > 0 {
        (conf.voters_outgoing, conf.learners_next) = (read_ids(r)?, read_ids(r)?);
        conf.auto_leave = r.u8()? == 1;
    }
    Ok(conf)
}

fn read_ids(r: &mut Reader) -> Result<Vec<u64>, Malformed> {
    (0..r.count(8)?).map(|_| r.u64()).collect()
}

fn hard_state_record(w: &mut Writer, state: &HardState) {
    w.u8(HARD_STATE).u64(state.term).u64(state.vote).u64(state.commit);
}

fn entries_record(w: &mut Writer, entries: &[Entry]) {
    w.u8(ENTRIES).u32(entries.len() as u32);
    for entry in entries {
        let kind = match entry.kind {
            EntryKind::Normal => 0,
            EntryKind::ConfChange => 1,
            EntryKind::ConfChangeV2 => 2,
        };
        w.u64(entry.term).u64(entry.index).u8(kind).bytes(&entry.data);
    }
}

fn read_entry(r: &mut Reader) -> Result<Entry, Malformed> {
    let (term, index) = (r.u64()?, r.u64()?);
    let kind = match r.u8()? {
        0 => EntryKind::Normal,
        1 => EntryKind::ConfChange,
        2 => EntryKind::ConfChangeV2,
        _ => return Err(Malformed),
    };
    Ok(Entry { term, index, kind, data: r.bytes()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { term, index, kind: EntryKind::Normal, data: Bytes::from(format!("e{index}")) }
    }

    fn record(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut w = Writer::new();
        fill(&mut w);
        w.finish()
    }

    fn entries_of(entries: &[Entry]) -> Vec<u8> {
        record(|w| entries_record(w, entries))
    }

    fn snapshot_of(meta: &SnapshotMeta) -> Vec<u8> {
        record(|w| snapshot_record(w, meta))
    }

    fn image_of(records: &[Vec<u8>]) -> Image {
        let mut image = Image::default();
        for record in records {
            image.take(Bytes::from(record.clone())).unwrap();
        }
        image
    }

    #[test]
    fn entries_cut_off_what_was_logged_from_their_first_index() {
        let image = image_of(&[
            entries_of(&[entry(1, 1), entry(2, 1), entry(3, 1)]),
            record(|w| hard_state_record(w, &HardState { term: 2, vote: 3, commit: 1 })),
            entries_of(&[entry(2, 2)]),
        ]);
        assert_eq!(image.last_index(), 2);
        assert_eq!(
            (image.term_of(1), image.term_of(2), image.term_of(3)),
            (Some(1), Some(2), None)
        );
        assert_eq!(image.hard_state, HardState { term: 2, vote: 3, commit: 1 });
    }

    #[test]
    fn a_snapshot_covers_the_entries_up_to_its_index() {
        let meta = SnapshotMeta { index: 2, term: 1, conf: ConfState::new([1, 2], [3]) };
        let image =
            image_of(&[entries_of(&[entry(1, 1), entry(2, 1), entry(3, 2)]), snapshot_of(&meta)]);
        assert_eq!(image.snapshot, meta);
        assert_eq!((image.term_of(2), image.term_of(3), image.last_index()), (Some(1), Some(2), 3));
    }

    #[test]
    fn a_joint_configuration_and_its_end_come_back() {
        let joint = ConfState {
            voters_outgoing: vec![1, 2],
            learners_next: vec![2],
            auto_leave: true,
            ..ConfState::new([1, 3], [4])
        };
        let meta = SnapshotMeta { index: 2, term: 1, conf: joint };
        let leave = Entry { kind: EntryKind::ConfChangeV2, data: Bytes::new(), ..entry(3, 1) };
        let image = image_of(&[snapshot_of(&meta), entries_of(std::slice::from_ref(&leave))]);
        assert_eq!((image.snapshot, image.entries), (meta, vec![leave]));
    }

    #[test]
    fn a_gap_is_malformed() {
        let mut image = Image::default();
        assert_eq!(image.take(Bytes::from(entries_of(&[entry(2, 1)]))), Err(Malformed));
    }
}
