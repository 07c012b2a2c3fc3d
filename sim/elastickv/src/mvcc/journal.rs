//! The store on disk: one append-only file of CRC-framed batches (what Pebble's write-ahead log is to upstream).
//!
//! `store/<number>.log` holds a header, then either batches from the beginning of time or one whole state and the
//! batches after it. A batch carries its versions, its applied index and `last_commit_ts` together, so a crash keeps
//! or loses them together. A torn tail is cut off at recovery. A restore from a snapshot writes the next
//! number under a temporary name, syncs it, renames it, and only then removes the old file.
//!
//! Cannot see: whether a batch that was cut off had been promised to anyone. It had not: the Raft log is synced first and is
//! replayed from the store's applied index.

use super::{Keep, Mutation, Store, read_value, write_value};
use crate::codec::{FRAME_HEADER, Malformed, Reader, Writer, frame_with};
use crate::env::Disk;
use crate::files::{Format, FrameLog, read_whole};
use bytes::Bytes;
use std::io;

/// Where the store is and what its files begin with.
pub const FORMAT: Format = Format { folder: "store", header: "elastickv store 1" };
/// Only written where a planted bug keeps `last_commit_ts` apart from its batch.
const LAST_COMMIT_TS: &str = "store-meta/last_commit_ts";

const BATCH: u8 = 1;
const STATE: u8 = 2;
const APPLIED: u8 = 3;
const COMPACT: u8 = 4;

/// Where `last_commit_ts` is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastCommitTs {
    /// In the batch that moves it.
    InBatch,
    /// In a file of its own that nobody syncs (F35).
    OwnFileUnsynced,
}

/// The open file.
pub struct Journal<D> {
    log: FrameLog<D>,
    disk: D,
    keep: LastCommitTs,
}

/// One batch as a frame, ready to be appended.
pub fn batch(index: u64, commit_ts: u64, last_commit_ts: u64, mutations: &[Mutation]) -> Vec<u8> {
    framed(|writer| {
        writer.u8(BATCH).u64(index).u64(commit_ts).u64(last_commit_ts).u32(mutations.len() as u32);
        for mutation in mutations {
            writer.bytes(&mutation.key);
            write_value(writer, &mutation.value);
        }
    })
}

/// A frame that says that entries up to `index` are in the state although they wrote nothing (`SetDurableAppliedIndex`).
pub fn applied(index: u64) -> Vec<u8> {
    framed(|writer| {
        writer.u8(APPLIED).u64(index);
    })
}

/// A frame that says that the entry at `index` raised the watermark.
pub fn compaction(index: u64, min_ts: u64, keep: Keep) -> Vec<u8> {
    framed(|writer| {
        writer.u8(COMPACT).u64(index).u64(min_ts).u8(u8::from(keep == Keep::Visible));
    })
}

fn framed(payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut frame = Writer::new().finish();
    frame_with(&mut frame, payload);
    frame
}

impl<D: Disk + Clone> Journal<D> {
    /// Opens the newest file, or makes the first, and returns the state it holds.
    pub async fn open(disk: D, keep: LastCommitTs) -> io::Result<(Journal<D>, Store)> {
        let (mut log, frames) = FrameLog::open(disk.clone(), FORMAT).await?;
        let mut store = Store::default();
        match frames {
            None => log.start(&[]).await?,
            Some(frames) => {
                for frame in frames {
                    replay(&mut store, frame).map_err(|Malformed| log.broken())?;
                }
            }
        }
        let journal = Journal { log, disk, keep };
        if keep == LastCommitTs::OwnFileUnsynced {
            store.set_last_commit_ts(journal.read_own_file().await?);
        }
        Ok((journal, store))
    }

    /// Adds batches; they are durable when this returns.
    pub async fn append(&self, batches: &[u8], last_commit_ts: u64) -> io::Result<()> {
        self.log.append(batches).await?;
        if self.keep == LastCommitTs::OwnFileUnsynced {
            self.write_own_file(last_commit_ts).await?;
        }
        self.log.sync().await
    }

    /// Replaces everything by a state; durable when this returns.
    pub async fn replace(&mut self, state: &[u8], last_commit_ts: u64) -> io::Result<()> {
        if self.keep == LastCommitTs::OwnFileUnsynced {
            self.write_own_file(last_commit_ts).await?;
        }
        let mut frame = Vec::with_capacity(FRAME_HEADER + 1 + state.len());
        frame_with(&mut frame, |writer| {
            writer.u8(STATE).raw(state);
        });
        self.log.start(&frame).await
    }

    async fn write_own_file(&self, ts: u64) -> io::Result<()> {
        if self.disk.len(LAST_COMMIT_TS).await.is_err() {
            self.disk.create(LAST_COMMIT_TS).await?;
        }
        self.disk.write_at(LAST_COMMIT_TS, 0, &ts.to_le_bytes()).await
    }

    async fn read_own_file(&self) -> io::Result<u64> {
        let file = read_whole(&self.disk, LAST_COMMIT_TS).await?;
        Ok(file.and_then(|bytes| Reader::new(bytes).u64().ok()).unwrap_or(0))
    }
}

fn replay(store: &mut Store, payload: Bytes) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload.clone());
    match reader.u8()? {
        BATCH => {
            let (index, commit_ts, last_commit_ts) = (reader.u64()?, reader.u64()?, reader.u64()?);
            for _ in 0..reader.count(5)? {
                store.put(reader.bytes()?, commit_ts, read_value(&mut reader)?);
            }
            store.wrote(commit_ts, index);
            store.set_last_commit_ts(last_commit_ts);
            reader.end()
        }
        APPLIED => {
            store.applied = store.applied.max(reader.u64()?);
            reader.end()
        }
        COMPACT => {
            let (index, min_ts) = (reader.u64()?, reader.u64()?);
            let keep = if reader.u8()? == 1 { Keep::Visible } else { Keep::Nothing };
            reader.end()?;
            store.compact(min_ts, keep, index);
            Ok(())
        }
        STATE => {
            *store = Store::import(payload.slice(1..))?;
            Ok(())
        }
        _ => Err(Malformed),
    }
}
