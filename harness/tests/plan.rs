//! Plans as files and as drivers: what is written is read, what is not a plan is refused with a sentence, and the
//! operations of a plan are asked at their times.

use harness::cluster::NodeId;
use harness::codec;
use harness::fault::{Fault, FaultKind};
use harness::generator::planned::Planned;
use harness::generator::{Context, Generator, Next, Thread};
use harness::nemesis::{ClusterView, Nemesis};
use harness::op::{Mop, Op};
use harness::options::Options;
use harness::plan::{Ask, Look, Plan, Taken, Told};
use harness::seed::{Seed, Stream};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn append(value: u64) -> Op {
    Op::Txn(vec![Mop::Append { key: 1, value }, Mop::Read { key: 2, values: None }])
}

fn ask(due: u64, at: u64, thread: u16, value: u64) -> Ask {
    Ask { due: ms(due), at: ms(at), thread, op: append(value) }
}

fn plan() -> Plan {
    let mut options = Options { nodes: 3, clients: 4, ..Options::default() };
    options.set("time", "1.000000001").expect("a time");
    Plan {
        test: "redis-append".to_owned(),
        seed: Seed(u64::MAX),
        options,
        told: Told {
            extra: BTreeMap::from([("bug".to_owned(), "one".to_owned())]),
            world: BTreeMap::from([("loss-ppm".to_owned(), 7)]),
            overrides: vec!["n1-n2:3=lost".parse().expect("a fate")],
        },
        asks: vec![ask(1, 1, 0, 1), ask(2, 5, 3, 2)],
        next_ask: Some(ms(9)),
        looks: vec![
            Look { due: ms(3), fault: Some(Fault::Kill(NodeId(3))) },
            Look { due: ms(4), fault: None },
        ],
        until: ms(20),
        taken: Taken { commit: "abc".to_owned(), build: 5, trace_hash: 6 },
    }
}

fn refused(bytes: &[u8]) -> String {
    Plan::decode(bytes).expect_err("it is no plan").to_string()
}

#[test]
fn a_plan_comes_back_and_any_changed_byte_is_noticed() {
    let plan = plan();
    let bytes = plan.encode().expect("it is written");
    assert_eq!(Plan::decode(&bytes).expect("it is read"), plan);
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 1;
        assert!(Plan::decode(&changed).is_err(), "byte {i}");
        assert!(Plan::decode(&bytes[..i]).is_err(), "cut at {i}");
    }
}

#[test]
fn what_is_not_a_plan_of_this_version_is_refused_with_a_sentence() {
    let mut other = plan().encode().expect("it is written");
    other[4] += 1;
    assert!(refused(&other).contains("written in format 2, this program reads format 1"));
    let run = codec::RUN.encode(&7u8).expect("it is written");
    assert!(refused(&run).contains("does not begin with PLAN"));
    let mut large = plan().encode().expect("it is written");
    large[5..13].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refused(&large).contains("is the most"), "{}", refused(&large));
    // A file that only says nothing, for longer than any plan.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.plan");
    let file = fs::File::create(&path).expect("cargo's directory for tests is ours");
    file.set_len(codec::PLAN.file_limit() + 1).expect("it has no blocks");
    let sentence = Plan::load(&path).expect_err("it is too large").to_string();
    assert!(sentence.contains("is the most"), "{sentence}");
    fs::remove_file(path).expect("it is ours");
}

#[test]
fn what_a_plan_cannot_mean_is_refused_with_a_sentence() {
    let says = |change: &dyn Fn(&mut Plan), words: [&str; 2]| {
        let mut plan = plan();
        change(&mut plan);
        let sentence = refused(&plan.encode().expect("it is written"));
        assert!(words.iter().all(|word| sentence.contains(word)), "{sentence}");
    };
    says(&|plan| plan.test = "redis-moon".to_owned(), ["`redis-moon`", "redis-append"]);
    says(&|plan| plan.options.nodes = 65, ["65 nodes", "1 to 64"]);
    says(&|plan| plan.until = Duration::MAX, ["it ends at", "the most"]);
    says(&|plan| plan.asks[0].op = Op::Fault(Fault::Fast), ["client 0", "a fault"]);
    says(&|plan| plan.looks[0].fault = Some(Fault::Kill(NodeId(4))), ["kill n4", "n1..n3"]);
    says(&|plan| plan.asks[1].thread = 4, ["client 4", "4 clients"]);
    says(&|plan| plan.told.overrides[0].to = 9, ["n1-n9:3", "n1..n3"]);
}

fn context(now: u64, free: [bool; 2]) -> Context {
    let thread =
        |id: usize| Thread { id, process: id as u32, node: NodeId(id as u16 + 1), free: free[id] };
    Context { now: ms(now), threads: vec![thread(0), thread(1)] }
}

/// What is answered at a time with these threads free: `Ok` the value asked, `Err` when to come back.
fn answer(planned: &mut Planned, now: u64, free: [bool; 2]) -> Result<u64, Option<u64>> {
    match planned.next(&context(now, free), &mut Seed(1).stream(Stream::Workload)) {
        Next::Invoke { op, .. } => match op.mops()[0] {
            Mop::Append { value, .. } => Ok(value),
            Mop::Read { .. } => unreachable!("every operation begins with an append"),
        },
        Next::Later(at) => Err(Some(at.as_millis() as u64)),
        Next::Pending => Err(None),
        Next::Exhausted => unreachable!("a plan is ended by its time"),
    }
}

