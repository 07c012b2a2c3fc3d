//! Files that survive a crash at any moment, on any [`Disk`].
//!
//! [`write_whole`] replaces a file so that its name holds either the old content or the new. [`FrameLog`] is an append-only log
//! of CRC frames in numbered segments, `<folder>/<number>.log`: what was synced is read back in order, a torn tail is cut off, and a new
//! segment takes the old one's place in one step.
//!
//! A crash tears the end of a log and nothing else: the last write is there up to some byte. So a frame that is all there and
//! fails its checksum, or a broken one with a whole one behind it, is damage to what may have been acknowledged: refused, not cut off.
//!
//! Cannot see: damage that looks like a torn tail, as a length and a checksum that are both wrong in the very last frame. And it refuses more than it
//! must where a file system, after a power cut, keeps later pages of an unsynced write and loses earlier ones.

use crate::codec::{FRAME_HEADER, frame_at, frame_into};
use crate::env::Disk;
use bytes::Bytes;
use std::io;

/// Writes a file under a temporary name, syncs it and gives it its name; durable when this returns.
pub async fn write_whole<D: Disk>(disk: &D, path: &str, content: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.new");
    disk.create(&temporary).await?;
    disk.append(&temporary, content).await?;
    disk.sync(&temporary).await?;
    disk.rename(&temporary, path).await?;
    disk.sync_dir(path.rsplit_once('/').map_or("", |(folder, _)| folder)).await
}

