//! What holds of every reader of histories, columns, runs and plans, whatever the bytes: it neither panics nor hangs, an error names a
//! place in the input in few words, and what was read, written and read again is the same.
//!
//! Run by `cargo fuzz` for as long as one likes, and by the test `readers` for a moment.

use harness::checker::list_append;
use harness::checker::transactional::Model;
use harness::cluster::NodeId;
use harness::codec::{Format as Kept, PLAN, RUN};
use harness::columns;
use harness::fault::Fault;
use harness::history::{Event, Kind, Process};
use harness::interchange::{self, Alphabet, CallFormat, Format, ImportError, Imported};
use harness::op::{Mop, Object, Op};
use harness::options::Options;
use harness::plan::{Ask, Look, Plan, Taken, Told};
use harness::recording::{Entry, Run};
use harness::seed::Seed;
use std::collections::BTreeMap;
use std::time::Duration;

/// As EDN.
pub fn edn(bytes: &[u8]) {
    op_maps(bytes, Format::Edn);
}

/// As JSON lines, or an array.
pub fn json_lines(bytes: &[u8]) {
    op_maps(bytes, Format::JsonLines);
}

/// As a log of Jepsen's etcd tests; what it holds is written as EDN.
pub fn etcd_log(bytes: &[u8]) {
    for object in Object::ALL {
        let read = interchange::read_calls(bytes, Some(CallFormat::EtcdLog), object);
        let strict = interchange::read_calls_strictly(bytes, Some(CallFormat::EtcdLog), object);
        let edn = Some(CallFormat::OpMaps(Format::Edn));
        judged(bytes, &read, &strict, Format::Edn, |text| {
            interchange::read_calls(text, edn, object)
        });
    }
}

fn op_maps(bytes: &[u8], format: Format) {
    for alphabet in [Alphabet::Lists, Alphabet::Registers] {
        let read = |bytes: &[u8]| interchange::read(bytes, Some(format), alphabet);
        let strict = interchange::read_strictly(bytes, Some(format), alphabet);
        judged(bytes, &read(bytes), &strict, format, read);
    }
    for object in Object::ALL {
        let maps = Some(CallFormat::OpMaps(format));
        let read = |bytes: &[u8]| interchange::read_calls(bytes, maps, object);
        let strict = interchange::read_calls_strictly(bytes, maps, object);
        judged(bytes, &read(bytes), &strict, format, read);
    }
    let _ = interchange::read(bytes, None, Alphabet::Lists);
}

fn judged(
    bytes: &[u8],
    read: &Result<Imported, ImportError>,
    strict: &Result<Imported, ImportError>,
    format: Format,
    again: impl Fn(&[u8]) -> Result<Imported, ImportError>,
) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for error in [read, strict].into_iter().filter_map(|read| read.as_ref().err()) {
        assert!((1..=lines).contains(&error.line), "{error}: of {lines} lines");
        assert!(!error.message.is_empty() && error.message.len() < 1000, "{error}");
    }
    match (read, strict) {
        (Ok(imported), Ok(strict)) => assert_eq!(imported, strict),
        // Strictly, what names nobody is refused before, unless it stands in what has no end: that is told where it begins.
        (Err(error), Err(strict)) => {
            let before = strict == error || strict.line <= error.line;
            assert!(
                before || error.message.ends_with("has no end"),
                "{strict} is later than {error}"
            );
        }
        (Err(error), Ok(_)) => panic!("{error}, and strictly it is read"),
        (Ok(_), Err(_)) => {}
    }
    if let Ok(imported) = read {
        let text = interchange::write(imported, format);
        assert_eq!(again(text.as_bytes()).as_ref(), Ok(imported), "{text}");
    }
}

/// As a run of the store: as they are, as a value in a whole file, and as changes of a file that was whole.
pub fn run(bytes: &[u8]) {
    let whole = RUN.encode(&small_run()).expect("a small run is written");
    for file in [bytes.to_vec(), framed(RUN, bytes), changed(RUN, &whole, bytes)] {
        if let Ok(run) = RUN.decode::<Run>(&file) {
            let once = RUN.encode(&run).expect("what was read is written");
            let again: Run = RUN.decode(&once).expect("what was written is read");
            assert_eq!(RUN.encode(&again).expect("it is written"), once);
        }
        let _ = RUN.decode::<Vec<Entry>>(&file);
        if let Ok(Some((first, rest))) = RUN.split_first(&file) {
            assert_eq!([first, rest].concat(), file);
        }
    }
}

