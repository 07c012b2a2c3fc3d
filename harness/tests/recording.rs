//! A run as it becomes known: its log on disk, its end on request, its fault windows.

use harness::catalog;
use harness::checker::Verdict;
use harness::cluster::{Artifacts, Clock, Cluster, Finding, NodeId};
use harness::counts::Counts;
use harness::fault::{Fault, FaultKind, Impairment, Sort};
use harness::history::{Event, Kind, Process};
use harness::in_memory::InMemory;
use harness::in_memory::clock::VirtualClock;
use harness::op::{Mop, Op};
use harness::options::Options;
use harness::plan::{Plan, Taken, Told};
use harness::recording::{Entry, Phase, Recorder, Run, Sink};
use harness::run::{Hooks, judge, run_with};
use harness::seed::Seed;
use harness::stop::Stop;
use harness::store::log::{Growing, LOG};
use harness::store::{self, Kept, Params, World};
use harness::test::Test;
use harness::windows::Windows;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn test() -> Test {
    catalog::find("redis-append").expect("it is in the catalog")
}

fn options(seconds: u64) -> Options {
    Options { time: Duration::from_secs(seconds), ..Options::defaults_of(&test()) }
}

fn params(options: &Options) -> Params {
    Params {
        world: World::Real,
        test: "redis-append".to_owned(),
        seed: "0x7".to_owned(),
        options: options.clone(),
        extra: BTreeMap::new(),
        drawn: BTreeMap::new(),
    }
}

/// A folder of this test's own below cargo's.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it is ours");
    }
    folder
}

/// A run of which every entry went to a folder.
fn logged(store: &Path, options: &Options, stop_at: Option<Duration>) -> (Run, Growing) {
    let clock = VirtualClock::default();
    let cluster = InMemory::new(options.nodes, clock.clone());
    let blank = Run::new("redis-append", Seed(7), cluster.nodes(), Vec::new());
    let growing = Growing::create(store, &blank, &params(options)).expect("it is written");
    let stop = Stop::default();
    let hooks =
        Hooks { sink: Some(Box::new(growing.clone())), stop: stop.clone(), ..Hooks::default() };
    let test = test();
    let run = clock.run(async {
        let run = run_with(&test, options, &cluster, Seed(7), hooks);
        let Some(at) = stop_at else { return run.await };
        let asked = async {
            clock.sleep(at).await;
            stop.ask();
        };
        futures_util::join!(run, asked).0
    });
    (run.expect("only time is waited for").expect("the cluster is set up"), growing)
}

#[test]
fn a_log_read_back_is_the_run_and_a_completed_folder_is_like_any_other() {
    let store = fresh("log-whole");
    let options = options(10);
    let (run, growing) = logged(&store, &options, None);
    growing.flush().expect("the disk is not full");
    let folder = growing.folder();
    assert_eq!(folder, store.join("redis-append/0x7"));
    let stored = store::load(&folder).expect("it is read");
    assert_eq!((stored.run, stored.torn, stored.judgement), (run.clone(), 0, None));

    let judgement = judge(&test(), &options, &run);
    let extra = BTreeMap::new();
    let kept = Kept {
        world: World::Real,
        options: &options,
        extra: &extra,
        run: &run,
        plan: &Plan::of(&run, &options, Told::default(), Taken::default()),
        judgement: &judgement,
        report: "words\n",
    };
    growing.complete(kept).expect("it is written");
    assert!(!folder.join(LOG).exists());
    let stored = store::load(&folder).expect("it is read");
    assert_eq!((stored.run, stored.judgement), (run, Some(judgement)));
    assert_eq!(stored.params.world, World::Real);
    let names: Vec<_> = fs::read_dir(&folder).expect("it is there").collect();
    assert_eq!(names.len(), 7, "no drafts are left: {names:?}");
}

#[test]
fn a_log_cut_anywhere_gives_the_run_as_it_was_known_and_the_verdict_unknown() {
    let store = fresh("log-cut");
    let options = options(5);
    let (run, growing) = logged(&store, &options, None);
    growing.flush().expect("the disk is not full");
    let folder = growing.folder();
    let bytes = fs::read(folder.join(LOG)).expect("it is there");
    let mut known = 0;
    for cut in (0..bytes.len()).step_by(997).skip(1) {
        fs::write(folder.join(LOG), &bytes[..cut]).expect("it is ours");
        let stored = store::load(&folder).expect("its first chunk is whole");
        let events = &stored.run.history.events;
        assert!(events.len() >= known && run.history.events.starts_with(events), "cut at {cut}");
        known = events.len();
        let verdict = judge(&test(), &options, &stored.run).verdict;
        let Verdict::Unknown(reasons) = verdict else { panic!("cut at {cut}: {verdict:?}") };
        assert!(
            reasons.iter().any(|r| r.starts_with("the run is known only up to")),
            "{reasons:?}"
        );
    }
    assert!(known > 500, "{known} events were known before the end");
}

