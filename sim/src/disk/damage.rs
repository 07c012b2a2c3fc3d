//! Bytes of a node's disk that are not what was written, in the page cache and on the platter.
//!
//! Promises: what is hit is read by the next start of the process, and a whole frame lies behind it wherever the file has more than one:
//! nobody can take it for the torn end of a log. So a node whose layers look at their checksums refuses to start, for certain.
//! Cannot see: damage to what no start reads, as snapshots that the log does not stand on.

use super::{NodeDisk, Volume};
use crate::trace::digest;
use crate::world::World;
use bytes::Bytes;
use elastickv::codec::frame_at;
use harness::fault::Damage;
use std::io;
use std::ops::Range;
use std::time::Duration;

/// No start takes longer to refuse a disk.
const REFUSES_WITHIN_NS: u64 = 2_000_000_000;
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(10);
/// The longest run of bytes that rot.
const ROTTEN_MAX: usize = 4;

/// Numbers that one number of a fault decides.
struct Choice {
    at: u32,
    draws: u64,
}

impl Choice {
    /// Below `count`, which is not 0.
    fn below(&mut self, count: usize) -> usize {
        self.draws += 1;
        (digest(&[u64::from(self.at), self.draws]) % count as u64) as usize
    }
}

impl Volume {
    /// Damages one of these files; whether there was anything to damage.
    pub(crate) fn damage(&mut self, files: &[String], how: Damage, at: u32) -> bool {
        let mut choice = Choice { at, draws: 0 };
        let holds = |path: &&String| self.cached_image(path).is_some_and(|file| !file.is_empty());
        let files: Vec<&String> = files.iter().filter(holds).collect();
        if files.is_empty() {
            return false;
        }
        let hit = files[choice.below(files.len())];
        let content = self.content(hit);
        let within = before_last_frame(&content);
        let offset = choice.below(within.len());
        let room = within.end - offset;
        let wrong = match how {
            Damage::Rot => {
                let len = 1 + choice.below(ROTTEN_MAX.min(room));
                let rotten = |byte: &u8| byte ^ (1 << choice.below(8));
                content[offset..offset + len].iter().map(rotten).collect()
            }
            Damage::Misdirected => {
                let other = files[choice.below(files.len())];
                let strays = last_write(&self.content(other));
                let strays = strays[..strays.len().min(room)].to_vec();
                refusable(strays, &content, offset)
            }
        };
        let hit = hit.clone();
        let Ok(file) = self.file_mut(&hit) else { return false };
        file.overwrite(offset, &wrong);
        true
    }

    fn content(&self, path: &str) -> Bytes {
        Bytes::copy_from_slice(self.cached_image(path).unwrap_or_default())
    }
}

/// Where each frame of a file begins, and where the last one ends.
fn frames(file: &Bytes) -> Vec<usize> {
    let mut bounds = vec![0];
    while let Some((_, next)) = bounds.last().and_then(|last| frame_at(file, *last)) {
        bounds.push(next);
    }
    bounds
}

/// The bytes before the last frame; all of them in a file of one frame or none.
fn before_last_frame(file: &Bytes) -> Range<usize> {
    match frames(file)[..] {
        [.., last, _] if last > 0 => 0..last,
        _ => 0..file.len(),
    }
}

/// The bytes of the last frame; all of them in a file without frames.
fn last_write(file: &Bytes) -> Bytes {
    match frames(file)[..] {
        [.., last, end] => file.slice(last..end),
        _ => file.clone(),
    }
}

/// The bytes, made to be no whole frame in the place of another: a log would take that for its own.
fn refusable(mut bytes: Vec<u8>, over: &Bytes, offset: usize) -> Vec<u8> {
    let mut damaged = over.to_vec();
    damaged[offset..offset + bytes.len()].copy_from_slice(&bytes);
    if frames(&damaged.into()).last() == Some(&over.len()) {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    bytes
}

impl NodeDisk {
    /// Whether it holds what its node has written.
    pub(crate) fn is_sound(&self) -> bool {
        self.damaged.is_none() && !self.forgot
    }

    /// Whether nothing is wrong with it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_sound() && self.trouble.is_none()
    }
}

impl World {
    /// Bytes of a node's disk become others while its process is dead, which then starts and reads them. Returns when it has refused them.
    pub(crate) async fn damage_disk(&self, node: u16, how: Damage, at: u32, injection: usize) {
        if !self.disks[usize::from(node)].borrow().is_sound() {
            return;
        }
        let was_up = self.hosts.borrow()[usize::from(node)].up;
        self.end(node);
        let Some(guest) = self.guest.borrow().clone() else { return };
        {
            let mut disk = self.disks[usize::from(node)].borrow_mut();
            let files = guest.read_at_start(&disk.volume);
            if disk.volume.damage(&files, how, at) {
                disk.damaged = Some(injection);
            }
        }
        if was_up {
            self.restart(node);
            self.refuses(node).await;
        }
    }

