//! Files, as the process that wrote them sees them.

use super::{Broken, Clause, ensure, ensure_kind};
use crate::env::{Disk, Env};
use bytes::Bytes;
use futures_util::future::join;
use std::io;

/// All files of these clauses are in it, and each removes its own.
const FOLDER: &str = "contract";
const FILE: &str = "contract/file";

pub(super) fn clauses<E: Env>() -> Vec<Clause<E>> {
    vec![
        Clause {
            name: "what was appended is read, and its length told",
            check: |a, _| Box::pin(appended(a)),
        },
        Clause { name: "a created file is empty, also again", check: |a, _| Box::pin(created(a)) },
        Clause {
            name: "a file that is not there is not found, whatever is asked of it",
            check: |a, _| Box::pin(not_found(a)),
        },
        Clause {
            name: "a read gives what there is, and nothing past the end",
            check: |a, _| Box::pin(past_the_end(a)),
        },
        Clause {
            name: "an overwrite changes what it covers, and grows the file",
            check: |a, _| Box::pin(overwritten(a)),
        },
        Clause {
            name: "after a truncation the end is where it was cut",
            check: |a, _| Box::pin(truncated(a)),
        },
        Clause {
            name: "a rename moves a file and replaces what was there",
            check: |a, _| Box::pin(renamed(a)),
        },
        Clause {
            name: "a removed file is gone, and a new one of its name is empty",
            check: |a, _| Box::pin(removed(a)),
        },
        Clause {
            name: "a list is sorted, of files only, and not of folders below",
            check: |a, _| Box::pin(listed(a)),
        },
        Clause { name: "everything can be synced", check: |a, _| Box::pin(synced(a)) },
        Clause {
            name: "appends during a sync are kept in order",
            check: |a, _| Box::pin(appended_during_sync(a)),
        },
        Clause { name: "nodes do not share files", check: |a, b| Box::pin(own_files(a, b)) },
        Clause { name: "a large file reads back", check: |a, _| Box::pin(large(a)) },
    ]
}

async fn ensure_content(disk: &impl Disk, path: &str, content: &[u8]) -> Result<(), Broken> {
    let len = disk.len(path).await?;
    ensure(len == content.len() as u64, || format!("{path} has {len} bytes"))?;
    let read = read_up_to(disk, path, 0, content.len() + 10).await?;
    ensure(read == content, || format!("{path} holds {read:?}"))
}

/// What is there of `len` bytes from `offset`: a read may give less, but nothing only where the file ends.
async fn read_up_to(disk: &impl Disk, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    while read.len() < len {
        let from = offset.saturating_add(read.len() as u64);
        let more = disk.read_at(path, from, len - read.len()).await?;
        if more.is_empty() {
            break;
        }
        read.extend_from_slice(&more);
    }
    Ok(read)
}

/// A file with this content, whatever was there before.
async fn file(disk: &impl Disk, path: &str, content: &[u8]) -> Result<(), Broken> {
    disk.create(path).await?;
    disk.append(path, content).await?;
    Ok(())
}

async fn appended<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"one").await?;
    disk.append(FILE, b"").await?;
    disk.append(FILE, b", two").await?;
    ensure_content(&disk, FILE, b"one, two").await?;
    // Another handle on the same disk sees the same.
    ensure_content(&env.disk(), FILE, b"one, two").await?;
    Ok(disk.remove(FILE).await?)
}

async fn created<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    disk.create(FILE).await?;
    ensure_content(&disk, FILE, b"").await?;
    disk.append(FILE, b"old").await?;
    disk.create(FILE).await?;
    ensure_content(&disk, FILE, b"").await?;
    disk.append(FILE, b"new").await?;
    ensure_content(&disk, FILE, b"new").await?;
    Ok(disk.remove(FILE).await?)
}

async fn not_found<E: Env>(env: &E) -> Result<(), Broken> {
    let (disk, kind) = (env.disk(), io::ErrorKind::NotFound);
    let there = "contract/there";
    file(&disk, there, b"stays").await?;
    // Never made, in a folder never made, and below what is a file.
    for path in ["contract/missing", "contract/deep/er/missing"] {
        ensure_kind("len", disk.len(path).await, kind)?;
        ensure_kind("append", disk.append(path, b"x").await, kind)?;
        ensure_kind("read_at", disk.read_at(path, 0, 1).await, kind)?;
        ensure_kind("write_at", disk.write_at(path, 0, b"x").await, kind)?;
        ensure_kind("truncate", disk.truncate(path, 0).await, kind)?;
        ensure_kind("sync", disk.sync(path).await, kind)?;
        ensure_kind("rename", disk.rename(path, there).await, kind)?;
        ensure_kind("remove", disk.remove(path).await, kind)?;
        ensure_kind("len, after all that", disk.len(path).await, kind)?;
    }
    ensure_content(&disk, there, b"stays").await?;
    Ok(disk.remove(there).await?)
}

async fn past_the_end<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"0123456789").await?;
    for (offset, len, expected) in [
        (0, 4, &b"0123"[..]),
        (3, 4, b"3456"),
        (7, 99, b"789"),
        (10, 5, b""),
        (11, 5, b""),
        (u64::MAX, 5, b""),
        (4, 0, b""),
    ] {
        let read = read_up_to(&disk, FILE, offset, len).await?;
        ensure(read == expected, || format!("{len} bytes from {offset} were {read:?}"))?;
    }
    Ok(disk.remove(FILE).await?)
}

