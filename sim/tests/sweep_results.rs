//! Results of sweeps on disk: cut off anywhere they go on to the same file, and shards make the whole again.

use elastickv::bug::Bug;
use harness::catalog;
use harness::record::{Ending, Record};
use harness::seed::Seed;
use sim::execute::Case;
use sim::record;
use sim::sweep::Seeds;
use sim::sweep::results::merge::{Joined, Shards};
use sim::sweep::results::{Build, Head, Results, Resumed, Why};
use std::fs;
use std::path::{Path, PathBuf};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep_results").join(name)
}

/// An empty directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = place(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

fn build(id: &str) -> Build {
    Build { commit: Some("8d48dd8".to_owned()), id: id.to_owned() }
}

fn case(bug: Option<Bug>) -> Case {
    let case = Case::new(catalog::find("redis-append").unwrap(), Seed(7));
    match bug {
        Some(bug) => case.with_bug(bug).unwrap(),
        None => case,
    }
}

fn head(bug: Option<Bug>, count: u64, shard: &str) -> Head {
    let seeds = Seeds::new(Seed(7), count, shard.parse().unwrap()).unwrap();
    Head::new(&case(bug), &["redis-append"], seeds, false, &build("0x1"))
}

fn but(head: &Head, change: impl FnOnce(&mut Head)) -> Head {
    let mut head = head.clone();
    change(&mut head);
    head
}

/// A run of which nothing is told but this.
fn run(seed: u64, found: bool) -> Record {
    let blank = record::error(&Case { seed: Seed(seed), ..case(None) }, String::new());
    let found_by = if found { ["list-append".to_owned()].into() } else { Default::default() };
    let verdict = if found { Ending::Invalid } else { Ending::Valid };
    Record { verdict, found_by, trace_hash: Some(format!("{:#x}", seed * 3)), ..blank }
}

/// Sweeps a shard in which these seeds show the bug, and ends at the first.
fn swept(room: &Path, head: &Head, findings: &[u64]) {
    let seeds = head.range().unwrap();
    let mut results = Results::create(room, head).unwrap();
    for index in 0..seeds.len() {
        let seed = seeds.seed(index).0;
        results.add(&run(seed, findings.contains(&seed))).unwrap();
        if head.bug.is_some() && findings.contains(&seed) {
            return results.end(Why::Finding).unwrap();
        }
    }
    results.end(Why::Seeds).unwrap();
}

fn seeds_of(room: &Path) -> (Vec<String>, Joined) {
    let mut seeds = Vec::new();
    let shards = Shards::open(&[room.to_owned()]).unwrap();
    let joined = shards.runs("redis-append", |record| seeds.push(record.seed)).unwrap();
    (seeds, joined)
}

fn merged(room: &Path) -> Result<Joined, String> {
    let shards = Shards::open(&[room.to_owned()]).map_err(|error| error.to_string())?;
    shards.runs("redis-append", |_| {}).map_err(|error| error.to_string())
}

fn resumed(room: &Path, head: &Head) -> Result<(Resumed, u64), String> {
    let mut told = 0;
    let resumed = Results::resume(room, head, |_| told += 1);
    resumed.map(|resumed| (resumed, told)).map_err(|error| error.to_string())
}

#[test]
fn results_cut_off_anywhere_go_on_to_the_same_file() {
    let room = room("cut_off");
    let head = head(None, 3, "1/1");
    swept(&room, &head, &[]);
    let path = room.join("sweep-redis-append-0x7-3.jsonl");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).rev().step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        let (resumed, told) = resumed(&room, &head).unwrap();
        let mut results = resumed.results;
        assert_eq!((resumed.end, results.runs()), (None, told), "{length} bytes");
        (7 + told..10).for_each(|seed| results.add(&run(seed, false)).unwrap());
        results.end(Why::Seeds).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "cut off after {length} bytes");
    }
    assert_eq!(fs::read_dir(&room).unwrap().count(), 1);
}

#[test]
fn complete_results_are_told_again_and_those_that_ran_out_of_time_go_on() {
    let room = room("complete");
    let head = head(None, 3, "1/1");
    swept(&room, &head, &[]);
    let (complete, told) = resumed(&room, &head).unwrap();
    assert_eq!((complete.end.map(|end| end.why), told), (Some(Why::Seeds), 3));
    drop(complete.results);
    let mut short = Results::create(&room, &head).unwrap();
    assert_eq!(short.path(), room.join("sweep-redis-append-0x7-3-2.jsonl"), "never replaced");
    short.add(&run(7, false)).unwrap();
    short.end(Why::Time).unwrap();
    let (short, told) = resumed(&room, &head).unwrap();
    assert_eq!((short.end, told), (None, 1), "the last of that name");
}

#[test]
fn results_of_another_build_and_those_that_are_being_written_are_refused_with_a_sentence() {
    let room = room("refused");
    let ours = head(None, 3, "1/1");
    let held = Results::create(&room, &ours).unwrap();
    let sentence = resumed(&room, &ours).err().unwrap();
    assert!(sentence.contains("being written by another sweep"), "{sentence}");
    drop(held);
    let other = but(&ours, |head| head.build = "0x2".to_owned());
    let sentence = resumed(&room, &other).err().unwrap();
    assert!(sentence.contains("build 0x1 and this is commit 8d48dd8, build 0x2"), "{sentence}");
    let wider = but(&ours, |head| head.tests.push("another".to_owned()));
    let (fresh, _) = resumed(&room, &wider).unwrap();
    assert!(fresh.results.path().ends_with("sweep-redis-append-0x7-3-2.jsonl"), "other words");
}

