//! The store on disk: one append-only file of CRC-framed batches (what Pebble's write-ahead log is to upstream).
//!
//! `store/<number>.log` holds a header, then either batches from the beginning of time or one whole state and the
//! batches after it. A batch carries its versions, its applied index and `last_commit_ts` together, so a crash keeps
//! or loses them together. A torn tail is cut off at recovery. A restore from a snapshot writes the next
//! number under a temporary name, syncs it, renames it, and only then removes the old file.
//!
//! Cannot see: whether a batch that was cut off had been promised to anyone. It had not: the Raft log is synced first and is
//! replayed from the store's applied index.

use super::{Mutation, Store, read_value, write_value};
use crate::codec::{FRAME_HEADER, Malformed, Reader, Writer, frame_at, frame_into};
use crate::env::Disk;
use bytes::Bytes;
use std::io;

const FOLDER: &str = "store";
const HEADER: &[u8] = b"elastickv store 1";
/// Only written where a planted bug keeps `last_commit_ts` apart from its batch.
const LAST_COMMIT_TS: &str = "store-meta/last_commit_ts";

const BATCH: u8 = 1;
const STATE: u8 = 2;
const APPLIED: u8 = 3;

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
    disk: D,
    number: u64,
    keep: LastCommitTs,
}

/// One batch as a frame, ready to be appended.
pub fn batch(index: u64, commit_ts: u64, last_commit_ts: u64, mutations: &[Mutation]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(BATCH).u64(index).u64(commit_ts).u64(last_commit_ts).u32(mutations.len() as u32);
    for mutation in mutations {
        writer.bytes(&mutation.key);
        write_value(&mut writer, &mutation.value);
    }
    framed(&writer.finish())
}

/// A frame that says that entries up to `index` are in the state although they wrote nothing (`SetDurableAppliedIndex`).
pub fn applied(index: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(APPLIED).u64(index);
    framed(&writer.finish())
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEADER + payload.len());
    frame_into(&mut frame, payload);
    frame
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:08}.log")
}

fn number_of(path: &str) -> Option<u64> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".log")?.parse().ok()
}

impl<D: Disk> Journal<D> {
    /// Opens the newest file, or makes the first, and returns the state it holds.
    pub async fn open(disk: D, keep: LastCommitTs) -> io::Result<(Journal<D>, Store)> {
        let newest = disk.list(FOLDER).await?.iter().filter_map(|p| number_of(p)).max();
        let journal = Journal { disk, number: newest.unwrap_or(1), keep };
        let mut store = match newest {
            Some(_) => journal.recover().await?,
            None => {
                journal.create(&framed(HEADER)).await?;
                Store::default()
            }
        };
        journal.remove_others().await?;
        if keep == LastCommitTs::OwnFileUnsynced {
            store.set_last_commit_ts(journal.read_own_file().await?);
        }
        Ok((journal, store))
    }

    async fn create(&self, content: &[u8]) -> io::Result<()> {
        let (temporary, name) = (format!("{FOLDER}/{:08}.new", self.number), path(self.number));
        self.disk.create(&temporary).await?;
        self.disk.append(&temporary, content).await?;
        self.disk.sync(&temporary).await?;
        self.disk.rename(&temporary, &name).await?;
        self.disk.sync_dir(FOLDER).await
    }

    async fn recover(&self) -> io::Result<Store> {
        let name = path(self.number);
        let len = self.disk.len(&name).await?;
        let file = self.disk.read_at(&name, 0, len as usize).await?;
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{name} is not a store of this version"),
            )
        };
        let (header, mut offset) = frame_at(&file, 0).ok_or_else(broken)?;
        if header != HEADER {
            return Err(broken());
        }
        let mut store = Store::default();
        while let Some((payload, next)) = frame_at(&file, offset) {
            replay(&mut store, payload).map_err(|_| broken())?;
            offset = next;
        }
        if (offset as u64) < len {
            self.disk.truncate(&name, offset as u64).await?;
            self.disk.sync(&name).await?;
        }
        Ok(store)
    }

    async fn remove_others(&self) -> io::Result<()> {
        for other in self.disk.list(FOLDER).await? {
            if number_of(&other) != Some(self.number) {
                self.disk.remove(&other).await?;
            }
        }
        Ok(())
    }

    /// Adds batches; they are durable when this returns.
    pub async fn append(&self, batches: &[u8], last_commit_ts: u64) -> io::Result<()> {
        self.disk.append(&path(self.number), batches).await?;
        if self.keep == LastCommitTs::OwnFileUnsynced {
            self.write_own_file(last_commit_ts).await?;
        }
        self.disk.sync(&path(self.number)).await
    }

    /// Replaces everything by a state; durable when this returns.
    pub async fn replace(&mut self, state: &[u8]) -> io::Result<()> {
        self.number += 1;
        let mut payload = vec![STATE];
        payload.extend_from_slice(state);
        let mut content = framed(HEADER);
        frame_into(&mut content, &payload);
        self.create(&content).await?;
        self.remove_others().await
    }

    async fn write_own_file(&self, ts: u64) -> io::Result<()> {
        if self.disk.len(LAST_COMMIT_TS).await.is_err() {
            self.disk.create(LAST_COMMIT_TS).await?;
        }
        self.disk.write_at(LAST_COMMIT_TS, 0, &ts.to_le_bytes()).await
    }

    async fn read_own_file(&self) -> io::Result<u64> {
        match self.disk.read_at(LAST_COMMIT_TS, 0, 8).await {
            Ok(bytes) => Ok(Reader::new(bytes).u64().unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn replay(store: &mut Store, payload: Bytes) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload.clone());
    match reader.u8()? {
        BATCH => {
            let (index, commit_ts, last_commit_ts) = (reader.u64()?, reader.u64()?, reader.u64()?);
            let mut mutations = Vec::new();
            for _ in 0..reader.count(5)? {
                mutations.push(Mutation { key: reader.bytes()?, value: read_value(&mut reader)? });
            }
            reader.end()?;
            store.write(&mutations, commit_ts, index);
            store.set_last_commit_ts(last_commit_ts);
            Ok(())
        }
        APPLIED => {
            store.applied = store.applied.max(reader.u64()?);
            reader.end()
        }
        STATE => {
            *store = Store::import(payload.slice(1..))?;
            Ok(())
        }
        _ => Err(Malformed),
    }
}