/// As a plan, in the same ways.
pub fn plan(bytes: &[u8]) {
    let test = harness::catalog::find("redis-append").expect("it is in the catalog");
    let whole = small_plan(&test).encode().expect("a small plan is written");
    for file in [bytes.to_vec(), framed(PLAN, bytes), changed(PLAN, &whole, bytes)] {
        match Plan::decode(&file) {
            Ok(plan) => {
                let once = plan.encode().expect("what was read is written");
                assert_eq!(Plan::decode(&once).expect("what was written is read"), plan);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// As columns, in the same ways: what a file holds is judged, too, since checkers trust the columns that they are given.
pub fn columns(bytes: &[u8]) {
    let (head, whole) = column_blocks();
    let framed = |blocks: &[(u8, Vec<u8>)]| [&head[..], &framed_blocks(blocks)].concat();
    assert!(columns::file::read(&framed(&whole)[..]).is_ok(), "as it was written");
    for blocks in [vec![(b'T', bytes.to_vec()), whole[1].clone()], changed_blocks(&whole, bytes)] {
        column_file(&framed(&blocks));
    }
    column_file(bytes);
}

fn column_file(file: &[u8]) {
    match columns::file::read(file) {
        Ok(kept) => {
            let write = |kept: &columns::file::Kept| {
                let writer = columns::file::Writer::new(Vec::new()).expect("memory takes all");
                writer.finish(kept).expect("what was read is written")
            };
            let once = write(&kept);
            let again = columns::file::read(&once[..]).expect("what was written is read");
            assert_eq!(write(&again), once);
            list_append::analyse_columns(&kept.columns, Model::default(), 1);
        }
        Err(error) => {
            assert!(error.offset <= file.len() as u64, "{error}: of {} bytes", file.len());
            assert!(!error.message.is_empty() && error.message.len() < 1000, "{error}");
        }
    }
}

/// A small file's head and blocks: tag and content.
fn column_blocks() -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
    let kept = columns::file::Kept {
        columns: columns::Columns::of(&small_run().history).expect("no process asks twice"),
        key_names: BTreeMap::new(),
    };
    let writer = columns::file::Writer::new(Vec::new()).expect("memory takes all");
    let file = writer.finish(&kept).expect("it is small");
    let (head, mut rest) = file.split_at(columns::file::MAGIC.len() + 1);
    let mut blocks = Vec::new();
    while let [tag, a, b, c, d, _, _, _, _, after @ ..] = rest {
        let (content, next) = after.split_at(u32::from_le_bytes([*a, *b, *c, *d]) as usize);
        blocks.push((*tag, content.to_vec()));
        rest = next;
    }
    (head.to_vec(), blocks)
}

fn framed_blocks(blocks: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (tag, content) in blocks {
        let length = (content.len() as u32).to_le_bytes();
        let checksum = crc32fast::hash(&[&[*tag], &length[..], content].concat()).to_le_bytes();
        file.extend([&[*tag], &length[..], &checksum, content].concat());
    }
    file
}

/// The same blocks with bytes of the first replaced: of two bytes one says where and one says what.
fn changed_blocks(blocks: &[(u8, Vec<u8>)], script: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut blocks = blocks.to_vec();
    let content = &mut blocks[0].1;
    for change in script.chunks(2) {
        match *change {
            [at, byte] => {
                let at = usize::from(at) % content.len();
                content[at] = byte;
            }
            _ => content.truncate(content.len() - 1),
        }
    }
    blocks
}

fn small_run() -> Run {
    let nodes = [1, 2, 3].map(NodeId);
    let mut run = Run::new("redis-append", Seed(7), &nodes, Vec::new());
    for (number, kind) in [Kind::Invoke, Kind::Ok, Kind::Invoke, Kind::Info].into_iter().enumerate()
    {
        let read = Mop::Read { key: 3, values: (kind == Kind::Ok).then(|| vec![1, 2, 300]) };
        let event = Event {
            time: Duration::from_millis(number as u64),
            process: Process::Client(number as u32 / 2),
            kind,
            op: Op::Txn(vec![Mop::Append { key: 3, value: number as u64 / 2 }, read]),
            node: Some(NodeId(1)),
            error: (kind == Kind::Info).then(|| "timed out".to_owned()),
        };
        run.apply(Entry::Event(event));
    }
    run
}

fn small_plan(test: &harness::test::Test) -> Plan {
    let time = Duration::from_millis;
    let op = || Op::Txn(vec![Mop::Append { key: 3, value: 4 }]);
    Plan {
        test: test.name.to_owned(),
        seed: Seed(7),
        options: Options::defaults_of(test),
        told: Told {
            extra: BTreeMap::from([("bug".to_owned(), "one".to_owned())]),
            world: BTreeMap::from([("loss-ppm".to_owned(), 7)]),
            overrides: "n1-n2:3=lost".parse().into_iter().collect(),
        },
        asks: vec![Ask { due: time(1), at: time(2), thread: 0, op: op() }],
        next_ask: Some(time(9)),
        looks: vec![Look { due: time(3), fault: Some(Fault::Kill(NodeId(3))) }],
        until: time(20),
        taken: Taken { commit: "abc".to_owned(), build: 5, trace_hash: 6 },
    }
}

/// A value between a header and a checksum that are right.
fn framed(kept: Kept, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u64).to_le_bytes();
    let checksum = crc32fast::hash(value).to_le_bytes();
    [kept.magic.as_bytes(), &[kept.version], &length, &checksum, value].concat()
}

/// The same value with bytes replaced and its end cut off: of three bytes two say where and one says what.
fn changed(kept: Kept, whole: &[u8], script: &[u8]) -> Vec<u8> {
    let mut value = whole[framed(kept, &[]).len()..].to_vec();
    for change in script.chunks(3) {
        match *change {
            [high, low, byte] if !value.is_empty() => {
                let at = usize::from(u16::from_be_bytes([high, low])) % value.len();
                value[at] = byte;
            }
            [cut] => value.truncate(value.len().saturating_sub(cut.into())),
            _ => {}
        }
    }
    framed(kept, &value)
}