#[test]
fn a_line_that_does_not_belong_is_refused_with_its_place() {
    let endless = Shards::open(&[PathBuf::from("/dev/zero")]).err().unwrap().to_string();
    assert!(endless.starts_with("/dev/zero: a line has more than 16 MiB"), "{endless}");
    let room = room("damaged");
    let ours = head(None, 3, "1/1");
    swept(&room, &ours, &[]);
    let path = room.join("sweep-redis-append-0x7-3.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (lines, line, why) in [
        (vec![lines[0], lines[2]], "line 2", "0x8 where that of redis-append 0x7 belongs"),
        (vec![lines[0], "{}"], "line 2", "no run"),
        (vec![lines[0], lines[1], lines[4]], "line 3", "counts 3 runs"),
        (vec![lines[0], lines[1], lines[2], lines[3], lines[4], lines[3]], "line 6", "follows"),
        (vec!["{\"test\":1}"], "line 1", "no results"),
    ] {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let sentence = resumed(&room, &ours).err().unwrap();
        assert!(sentence.contains(line) && sentence.contains(why), "{sentence}");
    }
}

#[test]
fn shards_are_joined_in_the_order_of_seeds() {
    for (count, of) in [(10, 3), (9, 3), (2, 4), (5, 1)] {
        let room = room("joined");
        (1..=of).for_each(|i| swept(&room, &head(None, count, &format!("{i}/{of}")), &[]));
        let (seeds, joined) = seeds_of(&room);
        let expected: Vec<String> = (7..7 + count).map(|seed| Seed(seed).to_string()).collect();
        assert_eq!(seeds, expected, "{count} in {of}");
        assert_eq!(joined, Joined { not_run: 0, found: false });
    }
}

#[test]
fn the_smallest_finding_of_all_shards_ends_the_whole_sweep() {
    let room = room("findings");
    let bug = Some(Bug::ExecOnFollower);
    (1..=3).for_each(|i| swept(&room, &head(bug, 30, &format!("{i}/3")), &[17, 14, 22]));
    let (seeds, joined) = seeds_of(&room);
    assert_eq!(seeds, (7..=14).map(|seed| Seed(seed).to_string()).collect::<Vec<_>>());
    assert_eq!(joined, Joined { not_run: 0, found: true });
}

#[test]
fn what_a_shard_had_no_time_for_is_counted() {
    let room = room("time");
    swept(&room, &head(None, 7, "1/2"), &[]);
    let mut short = Results::create(&room, &head(None, 7, "2/2")).unwrap();
    short.add(&run(8, false)).unwrap();
    short.end(Why::Time).unwrap();
    let (seeds, joined) = seeds_of(&room);
    assert_eq!(seeds, ["0x7", "0x8", "0x9", "0xb", "0xd"]);
    assert_eq!(joined, Joined { not_run: 2, found: false });
}

#[test]
fn gaps_overlaps_mixtures_and_results_cut_short_are_refused_with_a_sentence() {
    let refused = |name: &str| merged(&place(name)).unwrap_err();
    let fill = |name: &str, heads: &[Head]| {
        let room = room(name);
        heads.iter().for_each(|head| swept(&room, head, &[]));
        room
    };
    let [one, two] = ["1/2", "2/2"].map(|shard| head(None, 4, shard));
    fill("gap_behind", &[head(None, 4, "1/3"), head(None, 4, "2/3")]);
    assert!(refused("gap_behind").contains("shard 3/3 of redis-append are missing"));
    fill("gap_before", std::slice::from_ref(&two));
    assert!(refused("gap_before").contains("shard 1/2 of redis-append are missing"));
    fill("huge", &[head(None, 4, "1000000/1000000")]);
    assert!(refused("huge").contains("shard 1/1000000 of redis-append are missing"));
    fill("overlap", &[one.clone(), two.clone(), two.clone()]);
    assert!(refused("overlap").contains("overlap: both are shard 2/2"), "{}", refused("overlap"));
    let mixed = |name: &str, other: Head, what: &str| {
        fill(name, &[one.clone(), other]);
        let sentence = refused(name);
        assert!(sentence.contains("not of one sweep") && sentence.contains(what), "{sentence}");
    };
    mixed("build", but(&two, |head| head.build = "0x2".to_owned()), "build 0x2");
    mixed("commit", but(&two, |head| head.commit = None), "commit unknown");
    mixed("seeds", but(&two, |head| head.seeds = 5), "5 from 0x7");
    mixed("shards", head(None, 4, "2/3"), "the number of shards of the one: 2");
    mixed("bugs", head(Some(Bug::ExecOnFollower), 4, "2/2"), "exec_on_follower");
    let longer = but(&two, |head| head.options.set("time", "5").unwrap());
    mixed("options", longer, "--time 5");

    let room = fill("short", &[one]);
    drop(Results::create(&room, &two).unwrap());
    assert!(
        refused("short").contains("2of2.jsonl was cut short after 0 runs"),
        "{}",
        refused("short")
    );
    self::room("empty");
    assert!(refused("empty").contains("has no results"));
}