async fn overwritten<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"0123456789").await?;
    disk.write_at(FILE, 2, b"ab").await?;
    ensure_content(&disk, FILE, b"01ab456789").await?;
    disk.write_at(FILE, 8, b"cdef").await?;
    ensure_content(&disk, FILE, b"01ab4567cdef").await?;
    // What lies between the old end and the new bytes is zeros.
    disk.write_at(FILE, 14, b"g").await?;
    ensure_content(&disk, FILE, b"01ab4567cdef\0\0g").await?;
    disk.append(FILE, b"h").await?;
    ensure_content(&disk, FILE, b"01ab4567cdef\0\0gh").await?;
    Ok(disk.remove(FILE).await?)
}

async fn truncated<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"0123456789").await?;
    disk.truncate(FILE, 4).await?;
    ensure_content(&disk, FILE, b"0123").await?;
    disk.append(FILE, b"x").await?;
    ensure_content(&disk, FILE, b"0123x").await?;
    disk.truncate(FILE, 0).await?;
    ensure_content(&disk, FILE, b"").await?;
    // What was cut off does not come back.
    disk.write_at(FILE, 3, b"y").await?;
    ensure_content(&disk, FILE, b"\0\0\0y").await?;
    Ok(disk.remove(FILE).await?)
}

async fn renamed<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    let (from, to) = ("contract/from", "contract/other/to");
    file(&disk, from, b"moved").await?;
    file(&disk, to, b"replaced, and longer").await?;
    disk.rename(from, to).await?;
    ensure_content(&disk, to, b"moved").await?;
    ensure_kind("the old name", disk.len(from).await, io::ErrorKind::NotFound)?;
    disk.append(to, b" on").await?;
    ensure_content(&disk, to, b"moved on").await?;
    disk.create(from).await?;
    ensure_content(&disk, from, b"").await?;
    ensure_content(&disk, to, b"moved on").await?;
    disk.remove(from).await?;
    Ok(disk.remove(to).await?)
}

async fn removed<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"old").await?;
    disk.remove(FILE).await?;
    ensure_kind("a removed file", disk.read_at(FILE, 0, 1).await, io::ErrorKind::NotFound)?;
    ensure_kind("a second removal", disk.remove(FILE).await, io::ErrorKind::NotFound)?;
    disk.create(FILE).await?;
    ensure_content(&disk, FILE, b"").await?;
    Ok(disk.remove(FILE).await?)
}

async fn listed<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    ensure(disk.list("contract/never").await?.is_empty(), || "a missing folder has files".into())?;
    let here = ["contract/a", "contract/a-file", "contract/b", "contract/c"];
    for path in [here[2], here[0], "contract/below/d", here[3], here[1], "contracted/e"] {
        disk.create(path).await?;
    }
    let list = disk.list(FOLDER).await?;
    ensure(list == here, || format!("the list was {list:?}"))?;
    let below = disk.list("contract/below").await?;
    ensure(below == ["contract/below/d"], || format!("the list below was {below:?}"))?;
    for path in here.into_iter().chain(["contract/below/d", "contracted/e"]) {
        disk.remove(path).await?;
    }
    ensure(disk.list(FOLDER).await?.is_empty(), || "removed files are listed".into())
}

async fn synced<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    for path in ["contract-top", FILE, "contract/deep/er/file"] {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        file(&disk, path, b"content").await?;
        disk.sync(path).await?;
        disk.sync_dir(folder).await?;
        ensure_content(&disk, path, b"content").await?;
        disk.remove(path).await?;
        disk.sync_dir(folder).await?;
    }
    // Names that were never made are as durable as they can be.
    Ok(disk.sync_dir("contract/never").await?)
}

async fn appended_during_sync<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    file(&disk, FILE, b"0").await?;
    for round in 1..10 {
        let (synced, appended) =
            join(disk.sync(FILE), disk.append(FILE, round.to_string().as_bytes())).await;
        synced?;
        appended?;
    }
    ensure_content(&disk, FILE, b"0123456789").await?;
    Ok(disk.remove(FILE).await?)
}

async fn own_files<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    file(&a.disk(), FILE, b"mine").await?;
    ensure_kind("the other node's file", b.disk().len(FILE).await, io::ErrorKind::NotFound)?;
    file(&b.disk(), FILE, b"yours").await?;
    ensure_content(&a.disk(), FILE, b"mine").await?;
    b.disk().remove(FILE).await?;
    Ok(a.disk().remove(FILE).await?)
}

async fn large<E: Env>(env: &E) -> Result<(), Broken> {
    let disk = env.disk();
    let content: Bytes = (0..3_000_001u32).map(|n| (n % 249) as u8).collect();
    disk.create(FILE).await?;
    for chunk in content.chunks(700_001) {
        disk.append(FILE, chunk).await?;
    }
    let len = disk.len(FILE).await?;
    ensure(len == content.len() as u64, || format!("it has {len} bytes"))?;
    let read = read_up_to(&disk, FILE, 0, content.len()).await?;
    ensure(read == content, || "it does not read back".into())?;
    let middle = read_up_to(&disk, FILE, 1_234_567, 1000).await?;
    ensure(middle == content[1_234_567..1_235_567], || "its middle does not read back".into())?;
    Ok(disk.remove(FILE).await?)
}
