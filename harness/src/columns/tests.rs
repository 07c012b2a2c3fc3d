use super::file::{self, FileError, Kept, MAGIC, Writer};
use super::{Columns, MopRef, Outcome};
use crate::checker::list_append;
use crate::checker::transactional::Model;
use crate::cluster::NodeId;
use crate::history::{Event, History, Kind, Process};
use crate::interchange::KeyName;
use crate::op::{Key, Mop, Op, Value};
use crate::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// A small history of overlapping transactions over lists: some fail, crash or never end, and some micro-operations were
/// tampered with, mostly of none or of one of them.
pub(crate) fn history(seed: u64) -> History {
    let mut rng = Seed(seed).stream(Stream::Workload);
    let mut making = Making { lists: BTreeMap::new(), appended: 0, keys: rng.range(1, 5) };
    let (count, processes) = (rng.range(1, 40), rng.range(1, 6) as usize);
    let mut open: Vec<Option<(Vec<Mop>, Kind)>> = vec![None; processes];
    let mut names: Vec<u32> = (0..processes as u32).collect();
    let mut history = History::default();
    for _ in 0..count * 3 {
        let client = rng.range(0, processes as u64) as usize;
        match open[client].take() {
            None => {
                let mut mops: Vec<Mop> =
                    (0..rng.range(1, 5)).map(|_| making.ask(&mut rng)).collect();
                push(&mut history, names[client], Kind::Invoke, mops.clone());
                let kind =
                    *rng.pick(&[Kind::Ok, Kind::Ok, Kind::Ok, Kind::Ok, Kind::Info, Kind::Fail]);
                let asked = mops.clone();
                if kind == Kind::Ok || kind == Kind::Info && rng.chance(0.5) {
                    mops.iter_mut().for_each(|mop| making.happen(mop));
                }
                let shown = if kind == Kind::Ok || rng.chance(0.1) { mops } else { asked };
                open[client] = Some((shown, kind));
            }
            Some((mops, kind)) => {
                push(&mut history, names[client], kind, mops);
                if kind == Kind::Info {
                    names[client] += processes as u32;
                }
            }
        }
    }
    for _ in 0..*rng.pick(&[0, 0, 1, 3]) {
        tamper(&mut rng, &mut history);
    }
    history
}

struct Making {
    lists: BTreeMap<Key, Vec<Value>>,
    appended: Value,
    keys: u64,
}

impl Making {
    fn ask(&mut self, rng: &mut ChaCha8Rng) -> Mop {
        let key = rng.range(0, self.keys) * 7 % 5;
        if rng.chance(0.5) {
            return Mop::Read { key, values: None };
        }
        self.appended += 1;
        let wide = if rng.chance(0.1) { 1 << 40 } else { 0 };
        Mop::Append { key, value: wide + self.appended }
    }

    fn happen(&mut self, mop: &mut Mop) {
        match mop {
            Mop::Append { key, value } => self.lists.entry(*key).or_default().push(*value),
            Mop::Read { key, values } => {
                *values = Some(self.lists.get(key).cloned().unwrap_or_default());
            }
        }
    }
}

fn push(history: &mut History, process: u32, kind: Kind, mops: Vec<Mop>) {
    let time = Duration::from_micros(history.events.len() as u64 * 1_003);
    let node = Some(NodeId(process as u16 % 3)).filter(|node| node.0 > 0);
    let process = Process::Client(process);
    history.push(Event { time, process, kind, op: Op::Txn(mops), node, error: None });
}

fn tamper(rng: &mut ChaCha8Rng, history: &mut History) {
    let count = history.events.len() as u64;
    let event = &mut history.events[rng.range(0, count) as usize];
    if event.kind == Kind::Invoke {
        return;
    }
    if rng.chance(0.2) {
        event.kind = *rng.pick(&[Kind::Ok, Kind::Info, Kind::Fail]);
    }
    let Op::Txn(mops) = &mut event.op else { return };
    let at = rng.range(0, mops.len() as u64) as usize;
    match &mut mops[at] {
        Mop::Append { value, .. } if rng.chance(0.2) => *value += 1,
        Mop::Append { .. } => mops.reverse(),
        Mop::Read { values, .. } if values.as_ref().is_none_or(Vec::is_empty) => {
            *values = rng.pick(&[None, Some(Vec::new()), Some(vec![1, 2])]).clone();
        }
        Mop::Read { values: Some(values), .. } => {
            let (a, b) = (rng.range(0, values.len() as u64), rng.range(0, values.len() as u64));
            match rng.range(0, 6) {
                0 => values.truncate(a as usize),
                1 => values.swap(a as usize, b as usize),
                2 => values.insert(a as usize, 9_000),
                3 => values.insert(a as usize, values[b as usize]),
                4 => values.push(rng.range(1, 60)),
                _ => values.clear(),
            }
        }
        Mop::Read { values, .. } => *values = None,
    }
}

fn written(kept: &Kept) -> Vec<u8> {
    Writer::new(Vec::new()).and_then(|writer| writer.finish(kept)).expect("memory does not fail")
}

fn told(columns: &Columns) -> Vec<String> {
    let txn = |i| format!("{:?} {:?}", columns.txn(i), columns.mops(i).collect::<Vec<_>>());
    (0..columns.len()).map(txn).collect()
}

fn kept(seed: u64) -> Kept {
    let columns = Columns::of(&history(seed)).expect("no process asks twice");
    let names = [(1, KeyName::Keyword("x".into())), (2, KeyName::Number(-7))];
    Kept { columns, key_names: names.into_iter().collect() }
}

