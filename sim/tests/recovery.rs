//! What a node makes of its disk after a crash: a prefix of what was written, however the tail was torn; and a sentence where the
//! bytes are not its own.

use elastickv::codec::frame_at;
use elastickv::env::{Disk, GroupId, NodeId as Name};
use elastickv::group::Folder;
use elastickv::node::recover;
use elastickv::options::Options;
use futures_util::FutureExt;
use harness::cluster::Cluster;
use harness::redis::connection::Redis;
use harness::seed::Seed;
use sim::disk::DiskImage;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::rc::Rc;
use std::time::Duration;

type Files = Vec<(String, Vec<u8>)>;

fn options() -> Options {
    Options::new(vec![Name(1)])
}

/// The files of a lone node after forty writes.
fn written() -> Files {
    let guest = || -> Rc<dyn sim::cluster::Guest> { Rc::new(Elastickv::new(options())) };
    sim::simulate(Seed(1), WorldParams::calm(), 1, guest, async |cluster| {
        cluster.set_up(Seed(1)).await.expect("a simulated cluster starts");
        cluster.clock().sleep(Duration::from_secs(10)).await;
        let mut redis =
            Redis::new(cluster.connect(cluster.nodes()[0]).await.expect("a node that is up"));
        for n in 0..40 {
            redis.ask(&[b"RPUSH", b"list", n.to_string().as_bytes()]).await.expect("a reply");
        }
        let disk = cluster.world().durable_disk(1);
        let mut files = Files::new();
        for folder in ["wal", "store", "meta"] {
            for path in disk.list(folder).now_or_never().unwrap().unwrap() {
                let bytes = disk.read_at(&path, 0, usize::MAX / 2).now_or_never().unwrap().unwrap();
                files.push((path, bytes.to_vec()));
            }
        }
        files
    })
}

/// (last log index, applied index) of the node on these files.
fn recovered(files: Files) -> Result<(u64, u64), String> {
    let disk = DiskImage::of(files);
    let state = recover(&Folder::of(disk, GroupId::DEFAULT), &options(), Name(1), &Rc::default())
        .now_or_never()
        .expect("a disk in memory answers at once");
    state
        .map(|state| (state.log.last_index(), state.fsm.applied()))
        .map_err(|error| error.to_string())
}

fn with(files: &Files, folder: &str, change: impl Fn(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    files
        .iter_mut()
        .filter(|(path, _)| path.starts_with(folder))
        .for_each(|(_, bytes)| change(bytes));
    files
}

fn len(files: &Files, folder: &str) -> usize {
    files.iter().find(|(path, _)| path.starts_with(folder)).map_or(0, |(_, bytes)| bytes.len())
}

/// The log alone, under a store that has applied nothing.
fn log_only(files: Files) -> Files {
    files.into_iter().filter(|(path, _)| !path.starts_with("store")).collect()
}

#[test]
fn a_torn_tail_leaves_a_prefix_that_grows_with_what_is_left() {
    let written = written();
    let whole = recovered(written.clone()).expect("whole files");
    assert!(whole.0 >= 40 && whole.1 >= 40, "{whole:?}");
    for (folder, of, files) in [("wal", 0, log_only(written.clone())), ("store", 1, written)] {
        let total = len(&files, folder);
        let mut last = 0;
        // From where header and first record are whole; those were synced before the file had its name.
        for cut in (300..=total).step_by(7) {
            let (log, applied) = recovered(with(&files, folder, |bytes| bytes.truncate(cut)))
                .unwrap_or_else(|error| panic!("{folder} cut to {cut} of {total} bytes: {error}"));
            let now = [log, applied][of];
            assert!(now >= last, "{folder}: more bytes, fewer entries");
            last = now;
        }
        assert!(last > 30, "{folder}: {last}");
    }
}

#[test]
fn a_flipped_bit_is_refused_with_its_place_unless_it_looks_like_a_torn_tail() {
    let files = written();
    for folder in ["wal", "store"] {
        let (path, bytes) = files.iter().find(|(path, _)| path.starts_with(folder)).unwrap();
        let file = bytes::Bytes::from(bytes.clone());
        let (mut offset, mut frames) = (0, Vec::new());
        while let Some((_, next)) = frame_at(&file, offset) {
            frames.push(offset..next);
            offset = next;
        }
        // Of the first frame it is said that the file is of another kind.
        for (number, frame) in frames.iter().enumerate().skip(1) {
            for at in frame.clone().step_by(3) {
                let last_length = number + 1 == frames.len() && at < frame.start + 4;
                let told = recovered(with(&files, folder, |bytes| bytes[at] ^= 1));
                let damaged = format!("{path} is damaged at byte {}", frame.start);
                let refused = told.as_ref().is_err_and(|told| told.starts_with(&damaged));
                assert!(refused || last_length, "byte {at}: {told:?}");
            }
        }
    }
}

#[test]
fn a_log_that_ends_before_its_store_is_refused() {
    let torn = with(&written(), "wal", |bytes| bytes.truncate(bytes.len() / 2));
    let sentence = recovered(torn).unwrap_err();
    assert!(sentence.starts_with("the store holds entry"), "{sentence}");
}

#[test]
fn a_file_of_another_kind_or_version_is_refused_with_its_name() {
    for folder in ["wal", "store"] {
        let other = with(&written(), folder, |bytes| {
            bytes.clear();
            elastickv::codec::frame_into(bytes, b"elastickv wal 99");
        });
        let sentence = recovered(other).unwrap_err();
        assert!(sentence.starts_with(folder) && sentence.contains("is not a whole"), "{sentence}");
    }
}
