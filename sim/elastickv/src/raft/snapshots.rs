//! Snapshot files (`raftengine/etcd/fsm_snapshot_file.go`): `snap/<index>.fsm`, one CRC frame, the newest three kept.

use crate::codec::{frame_at, frame_into};
use crate::env::Disk;
use crate::files::{read_whole, write_whole};
use bytes::Bytes;
use std::io;

const FOLDER: &str = "snap";
const KEPT: usize = 3;

fn path(index: u64) -> String {
    format!("{FOLDER}/{index:020}.fsm")
}

/// Writes the state as of `index`; durable when this returns.
pub async fn save<D: Disk>(disk: &D, index: u64, state: &[u8]) -> io::Result<()> {
    let mut content = Vec::with_capacity(state.len() + crate::codec::FRAME_HEADER);
    frame_into(&mut content, state);
    write_whole(disk, &path(index), &content).await
}

/// Removes files older than the newest three that the log, which stands on `index`, may need, and older ones that were never finished;
/// called when it does stand there.
pub async fn prune<D: Disk>(disk: &D, index: u64) -> io::Result<()> {
    let newest_kept = path(index);
    let files = disk.list(FOLDER).await?;
    let older: Vec<&String> =
        files.iter().filter(|file| file.ends_with(".fsm") && **file < newest_kept).collect();
    // Begun and never finished, by an earlier boot or by one that an installed snapshot has overtaken.
    let unfinished = files.iter().filter(|file| file.ends_with(".new") && **file < newest_kept);
    for old in older[..older.len().saturating_sub(KEPT - 1)].iter().copied().chain(unfinished) {
        disk.remove(old).await?;
    }
    Ok(())
}

/// Reads the state as of `index`.
pub async fn load<D: Disk>(disk: &D, index: u64) -> io::Result<Bytes> {
    let name = path(index);
    let file = read_whole(disk, &name).await?.unwrap_or_default();
    match frame_at(&file, 0) {
        Some((state, end)) if end == file.len() => Ok(state),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} fails its checksum"))),
    }
}
