//! The Raft log on disk (`raftengine/etcd/wal_store.go`): append-only segments of CRC-framed records.
//!
//! A segment `wal/<number>.log` begins with a header and the snapshot that its entries stand on. Later records override earlier
//! ones: entries cut off the log from their first index. A snapshot starts the next segment under a temporary name,
//! synced, renamed, and only then is the old one removed. A torn tail is cut off at recovery.
//!
//! [`Image`] is what a prefix of a segment means; the simulation's durability check reads disks with it too.

use super::message::{ConfState, Entry, EntryKind, HardState, SnapshotMeta};
use crate::codec::{Malformed, Reader, Writer, frame_at, frame_into};
use crate::env::Disk;
use bytes::Bytes;
use std::io;

/// The folder of the segments.
pub const FOLDER: &str = "wal";
const HEADER: &[u8] = b"elastickv wal 1";

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
        if record == HEADER {
            return Ok(());
        }
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

/// The number of the segment at `path`.
pub fn segment_number(path: &str) -> Option<u64> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".log")?.parse().ok()
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:08}.log")
}

/// The open segment.
pub struct Wal<D> {
    disk: D,
    number: u64,
}

impl<D: Disk> Wal<D> {
    /// Opens the newest segment and reads it, or makes the first one, standing on `bootstrap`.
    pub async fn open(disk: D, bootstrap: &SnapshotMeta) -> io::Result<(Wal<D>, Image)> {
        let newest = disk.list(FOLDER).await?.iter().filter_map(|p| segment_number(p)).max();
        let mut wal = Wal { disk, number: newest.unwrap_or(0) };
        let image = match newest {
            Some(_) => wal.recover().await?,
            None => {
                let start = HardState { term: bootstrap.term, vote: 0, commit: bootstrap.index };
                wal.cut(bootstrap, &start, &[]).await?;
                Image { hard_state: start, snapshot: bootstrap.clone(), entries: Vec::new() }
            }
        };
        wal.remove_others().await?;
        Ok((wal, image))
    }

    async fn recover(&self) -> io::Result<Image> {
        let name = path(self.number);
        let len = self.disk.len(&name).await?;
        let file = self.disk.read_at(&name, 0, len as usize).await?;
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{name} is not a log of this version"),
            )
        };
        let (header, mut offset) = frame_at(&file, 0).ok_or_else(broken)?;
        if header != HEADER {
            return Err(broken());
        }
        let mut image = Image::default();
        while let Some((record, next)) = frame_at(&file, offset) {
            image.take(record).map_err(|_| broken())?;
            offset = next;
        }
        if (offset as u64) < len {
            self.disk.truncate(&name, offset as u64).await?;
            self.disk.sync(&name).await?;
        }
        Ok(image)
    }

    /// Adds records; not durable before [`Wal::sync`].
    pub async fn append(
        &self,
        hard_state: Option<&HardState>,
        entries: &[Entry],
    ) -> io::Result<()> {
        let mut frames = Vec::new();
        if !entries.is_empty() {
            frame_into(&mut frames, &entries_record(entries));
        }
        if let Some(hard_state) = hard_state {
            frame_into(&mut frames, &hard_state_record(hard_state));
        }
        if frames.is_empty() {
            return Ok(());
        }
        self.disk.append(&path(self.number), &frames).await
    }

    /// What was appended is durable when this returns.
    pub async fn sync(&self) -> io::Result<()> {
        self.disk.sync(&path(self.number)).await
    }

    /// Starts the next segment on a snapshot; durable when this returns.
    pub async fn cut(
        &mut self,
        snapshot: &SnapshotMeta,
        hard_state: &HardState,
        entries: &[Entry],
    ) -> io::Result<()> {
        let mut content = Vec::new();
        frame_into(&mut content, HEADER);
        frame_into(&mut content, &snapshot_record(snapshot));
        frame_into(&mut content, &hard_state_record(hard_state));
        if !entries.is_empty() {
            frame_into(&mut content, &entries_record(entries));
        }
        self.number += 1;
        let temporary = format!("{FOLDER}/{:08}.new", self.number);
        self.disk.create(&temporary).await?;
        self.disk.append(&temporary, &content).await?;
        self.disk.sync(&temporary).await?;
        self.disk.rename(&temporary, &path(self.number)).await?;
        self.disk.sync_dir(FOLDER).await?;
        self.remove_others().await
    }

    async fn remove_others(&self) -> io::Result<()> {
        for other in self.disk.list(FOLDER).await? {
            if segment_number(&other) != Some(self.number) {
                self.disk.remove(&other).await?;
            }
        }
        Ok(())
    }
}

fn snapshot_record(meta: &SnapshotMeta) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(SNAPSHOT).u64(meta.index).u64(meta.term);
    for ids in [&meta.conf.voters, &meta.conf.learners] {
        w.u32(ids.len() as u32);
        for id in ids {
            w.u64(*id);
        }
    }
    w.finish()
}

fn read_conf(r: &mut Reader) -> Result<ConfState, Malformed> {
    let voters = (0..r.count(8)?).map(|_| r.u64()).collect::<Result<_, _>>()?;
    let learners = (0..r.count(8)?).map(|_| r.u64()).collect::<Result<_, _>>()?;
    Ok(ConfState { voters, learners })
}

fn hard_state_record(state: &HardState) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(HARD_STATE).u64(state.term).u64(state.vote).u64(state.commit);
    w.finish()
}

fn entries_record(entries: &[Entry]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(ENTRIES).u32(entries.len() as u32);
    for entry in entries {
        let kind = match entry.kind {
            EntryKind::Normal => 0,
            EntryKind::ConfChange => 1,
        };
        w.u64(entry.term).u64(entry.index).u8(kind).bytes(&entry.data);
    }
    w.finish()
}

fn read_entry(r: &mut Reader) -> Result<Entry, Malformed> {
    let (term, index) = (r.u64()?, r.u64()?);
    let kind = match r.u8()? {
        0 => EntryKind::Normal,
        1 => EntryKind::ConfChange,
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
            entries_record(&[entry(1, 1), entry(2, 1), entry(3, 1)]),
            hard_state_record(&HardState { term: 2, vote: 3, commit: 1 }),
            entries_record(&[entry(2, 2)]),
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
        let meta = SnapshotMeta {
            index: 2,
            term: 1,
            conf: ConfState { voters: vec![1, 2], learners: vec![3] },
        };
        let image = image_of(&[
            entries_record(&[entry(1, 1), entry(2, 1), entry(3, 2)]),
            snapshot_record(&meta),
        ]);
        assert_eq!(image.snapshot, meta);
        assert_eq!((image.term_of(2), image.term_of(3), image.last_index()), (Some(1), Some(2), 3));
    }

    #[test]
    fn a_gap_is_malformed() {
        let mut image = Image::default();
        assert_eq!(image.take(Bytes::from(entries_record(&[entry(2, 1)]))), Err(Malformed));
    }
}