#[test]
fn a_plan_waits_for_the_moments_that_its_generator_waited_for() {
    // The second was due while both threads were busy, and was asked when thread 1 came free.
    let mut planned =
        Planned::new([ask(1, 1, 0, 1), ask(2, 5, 1, 2), ask(8, 8, 0, 3)], Some(ms(9)));
    assert_eq!(answer(&mut planned, 0, [true, true]), Err(Some(1)));
    assert_eq!(answer(&mut planned, 1, [true, true]), Ok(1));
    assert_eq!(answer(&mut planned, 1, [false, false]), Err(Some(2)));
    assert_eq!(answer(&mut planned, 2, [false, false]), Err(None), "it waits for a thread");
    assert_eq!(answer(&mut planned, 5, [false, true]), Ok(2));
    assert_eq!(answer(&mut planned, 5, [true, false]), Err(Some(8)));
    assert_eq!(answer(&mut planned, 8, [true, false]), Ok(3));
    assert_eq!(answer(&mut planned, 8, [true, true]), Err(Some(9)));
    assert_eq!(answer(&mut planned, 9, [false, false]), Err(None));
}

#[test]
fn in_another_build_operations_keep_their_times_where_their_threads_are_free() {
    let mut planned = Planned::new([ask(1, 4, 0, 1), ask(5, 5, 1, 2), ask(6, 6, 0, 3)], None);
    assert_eq!(answer(&mut planned, 1, [true, true]), Err(Some(4)), "not before its time");
    // Its thread is busy by then; the other thread's is not held up.
    assert_eq!(answer(&mut planned, 4, [false, true]), Err(Some(5)));
    assert_eq!(answer(&mut planned, 5, [false, true]), Ok(2));
    assert_eq!(answer(&mut planned, 7, [true, true]), Ok(1));
    assert_eq!(answer(&mut planned, 7, [true, true]), Ok(3));
    assert_eq!(answer(&mut planned, 7, [true, true]), Err(None));
}

/// When what is asked comes, and what is broken, as drivers that begin at this time say.
fn times(plan: &Plan, begins: Duration) -> (Vec<Duration>, Vec<Duration>, Duration) {
    let mut drivers = plan.drivers_elsewhere().beginning(begins);
    let threads = |free| {
        let thread = |id: usize| Thread { id, process: id as u32, node: NodeId(1), free };
        (0..4).map(thread).collect()
    };
    let mut rng = Seed(1).stream(Stream::Workload);
    let (mut asks, mut now) = (Vec::new(), begins);
    while asks.len() < plan.asks.len() {
        match drivers.generator.next(&Context { now, threads: threads(true) }, &mut rng) {
            Next::Invoke { .. } => asks.push(now),
            Next::Later(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    let mut breaks = Vec::new();
    while let Some(due) = drivers.nemesis.due() {
        let view = ClusterView { now: due, ..ClusterView::new(&[1, 2, 3].map(NodeId)) };
        drivers.nemesis.next(&view, &mut rng);
        breaks.push(due);
    }
    (asks, breaks, drivers.until)
}

#[test]
fn elsewhere_a_plan_begins_with_the_disturbing_and_keeps_its_distances() {
    let plan = plan();
    let own = (vec![ms(1), ms(5)], vec![ms(3), ms(4)], ms(20));
    // `until` less the time that was to be disturbed is before all: it began at 0.
    assert_eq!(times(&plan, ms(0)), own);
    let later = |by: u64| {
        let moved = |all: &Vec<Duration>| all.iter().map(|at| *at + ms(by)).collect::<Vec<_>>();
        (moved(&own.0), moved(&own.1), own.2 + ms(by))
    };
    assert_eq!(times(&plan, ms(7000)), later(7000));
    let mut slow = plan.clone();
    slow.options.set("time", "0.001").expect("a time");
    // It began at 1 ms, with its first operation, where this cluster is ready at 3 s.
    assert_eq!(times(&slow, ms(3001)), later(3000));
    // A cluster that is ready sooner than that begins as the plan does.
    assert_eq!(times(&slow, ms(0)), own);
}

#[test]
fn a_plan_without_a_kind_of_fault_is_without_what_mends_it_too() {
    let n1 = NodeId(1);
    let breaks = [
        Fault::Kill(n1),
        Fault::WallJump { node: n1, by_ms: 3 },
        Fault::Restart(n1),
        Fault::WallReset(n1),
        Fault::PowerOff(n1),
        Fault::Restart(n1),
    ];
    let looks = breaks.iter().map(|fault| Look { due: ms(1), fault: Some(fault.clone()) });
    let plan = Plan { looks: looks.chain([Look { due: ms(2), fault: None }]).collect(), ..plan() };
    let left = |kinds: &[FaultKind]| {
        let left = plan.without(kinds);
        assert_eq!(left.looks.last().map(|look| &look.fault), Some(&None), "a moment stays");
        left.faults().map(|(_, fault)| fault.clone()).collect::<Vec<_>>()
    };
    assert_eq!(left(&[]), breaks);
    let kept = |of: &[usize]| of.iter().map(|at| breaks[*at].clone()).collect::<Vec<_>>();
    assert_eq!(left(&[FaultKind::Jump]), kept(&[0, 2, 4, 5]));
    assert_eq!(left(&[FaultKind::Power]), kept(&[0, 1, 2, 3, 5]), "restarts mend kills too");
    assert_eq!(left(&[FaultKind::Power, FaultKind::Kill]), kept(&[1, 3]));
    assert_eq!(left(&FaultKind::ALL), []);
}
