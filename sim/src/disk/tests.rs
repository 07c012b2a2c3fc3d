use super::*;
use harness::seed::{Seed, Stream};
use std::collections::BTreeSet;

fn sync(volume: &mut Volume, path: &str) {
    volume.end_sync(volume.begin_sync(path).unwrap());
}

fn sync_dir(volume: &mut Volume, folder: &str) {
    volume.end_sync(volume.begin_sync_dir(folder));
}

/// A file `d/a` with durable name and durable bytes.
fn with_file(bytes: &[u8]) -> Volume {
    let mut volume = Volume::default();
    volume.create("d/a");
    volume.append("d/a", bytes).unwrap();
    sync(&mut volume, "d/a");
    sync_dir(&mut volume, "d");
    volume
}

/// Every outcome that a power cut can have for this volume, by many seeds.
fn outcomes<T: Ord>(volume: &Volume, see: impl Fn(&Volume) -> T) -> BTreeSet<T> {
    let cut = |seed| {
        let mut volume = volume.clone();
        volume.power_cut(&mut Seed(seed).stream(Stream::Disk));
        see(&volume)
    };
    (0..300).map(cut).collect()
}

fn content(volume: &Volume) -> Option<Vec<u8>> {
    volume.cached_image("d/a").map(<[u8]>::to_vec)
}

#[test]
fn what_was_synced_survives_and_what_was_not_survives_as_a_prefix_torn_anywhere() {
    let mut volume = with_file(b"12");
    volume.append("d/a", b"34").unwrap();
    volume.append("d/a", b"56").unwrap();
    let all = outcomes(&volume, content);
    let expected: BTreeSet<_> =
        ["12", "123", "1234", "12345", "123456"].map(|s| Some(s.as_bytes().to_vec())).into();
    assert_eq!(all, expected);
}

#[test]
fn an_overwrite_is_torn_in_place_and_a_truncation_is_kept_or_undone_whole() {
    let mut volume = with_file(b"aaaa");
    volume.write_at("d/a", 1, b"bb").unwrap();
    let expected: BTreeSet<_> = ["aaaa", "abaa", "abba"].map(|s| Some(s.into())).into();
    assert_eq!(outcomes(&volume, content), expected);
    let mut volume = with_file(b"aaaa");
    volume.truncate("d/a", 1).unwrap();
    let expected: BTreeSet<_> = ["aaaa", "a"].map(|s| Some(s.into())).into();
    assert_eq!(outcomes(&volume, content), expected);
}

#[test]
fn a_sync_covers_what_was_written_when_it_began() {
    let mut volume = with_file(b"1");
    volume.append("d/a", b"2").unwrap();
    let mark = volume.begin_sync("d/a").unwrap();
    volume.append("d/a", b"3").unwrap();
    assert_eq!(volume.synced_image("d/a"), Some(&b"1"[..]));
    volume.end_sync(mark);
    volume.end_sync(mark);
    assert_eq!(volume.synced_image("d/a"), Some(&b"12"[..]));
    assert_eq!(volume.cached_image("d/a"), Some(&b"123"[..]));
}

#[test]
fn names_are_durable_only_after_their_folder_is_synced_and_survive_in_order() {
    let mut volume = with_file(b"old");
    volume.create("d/b");
    volume.append("d/b", b"new").unwrap();
    sync(&mut volume, "d/b");
    volume.rename("d/b", "d/a").unwrap();
    assert_eq!(volume.synced_image("d/a"), Some(&b"old"[..]));
    assert_eq!(volume.synced_image("d/b"), None);
    let seen = outcomes(&volume, |v| (content(v), v.cached_paths().collect::<Vec<_>>().join(" ")));
    let expected: BTreeSet<_> = [
        (Some(b"old".to_vec()), "d/a".to_string()),
        (Some(b"old".to_vec()), "d/a d/b".to_string()),
        (Some(b"new".to_vec()), "d/a".to_string()),
    ]
    .into();
    assert_eq!(seen, expected);
    sync_dir(&mut volume, "elsewhere");
    assert_eq!(volume.synced_image("d/a"), Some(&b"old"[..]));
    sync_dir(&mut volume, "d");
    assert_eq!(outcomes(&volume, content), [Some(b"new".to_vec())].into());
}

#[test]
fn a_removal_can_be_undone_until_its_folder_is_synced() {
    let mut volume = with_file(b"x");
    volume.remove("d/a").unwrap();
    assert_eq!(outcomes(&volume, content), [None, Some(b"x".to_vec())].into());
    sync_dir(&mut volume, "d");
    assert_eq!(outcomes(&volume, content), [None].into());
    assert!(volume.files.is_empty(), "a file without a name takes no memory");
}

#[test]
fn what_a_power_cut_left_is_durable_afterwards() {
    let mut volume = with_file(b"1");
    volume.append("d/a", b"2345678").unwrap();
    volume.power_cut(&mut Seed(5).stream(Stream::Disk));
    let left = content(&volume);
    assert_eq!(outcomes(&volume, content), [left].into());
}