#[test]
fn doubts_and_findings_of_a_run_cut_short_are_in_its_log_and_count() {
    let options = options(5);
    let read_again = |name: &str, findings: Vec<Finding>| {
        let blank = Run::new("redis-append", Seed(7), &[NodeId(1), NodeId(2)], Vec::new());
        let growing = Growing::create(&fresh(name), &blank, &params(&options)).expect("written");
        let doubts = vec!["n2 was killed by another program at 3.000 s".to_owned()];
        growing.clone().entry(&Entry::Found { findings, doubts });
        growing.flush().expect("the disk is not full");
        let run = store::load(&growing.folder()).expect("it is read").run;
        judge(&test(), &options, &run).verdict
    };
    let Verdict::Unknown(reasons) = read_again("log-doubts", Vec::new()) else {
        panic!("a doubt is no finding")
    };
    assert!(reasons.iter().any(|reason| reason.starts_with("n2 was killed")), "{reasons:?}");
    let text = "n1 ended by itself: signal: 6".to_owned();
    let finding = Finding { time: Duration::ZERO, name: "node-exit".into(), text };
    assert_eq!(read_again("log-findings", vec![finding]).name(), "invalid");
}

#[test]
fn a_changed_byte_in_a_log_is_refused_with_a_sentence() {
    let store = fresh("log-damaged");
    let (_, growing) = logged(&store, &options(5), None);
    growing.flush().expect("the disk is not full");
    let log = growing.folder().join(LOG);
    let mut bytes = fs::read(&log).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).expect("it is ours");
    let sentence = store::load(&growing.folder()).expect_err("it is damaged").to_string();
    assert!(sentence.contains("history.log: "), "{sentence}");
}

#[test]
fn a_folder_that_is_there_keeps_its_name() {
    let store = fresh("log-names");
    let options = options(1);
    let first = logged(&store, &options, None).1.folder();
    let before = fs::read(first.join(LOG)).expect("it is there");
    let second = logged(&store, &options, None).1.folder();
    assert_eq!(second, store.join("redis-append/0x7-2"));
    assert_eq!(fs::read(first.join(LOG)).expect("it is there"), before);
}

#[test]
fn a_run_asked_to_stop_heals_reads_back_and_is_judged() {
    let at = Duration::from_secs(14);
    let (run, _) = logged(&fresh("log-stopped"), &options(60), Some(at));
    let stopped = run.stopped.expect("somebody asked");
    assert!(stopped >= at && stopped < at + Duration::from_secs(6), "{stopped:?}");
    let phases: Vec<Phase> = run.phases.iter().map(|(phase, _)| *phase).collect();
    use Phase::{Disturb, Heal, ReadBack, SetUp, TearDown};
    assert_eq!(phases, [SetUp, Disturb, Heal, ReadBack, TearDown]);
    assert!(run.unread.is_empty() && run.ended);
    let options = options(60);
    assert_eq!(judge(&test(), &options, &run).verdict, Verdict::Valid);
}

fn event(millis: u64, process: Process, kind: Kind, op: Op) -> Entry {
    let time = Duration::from_millis(millis);
    Entry::Event(Event { time, process, kind, op, node: None, error: None })
}

fn read() -> Op {
    Op::Txn(vec![Mop::Read { key: 1, values: None }])
}

/// An entry a tuple: a client's operation from then to then, or a fault then.
fn told(entries: Vec<(u64, Vec<Entry>)>) -> Run {
    let mut run = Run::new("story", Seed(1), &[NodeId(1), NodeId(2)], Vec::new());
    let mut entries = entries;
    entries.sort_by_key(|(at, _)| *at);
    run.apply(Entry::Phase(Phase::SetUp, Duration::ZERO));
    run.apply(Entry::Phase(Phase::Disturb, Duration::ZERO));
    entries.into_iter().flat_map(|(_, entries)| entries).for_each(|entry| run.apply(entry));
    run.apply(Entry::Phase(Phase::Heal, Duration::from_millis(1000)));
    run.apply(Entry::Ended(Artifacts::default()));
    run
}

