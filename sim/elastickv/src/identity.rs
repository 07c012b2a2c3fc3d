//! Whose data directory this is: `meta/identity`, one CRC frame with the format's version and the node, durable before anything
//! else is written (ours: upstream trusts its flags).
//!
//! A node that starts on another node's files would vote twice in one term, and one that starts on files of another version would
//! read them as what they are not; both are refused. So is a directory that holds a node's files without the marker.
//!
//! Cannot see: a copy of this node's own directory, or an older state of it.

use crate::codec::{Malformed, Reader, Writer, frame_at, frame_into};
use crate::env::{Disk, NodeId};
use crate::files::{read_whole, write_whole};
use bytes::Bytes;
use std::io;

/// Of everything below a data directory. A change of any file's format is a new version.
pub const FORMAT_VERSION: u32 = 1;
/// The marker.
pub const PATH: &str = "meta/identity";

const MAGIC: u32 = u32::from_le_bytes(*b"EKVD");
const FOLDERS: [&str; 4] = ["meta", "store", "snap", crate::raft::wal::FORMAT.folder];

/// Makes an empty disk this node's, or finds that it is. Durable when this returns.
pub async fn claim<D: Disk>(disk: &D, node: NodeId) -> io::Result<()> {
    match read_whole(disk, PATH).await? {
        Some(file) => {
            check(&file, node)?;
            // It may be in the page cache only: a killed process' last act.
            disk.sync_dir("meta").await
        }
        None => {
            refuse_unmarked(disk).await?;
            write_whole(disk, PATH, &marker(node)).await
        }
    }
}

fn marker(node: NodeId) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u32(MAGIC).u32(FORMAT_VERSION).u16(node.0);
    let mut file = Vec::new();
    frame_into(&mut file, &writer.finish());
    file
}

fn check(file: &Bytes, node: NodeId) -> io::Result<()> {
    let (frame, _) =
        frame_at(file, 0).ok_or_else(|| refused(format!("{PATH} fails its checksum")))?;
    let (version, owner) =
        read(frame).map_err(|Malformed| refused(format!("{PATH} is not a node's marker")))?;
    if version != FORMAT_VERSION {
        return Err(refused(format!(
            "this data directory has format version {version}, this program reads {FORMAT_VERSION}"
        )));
    }
    match owner {
        Some(owner) if owner == node => Ok(()),
        Some(owner) => {
            Err(refused(format!("this data directory belongs to node {owner}, not to {node}")))
        }
        None => Err(refused(format!("{PATH} is not a node's marker"))),
    }
}

/// Version and owner; the owner only where this version says where it is.
fn read(frame: Bytes) -> Result<(u32, Option<NodeId>), Malformed> {
    let mut reader = Reader::new(frame);
    if reader.u32()? != MAGIC {
        return Err(Malformed);
    }
    let version = reader.u32()?;
    Ok((version, reader.u16().ok().map(NodeId)))
}

/// What a first start that was cut short left under a temporary name is no node's file.
async fn refuse_unmarked<D: Disk>(disk: &D) -> io::Result<()> {
    for folder in FOLDERS {
        let files = disk.list(folder).await?;
        if let Some(file) = files.iter().find(|file| !file.ends_with(".new")) {
            return Err(refused(format!("this data directory holds {file} but no {PATH}")));
        }
    }
    Ok(())
}

fn refused(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &[u8], node: u16) -> Option<String> {
        check(&Bytes::copy_from_slice(file), NodeId(node)).err().map(|error| error.to_string())
    }

    fn of_version(version: u32) -> Vec<u8> {
        let mut writer = Writer::new();
        // A later version may say more, and in other words.
        writer.u32(MAGIC).u32(version).bytes(b"something else");
        let mut file = Vec::new();
        frame_into(&mut file, &writer.finish());
        file
    }

    #[test]
    fn a_marker_admits_its_own_node_only() {
        assert_eq!(told(&marker(NodeId(2)), 2), None);
        let other = "this data directory belongs to node n2, not to n1";
        assert_eq!(told(&marker(NodeId(2)), 1).as_deref(), Some(other));
    }

    #[test]
    fn another_version_is_named() {
        let other = "this data directory has format version 9, this program reads 1";
        assert_eq!(told(&of_version(9), 1).as_deref(), Some(other));
    }

    #[test]
    fn a_marker_with_a_flipped_bit_admits_nobody() {
        let whole = marker(NodeId(2));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(told(&flipped, 2).is_some(), "bit {bit}");
        }
    }
}