/// The whole file; `None` if there is none. A disk may give less than it is asked for, and is asked again for the rest: half a file
/// would pass for one with a torn tail.
pub async fn read_whole<D: Disk>(disk: &D, path: &str) -> io::Result<Option<Bytes>> {
    let len = match disk.len(path).await {
        Ok(len) => len as usize,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let first = disk.read_at(path, 0, len).await?;
    if first.len() >= len {
        return Ok(Some(first));
    }
    let mut whole = first.to_vec();
    while whole.len() < len {
        let more = disk.read_at(path, whole.len() as u64, len - whole.len()).await?;
        if more.is_empty() {
            let text = format!("{path} has {len} bytes, but no more than {} are read", whole.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        whole.extend_from_slice(&more);
    }
    Ok(Some(whole.into()))
}

/// What a log is called and what its segments begin with.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Where its segments are.
    pub folder: &'static str,
    /// The first frame of each: name and version.
    pub header: &'static str,
}

impl Format {
    /// The number of the segment at `path`; `None` for any other file.
    pub fn segment_number(self, path: &str) -> Option<u64> {
        path.strip_prefix(self.folder)?.strip_prefix('/')?.strip_suffix(".log")?.parse().ok()
    }

    fn path(self, number: u64) -> String {
        format!("{}/{number:08}.log", self.folder)
    }
}

/// The open segment.
pub struct FrameLog<D> {
    disk: D,
    format: Format,
    number: u64,
    /// Where that is.
    path: String,
}

impl<D: Disk> FrameLog<D> {
    /// Opens the newest segment and returns its frames after the header, all of them durable now; `None` if there is no segment yet: then
    /// [`FrameLog::start`] makes the first.
    pub async fn open(disk: D, format: Format) -> io::Result<(FrameLog<D>, Option<Vec<Bytes>>)> {
        let segments = disk.list(format.folder).await?;
        let newest = segments.iter().filter_map(|path| format.segment_number(path)).max();
        let number = newest.unwrap_or(0);
        let log = FrameLog { disk, format, number, path: format.path(number) };
        let frames = match newest {
            Some(_) => Some(log.recover().await?),
            None => None,
        };
        log.remove_others().await?;
        Ok((log, frames))
    }

    async fn recover(&self) -> io::Result<Vec<Bytes>> {
        let path = &self.path;
        let file = read_whole(&self.disk, path).await?.unwrap_or_default();
        let (header, mut offset) = frame_at(&file, 0).ok_or_else(|| self.broken())?;
        if header != self.format.header.as_bytes() {
            return Err(self.broken());
        }
        let mut frames = Vec::new();
        while let Some((frame, next)) = frame_at(&file, offset) {
            frames.push(frame);
            offset = next;
        }
        if offset < file.len() {
            if !is_torn_tail(&file, offset) {
                let text = format!(
                    "{path} is damaged at byte {offset} of {}: no crash leaves it like this",
                    file.len()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            self.disk.truncate(path, offset as u64).await?;
        }
        // What was read may be in the page cache only: a killed process' last writes. From here on it counts as durable.
        self.disk.sync(path).await?;
        self.disk.sync_dir(self.format.folder).await?;
        Ok(frames)
    }

    /// The error for a segment that cannot be read as what it should be.
    pub fn broken(&self) -> io::Error {
        let (path, header) = (&self.path, self.format.header);
        io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not a whole `{header}` file"))
    }

    /// Begins the next segment with these frames and removes the old one; durable when this returns.
    pub async fn start(&mut self, frames: &[u8]) -> io::Result<()> {
        self.number += 1;
        self.path = self.format.path(self.number);
        let mut content = Vec::with_capacity(frames.len() + 64);
        frame_into(&mut content, self.format.header.as_bytes());
        content.extend_from_slice(frames);
        write_whole(&self.disk, &self.path, &content).await?;
        self.remove_others().await
    }

    /// Adds frames; not durable before [`FrameLog::sync`].
    pub async fn append(&self, frames: &[u8]) -> io::Result<()> {
        self.disk.append(&self.path, frames).await
    }

    /// What was appended before the call is durable when this returns.
    pub async fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.path).await
    }

    async fn remove_others(&self) -> io::Result<()> {
        for path in self.disk.list(self.format.folder).await? {
            if self.format.segment_number(&path) != Some(self.number) {
                self.disk.remove(&path).await?;
            }
        }
        Ok(())
    }
}

/// Whether what begins at `offset`, which is no whole frame, may be what a crash left of a write.
fn is_torn_tail(file: &Bytes, offset: usize) -> bool {
    if let Some(header) = file.get(offset..offset + FRAME_HEADER) {
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let rest = &file[offset + FRAME_HEADER..];
        // Zeros are a tail that file systems leave after a power loss.
        if len > 0 && len <= rest.len() {
            return false;
        }
        // What is there has the checksum: it is all there, and only its length is wrong.
        if !rest.is_empty() && header[4..] == crc32fast::hash(rest).to_le_bytes() {
            return false;
        }
    }
    (offset + 1..file.len()).all(|later| frame_at(file, later).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::cell::Cell;

    /// A disk with one file, of which a read gives so many bytes at most; nothing else may be asked of it.
    struct Short {
        file: Vec<u8>,
        most: usize,
        reads: Cell<usize>,
    }

    impl Disk for Short {
        async fn len(&self, _: &str) -> io::Result<u64> {
            Ok(self.file.len() as u64)
        }

        async fn read_at(&self, _: &str, offset: u64, len: usize) -> io::Result<Bytes> {
            self.reads.set(self.reads.get() + 1);
            let rest = &self.file[offset as usize..];
            Ok(Bytes::copy_from_slice(&rest[..len.min(self.most).min(rest.len())]))
        }

        async fn create(&self, path: &str) -> io::Result<()> {
            unreachable!("create {path}")
        }

        async fn append(&self, path: &str, _: &[u8]) -> io::Result<()> {
            unreachable!("append {path}")
        }

        async fn write_at(&self, path: &str, _: u64, _: &[u8]) -> io::Result<()> {
            unreachable!("write {path}")
        }

        async fn truncate(&self, path: &str, _: u64) -> io::Result<()> {
            unreachable!("truncate {path}")
        }

        async fn sync(&self, path: &str) -> io::Result<()> {
            unreachable!("sync {path}")
        }

        async fn rename(&self, from: &str, _: &str) -> io::Result<()> {
            unreachable!("rename {from}")
        }

        async fn remove(&self, path: &str) -> io::Result<()> {
            unreachable!("remove {path}")
        }

        async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
            unreachable!("list {folder}")
        }

        async fn sync_dir(&self, folder: &str) -> io::Result<()> {
            unreachable!("sync {folder}")
        }
    }

    #[test]
    fn short_reads_are_gone_on_with_until_the_file_is_whole() {
        let (file, _) = log();
        for (most, reads) in [(file.len(), 1), (file.len() - 1, 2), (1, file.len())] {
            let disk = Short { file: file.clone(), most, reads: Cell::default() };
            let read = read_whole(&disk, "log").now_or_never().expect("it is in memory");
            assert_eq!(read.unwrap().unwrap(), file);
            assert_eq!(disk.reads.get(), reads, "{most} bytes at a time");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_to_its_end_is_not_taken_for_a_shorter_one() {
        let disk = Short { file: vec![7; 9], most: 0, reads: Cell::default() };
        let error = read_whole(&disk, "log").now_or_never().expect("it is in memory").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), "log has 9 bytes, but no more than 0 are read");
    }

    /// Three frames, and where each begins.
    fn log() -> (Vec<u8>, [usize; 3]) {
        let mut file = Vec::new();
        let starts = [&b"first"[..], b"second", b"third"].map(|payload| {
            let start = file.len();
            frame_into(&mut file, payload);
            start
        });
        (file, starts)
    }

    fn is_torn(file: Vec<u8>, offset: usize) -> bool {
        is_torn_tail(&Bytes::from(file), offset)
    }

    #[test]
    fn every_prefix_of_a_write_is_a_torn_tail() {
        let (whole, starts) = log();
        for end in starts[2] + 1..whole.len() {
            assert!(is_torn(whole[..end].to_vec(), starts[2]), "cut at {end}");
        }
    }

    #[test]
    fn zeros_and_noise_at_the_end_are_a_torn_tail() {
        let (whole, _) = log();
        for tail in [&[0; 64][..], b"noise that nobody wrote", &[0xff; 9]] {
            let file = [&whole[..], tail].concat();
            assert!(is_torn(file, whole.len()), "{tail:?}");
        }
    }

    #[test]
    fn a_flipped_bit_before_the_end_is_no_torn_tail() {
        let (whole, starts) = log();
        for start in &starts[..2] {
            for bit in start * 8..(start + FRAME_HEADER + 5) * 8 {
                let mut file = whole.clone();
                file[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_torn(file, *start), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_the_last_length_is_no_torn_tail() {
        let (whole, starts) = log();
        for bit in starts[2] * 8..(starts[2] + 4) * 8 {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_torn(file, starts[2]), "bit {bit}");
        }
    }

    #[test]
    fn a_flipped_bit_in_the_last_payload_is_no_torn_tail() {
        let (mut whole, starts) = log();
        *whole.last_mut().unwrap() ^= 1;
        assert!(!is_torn(whole, starts[2]));
    }
}