fn fault(at: u64, fault: Fault) -> (u64, Vec<Entry>) {
    let strike = || event(at, Process::Nemesis, Kind::Info, Op::Fault(fault.clone()));
    (at, vec![strike(), strike()])
}

fn asked(at: u64, process: u32, kind: Kind) -> (u64, Vec<Entry>) {
    let process = Process::Client(process);
    (at, vec![event(at, process, Kind::Invoke, read()), event(at, process, kind, read())])
}

#[test]
fn operations_are_counted_in_every_window_in_which_they_were_asked() {
    let cut = Fault::Partition { shape: "halves".into(), cuts: vec![(NodeId(1), NodeId(2))] };
    let run = told(vec![
        asked(50, 0, Kind::Ok),
        fault(100, cut.clone()),
        asked(150, 0, Kind::Fail),
        fault(200, Fault::Kill(NodeId(1))),
        asked(250, 0, Kind::Info),
        fault(300, Fault::HealNetwork),
        asked(350, 1, Kind::Ok),
        fault(400, Fault::Restart(NodeId(1))),
        asked(450, 1, Kind::Ok),
        fault(500, Fault::Pause(NodeId(2))),
        fault(600, Fault::Kill(NodeId(2))),
        asked(650, 1, Kind::Ok),
    ]);
    let windows = Windows::of(&run);
    let told: Vec<(&str, u128, u128)> = windows
        .all
        .iter()
        .map(|window| (&*window.fault, window.from.as_millis(), window.to.as_millis()))
        .collect();
    let expected = [
        ("partition halves", 100, 300),
        ("kill n1", 200, 400),
        ("pause n2", 500, 600),
        ("kill n2", 600, 1000),
    ];
    assert_eq!(told, expected);
    let counts = |ok, fail, info| Counts { ok, fail, info };
    let ops: Vec<Counts> = windows.all.iter().map(|window| window.ops).collect();
    assert_eq!(ops, [counts(0, 1, 1), counts(1, 0, 1), counts(0, 0, 0), counts(1, 0, 0)]);
    let kill = windows.broken[&FaultKind::Kill];
    assert_eq!((kill.ops, kill.lasted), (counts(2, 0, 1), Duration::from_millis(600)));
    assert_eq!(windows.calm.ops, counts(2, 0, 0));
    assert_eq!(windows.calm.lasted, Duration::from_millis(200));
}