    async fn refuses(&self, node: u16) {
        let until = self.now() + REFUSES_WITHIN_NS;
        let is_up = || self.hosts.borrow()[usize::from(node)].up;
        while is_up() && self.now() < until {
            self.sleep(LOOK).await;
        }
    }

    /// Whether damage explains that a node refuses its disk; if so, it has acted.
    pub(super) fn refuses_damage(&self, node: u16, error: &io::Error) -> bool {
        let damaged = self.disks[usize::from(node)].borrow().damaged;
        match damaged.filter(|_| error.kind() == io::ErrorKind::InvalidData) {
            Some(injection) => {
                self.acted(injection, 1);
                self.count("damaged disk refused");
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskImage;
    use elastickv::codec::frame_into;
    use elastickv::files::{Format, FrameLog};
    use futures_util::FutureExt;

    const FORMAT: Format = Format { folder: "log", header: "a log" };
    const PATHS: [&str; 2] = ["log/00000001.log", "other/00000001.log"];
    const BOTH: [Damage; 2] = [Damage::Rot, Damage::Misdirected];

    /// Two logs of so many frames, the header's included.
    fn with_logs(frames: usize) -> Volume {
        let mut volume = Volume::default();
        for path in PATHS {
            volume.create(path);
            let mut content = Vec::new();
            frame_into(&mut content, FORMAT.header.as_bytes());
            for frame in 1..frames {
                frame_into(&mut content, format!("{path}, frame {frame}").as_bytes());
            }
            volume.append(path, &content).unwrap();
            volume.end_sync(volume.begin_sync(path).unwrap());
        }
        volume.end_sync(volume.begin_sync_dir("log"));
        volume.end_sync(volume.begin_sync_dir("other"));
        volume
    }

    fn damaged(whole: &Volume, files: &[&str], how: Damage, at: u32) -> Volume {
        let mut volume = whole.clone();
        let files: Vec<String> = files.iter().map(|path| (*path).to_owned()).collect();
        assert!(volume.damage(&files, how, at));
        volume
    }

    #[test]
    fn a_damaged_log_is_refused_and_never_taken_for_a_torn_one() {
        for frames in [1, 2, 3, 20] {
            let whole = with_logs(frames);
            for at in 0..300 {
                for how in BOTH {
                    let volume = damaged(&whole, &PATHS[..1], how, at);
                    let disk = DiskImage::cached(&volume);
                    let opened = FrameLog::open(disk, FORMAT).now_or_never().expect("at once");
                    let error = opened.err().unwrap_or_else(|| panic!("{how} at {at} was read"));
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                }
            }
        }
    }

    #[test]
    fn one_file_is_hit_in_the_cache_and_on_the_platter_alike_and_every_number_hits_the_same_again()
    {
        let whole = with_logs(5);
        let mut hit = [0; 2];
        for at in 0..100 {
            for how in BOTH {
                let volume = damaged(&whole, &PATHS, how, at);
                let changed: Vec<usize> = (0..2)
                    .filter(|file| {
                        volume.cached_image(PATHS[*file]) != whole.cached_image(PATHS[*file])
                    })
                    .collect();
                let [file] = changed[..] else { panic!("{how} at {at} hit files {changed:?}") };
                hit[file] += 1;
                let path = PATHS[file];
                assert_eq!(volume.cached_image(path), volume.synced_image(path));
                assert_eq!(
                    volume.cached_image(path).map(<[u8]>::len),
                    whole.cached_image(path).map(<[u8]>::len)
                );
                let again = damaged(&whole, &PATHS, how, at);
                assert_eq!(again.cached_image(path), volume.cached_image(path));
            }
        }
        assert!(hit.iter().all(|times| *times > 50), "{hit:?}");
    }

    #[test]
    fn rot_is_a_bit_of_each_of_a_few_bytes() {
        let whole = with_logs(5);
        for at in 0..100 {
            let before = whole.cached_image(PATHS[0]).unwrap();
            let volume = damaged(&whole, &PATHS[..1], Damage::Rot, at);
            let after = volume.cached_image(PATHS[0]).unwrap();
            let flipped: Vec<u32> = before
                .iter()
                .zip(after)
                .map(|(a, b)| (a ^ b).count_ones())
                .filter(|n| *n > 0)
                .collect();
            assert!(!flipped.is_empty() && flipped.len() <= ROTTEN_MAX);
            assert!(flipped.iter().all(|bits| *bits == 1), "{flipped:?}");
        }
    }

    #[test]
    fn where_there_is_nothing_nothing_is_damaged() {
        let mut volume = Volume::default();
        volume.create("log/00000001.log");
        assert!(!volume.damage(&["log/00000001.log".to_owned()], Damage::Rot, 1));
        assert!(!volume.damage(&[], Damage::Misdirected, 1));
    }
}