#[test]
fn files_are_read_written_and_listed_as_a_file_system_does() {
    let mut volume = with_file(b"abc");
    assert_eq!(volume.len("d/a").unwrap(), 3);
    volume.write_at("d/a", 5, b"z").unwrap();
    assert_eq!(volume.read_at("d/a", 1, 99).unwrap(), &b"bc\0\0z"[..]);
    assert_eq!(volume.read_at("d/a", 99, 1).unwrap(), &b""[..]);
    volume.create("d/a");
    assert_eq!(volume.len("d/a").unwrap(), 0);
    volume.create("d/sub/x");
    volume.create("top");
    assert_eq!((volume.list("d"), volume.list("")), (vec!["d/a".into()], vec!["top".into()]));
    let error = volume.append("d/none", b"").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), "there is no file d/none");
}

/// A file as two images and all writes between them: what [`File`] is, told the long way.
#[derive(Clone, Default)]
struct Plain {
    cached: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Vec<u8>>,
    settled: u64,
}

impl Plain {
    fn write(&mut self, file: &mut File, rng: &mut impl Draw) {
        let bytes: Vec<u8> = (0..rng.range(1, 6)).map(|_| rng.range(0, 256) as u8).collect();
        let len = self.cached.len();
        match rng.range(0, 10) {
            0 => {
                let offset = rng.range(0, len as u64 + 3) as usize;
                let end = offset + bytes.len();
                self.cached.resize(len.max(end), 0);
                self.cached[offset..end].copy_from_slice(&bytes);
                file.write_at(offset, &bytes);
            }
            1 => {
                let short = rng.range(0, len as u64 + 3) as usize;
                self.cached.resize(short, 0);
                file.truncate(short);
            }
            _ => {
                self.cached.extend_from_slice(&bytes);
                file.append(&bytes);
            }
        }
        self.unsynced.push(self.cached.clone());
    }

    fn synced(&mut self, upto: u64) {
        while self.settled < upto && !self.unsynced.is_empty() {
            self.durable = self.unsynced.remove(0);
            self.settled += 1;
        }
    }
}

#[test]
fn a_file_is_what_two_images_and_the_writes_between_them_would_be() {
    let (mut synced_between, mut cuts) = (0, 0);
    for seed in 0..300 {
        let rng = &mut Seed(seed).stream(Stream::Disk);
        let (mut file, mut plain) = (File::default(), Plain::default());
        let mut mark = 0;
        for _ in 0..60 {
            match rng.range(0, 12) {
                0 => mark = file.writes(),
                1 | 2 => {
                    synced_between += u64::from(mark > plain.settled && mark < file.writes());
                    file.synced(mark);
                    plain.synced(mark);
                }
                3 => {
                    let unsynced = plain.unsynced.len() as u64;
                    let before = plain.durable.clone();
                    let lost = file.power_cut(rng);
                    let survived = (unsynced - lost) as usize;
                    // What is torn begins as the write that it is of.
                    let from = plain.unsynced[..survived].last().unwrap_or(&before);
                    let to = plain.unsynced.get(survived).unwrap_or(from);
                    let left = file.cached();
                    let known = |at: usize| [from.get(at), to.get(at), Some(&0)];
                    assert!((0..left.len()).all(|at| known(at).contains(&Some(&left[at]))));
                    assert!(left.len() <= from.len().max(to.len()));
                    assert!(lost > 0 || left == &from[..], "seed {seed}: nothing was torn");
                    plain = Plain {
                        cached: left.to_vec(),
                        durable: left.to_vec(),
                        unsynced: Vec::new(),
                        settled: plain.settled + unsynced,
                    };
                    cuts += u64::from(lost > 0);
                }
                _ => plain.write(&mut file, rng),
            }
            assert_eq!((file.cached(), file.durable()), (&plain.cached[..], &plain.durable[..]));
            assert_eq!(file.writes(), plain.settled + plain.unsynced.len() as u64);
            let (cached, durable) = file.images();
            assert_eq!((&cached[..], &durable[..]), (file.cached(), file.durable()));
        }
    }
    assert!(synced_between > 100 && cuts > 100, "{synced_between} and {cuts}");
}

#[test]
fn what_is_damaged_is_damaged_in_both_views_of_a_file_whatever_was_written() {
    for rewritten in [false, true] {
        let mut file = File::whole(b"abcdef".to_vec());
        file.append(b"gh");
        if rewritten {
            file.write_at(7, b"H");
        }
        file.overwrite(4, b"XYZ");
        assert_eq!(file.durable(), b"abcdXY");
        assert_eq!(&file.cached()[..7], b"abcdXYZ");
        for upto in 1..=file.writes() {
            file.synced(upto);
            assert_eq!(&file.durable()[..7], b"abcdXYZ", "rewritten: {rewritten}, {upto} synced");
        }
        assert_eq!(file.durable(), file.cached());
    }
}