#[test]
fn what_was_pushed_comes_back_from_memory_and_from_a_file() {
    for seed in 0..500 {
        let history = history(seed);
        let Kept { columns, key_names } = kept(seed);
        let ended: Vec<usize> =
            (0..columns.len()).map(|i| columns.txn(i).ended.event as usize).collect();
        for (i, event) in ended.iter().enumerate() {
            let event = &history.events[*event];
            let mops: Vec<MopRef> = event.op.mops().iter().map(MopRef::from).collect();
            assert_eq!(columns.mops(i).collect::<Vec<_>>(), mops, "seed {seed}");
            assert_eq!(columns.txn(i).node, event.node);
            assert_eq!(columns.txn(i).outcome == Outcome::Open, event.kind == Kind::Invoke);
        }
        let invoked = history.events.iter().filter(|event| event.kind == Kind::Invoke);
        assert_eq!(columns.len(), invoked.count(), "seed {seed}");
        let back = file::read(&written(&Kept { columns: columns.clone(), key_names })[..]);
        let back = back.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(told(&back.columns), told(&columns), "seed {seed}");
        assert_eq!(back.key_names, kept(seed).key_names);
        let report = |columns| list_append::analyse_columns(columns, Model::STRICT_SERIALIZABLE, 1);
        assert_eq!(
            report(&back.columns),
            list_append::analyse(&history, Model::STRICT_SERIALIZABLE)
        );
    }
}

#[test]
fn a_file_that_grows_with_its_columns_is_the_same_history() {
    let whole = kept(7);
    let mut columns = Columns::default();
    let mut writer = Writer::new(Vec::new()).expect("memory does not fail");
    for i in 0..whole.columns.len() {
        let pushed = columns.push(whole.columns.txn(i), whole.columns.mops(i));
        assert_eq!(pushed, Ok(()));
        writer.catch_up(&columns).expect("memory does not fail");
    }
    let grown = Kept { columns, key_names: BTreeMap::new() };
    let bytes = writer.finish(&grown).expect("memory does not fail");
    let back = file::read(&bytes[..]).expect("it was written whole");
    assert!(whole.columns.len() > 5);
    assert_eq!(told(&back.columns), told(&whole.columns));
}

#[test]
fn any_changed_byte_and_any_cut_is_an_error_with_its_place() {
    let bytes = written(&kept(3));
    assert!(bytes.len() > 100);
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 0x10;
        let error = file::read(&changed[..]).expect_err("a byte was changed");
        assert!(error.offset <= bytes.len() as u64, "{error}");
        let error = file::read(&bytes[..i]).expect_err("the end is missing");
        assert!(error.offset <= i as u64 && error.message.contains("expected"), "{error}");
    }
    let more = [&bytes[..], b"x"].concat();
    assert!(file::read(&more[..]).unwrap_err().message.contains("after the end"));
}

/// A file with one block, whose checksum is right.
fn with_block(tag: u8, content: &[u8]) -> Result<Kept, FileError> {
    let length = (content.len() as u32).to_le_bytes();
    let checksum = crc32fast::hash(&[&[tag][..], &length, content].concat()).to_le_bytes();
    let head = [&MAGIC[..], &[1, tag], &length, &checksum].concat();
    file::read(&[&head[..], content].concat()[..])
}

#[test]
fn what_no_history_can_be_is_refused_with_what_was_expected() {
    let refused = |content: &[u8], offset: u64, what: &str| {
        let error = with_block(b'T', content).expect_err("it is no history");
        assert_eq!(error.offset, offset, "{error}");
        assert!(error.message.contains(what), "{error}");
    };
    // Event 5 asked at 4, process 0, ok; and again.
    let first = [5, 0, 2, 0, 0, 0, 0];
    refused(&[&first[..], &[2, 0, 4, 0, 0, 0, 0]].concat(), 21, "one thing at a time");
    refused(&[&first[..], &[0, 0, 0, 1, 0, 0]].concat(), 21, "in the order in which they end");
    refused(&[5, 0, 9], 14, "an invocation 8 events before event 5");
    refused(&[5, 0, 1, 0, 0, 0, 0], 14, "first the one, then the other");
    refused(&[5, 0, 0, 0, 0, 1, 8], 20, "key number 1 where 0 keys are known");
    refused(&[5, 0, 0, 0, 0, 1, 3, 9, 200, 1, 7], 22, "a length of 200");
    refused(&[5, 0, 0, 0, 0, 1, 7, 9], 20, "of a known kind");
    refused(&[5, 0, 0, 0, 0, 2, 2, 9, 10, 9], 22, "key 9 is new, but it is known");
    refused(&[0xff; 12], 14, "more than 64 bits");
    refused(&[5, 0, 0, 0x80], 17, "the block ends");
    assert!(with_block(b'X', &[]).unwrap_err().message.contains("expected T, N or E"));
    assert!(with_block(b'E', &[1, 0]).unwrap_err().message.contains("0 transactions"));
    assert!(file::read(&b"COLS\x09"[..]).unwrap_err().message.contains("format 9"));
    let large = [&MAGIC[..], &[1, b'T', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]].concat();
    assert!(file::read(&large[..]).unwrap_err().message.contains("are the most"));
}

#[test]
fn noise_behind_a_right_checksum_never_panics() {
    let mut rng = Seed(5).stream(Stream::Workload);
    let mut read = 0;
    for _ in 0..20_000 {
        let length = rng.range(1, 20);
        let small = rng.chance(0.7);
        let byte = |rng: &mut ChaCha8Rng| rng.range(0, if small { 12 } else { 256 }) as u8;
        let content: Vec<u8> = (0..length).map(|_| byte(&mut rng)).collect();
        let error = with_block(*rng.pick(b"TTTN"), &content).expect_err("there is no end");
        read += usize::from(error.message.contains("the last of which is an end"));
    }
    assert!(read > 30, "{read} blocks were read to their end");
}