#[test]
fn faults_of_one_clock_have_windows_of_their_own_and_true_time_ends_them_all() {
    let (node, nodes) = (NodeId(1), vec![NodeId(1)]);
    let flaky =
        |loss_percent| Fault::Flaky { nodes: nodes.clone(), loss_percent, duplicate_percent: 0 };
    let run = told(vec![
        fault(100, Fault::WallJump { node, by_ms: 5 }),
        fault(200, Fault::WallStrobe { node, delta_ms: 5, period_ms: 1 }),
        fault(300, Fault::WallDrift { node, ppm: 500 }),
        fault(330, Fault::WallLeap { node, back_ms: 5 }),
        fault(350, Fault::WallFreeze(node)),
        fault(400, Fault::WallReset(node)),
        fault(500, flaky(1)),
        fault(550, Fault::Throttle { nodes: nodes.clone(), kib_per_s: 8 }),
        fault(600, flaky(2)),
        fault(700, Fault::Reliable),
        fault(750, Fault::Pause(node)),
        fault(800, Fault::Reboot(node)),
    ]);
    let told: Vec<(FaultKind, u128, u128)> = Windows::of(&run)
        .all
        .iter()
        .map(|window| (window.kind, window.from.as_millis(), window.to.as_millis()))
        .collect();
    let expected = [
        (FaultKind::Jump, 100, 400),
        (FaultKind::Strobe, 200, 400),
        (FaultKind::Drift, 300, 350),
        (FaultKind::Leap, 330, 400),
        (FaultKind::Freeze, 350, 400),
        (FaultKind::Flaky, 500, 600),
        (FaultKind::Throttle, 550, 1000),
        (FaultKind::Flaky, 600, 700),
        (FaultKind::Pause, 750, 800),
        (FaultKind::Reboot, 800, 1000),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_wrong_with_single_links_has_a_window_for_each_sort() {
    let links = |how| Fault::Links { links: vec![(NodeId(1), NodeId(2))], how };
    let run = told(vec![
        fault(100, links(Impairment::Lost { percent: 9 })),
        fault(200, links(Impairment::Damaged { percent: 9 })),
        fault(300, links(Impairment::Lost { percent: 30 })),
        fault(400, Fault::LinksWhole(Sort::Loss)),
    ]);
    let told: Vec<(String, u128, u128)> = Windows::of(&run)
        .all
        .into_iter()
        .map(|window| (window.fault, window.from.as_millis(), window.to.as_millis()))
        .collect();
    let expected = [
        ("links: 9 % lost".to_owned(), 100, 300),
        ("links: 9 % damaged".to_owned(), 200, 1000),
        ("links: 30 % lost".to_owned(), 300, 400),
    ];
    assert_eq!(told, expected);
}

#[test]
fn kills_from_inside_last_until_the_restart_a_storm_until_it_is_over_and_a_pace_until_it_is_true() {
    let node = NodeId(1);
    let step = "wal sync".to_owned();
    let run = told(vec![
        fault(100, Fault::Pause(node)),
        fault(200, Fault::KillAt { node, step, or_after_ms: 1 }),
        fault(300, Fault::Restart(node)),
        fault(350, Fault::MonoDrift { node, ppm: 500 }),
        fault(400, Fault::KillAfter { node, polls: 1 }),
        fault(500, Fault::Restart(node)),
        fault(600, Fault::LimitMemory { node, kib: 1, or_after_ms: 1 }),
        fault(650, Fault::MonoDrift { node, ppm: -500 }),
        fault(700, Fault::Restart(node)),
        fault(800, Fault::MonoReset(node)),
        fault(900, Fault::Storm { node, times: 2, up_ms: 1, down_ms: 1 }),
    ]);
    let told: Vec<(FaultKind, u128, u128)> = Windows::of(&run)
        .all
        .iter()
        .map(|window| (window.kind, window.from.as_millis(), window.to.as_millis()))
        .collect();
    let expected = [
        (FaultKind::Pause, 100, 200),
        (FaultKind::KillAt, 200, 300),
        (FaultKind::MonoDrift, 350, 650),
        (FaultKind::KillAwait, 400, 500),
        (FaultKind::Memory, 600, 700),
        (FaultKind::MonoDrift, 650, 800),
        (FaultKind::Storm, 900, 900),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_was_never_enacted_has_no_window_and_what_never_came_back_is_unknown() {
    let mut run = told(Vec::new());
    let strike = |error: Option<&str>| {
        let fault = Op::Fault(Fault::PowerOff(NodeId(1)));
        let Entry::Event(event) = event(10, Process::Nemesis, Kind::Info, fault) else {
            unreachable!("it is an event")
        };
        Entry::Event(Event { error: error.map(str::to_owned), ..event })
    };
    run.apply(strike(None));
    run.apply(strike(Some("not here")));
    run.apply(event(20, Process::Client(0), Kind::Invoke, read()));
    assert_eq!(run.injections.len(), 1);
    let windows = Windows::of(&run);
    assert!(windows.all.is_empty(), "{windows:?}");
    assert_eq!(windows.calm.ops, Counts { ok: 0, fail: 0, info: 1 });
}

#[test]
fn a_sink_hears_every_entry_before_it_is_applied() {
    struct Heard(std::rc::Rc<std::cell::RefCell<Vec<Entry>>>);
    impl Sink for Heard {
        fn entry(&mut self, entry: &Entry) {
            self.0.borrow_mut().push(entry.clone());
        }
    }
    let heard = std::rc::Rc::default();
    let blank = || Run::new("story", Seed(1), &[NodeId(1)], Vec::new());
    let mut recorder = Recorder::new(blank(), Some(Box::new(Heard(std::rc::Rc::clone(&heard)))));
    recorder.record(Entry::Phase(Phase::SetUp, Duration::ZERO));
    recorder.record(event(1, Process::Client(0), Kind::Invoke, read()));
    recorder.record(Entry::Stopped(Duration::from_millis(2)));
    let mut again = blank();
    heard.borrow().iter().for_each(|entry| again.apply(entry.clone()));
    assert_eq!(again, recorder.run);
}
