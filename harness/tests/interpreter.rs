//! The interpreter's rules, one story each, against a cluster in memory with scripted answers.

use bytes::Bytes;
use futures_util::future::join;
use harness::client::Classify;
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::generator::{Each, Generator, Repeat, limit::Limit};
use harness::history::{Event, Kind, Process};
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::interpreter::{Asks, Breaker, Interpreter, Settings};
use harness::nemesis::disk::DiskBound;
use harness::nemesis::planned::Planned;
use harness::op::{Mop, Op};
use harness::recording::{Recorder, Run};
use harness::redis::lists::Lists;
use harness::seed::{Seed, Stream};
use harness::stop::Stop;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn append(key: u64, value: u64) -> Op {
    Op::Txn(vec![Mop::Append { key, value }])
}

fn read(key: u64) -> Op {
    Op::Txn(vec![Mop::Read { key, values: None }])
}

fn settings(clients: u16) -> Settings {
    let deadline = 5 * SECOND;
    let (dial, disk_bound) = (Lists::dial, DiskBound::Minority);
    Settings { clients, deadline, dial, classify: Classify::Elastickv, disk_bound }
}

fn recorder(cluster: &InMemory) -> Recorder {
    Recorder::new(Run::new("story", Seed(1), cluster.nodes(), Vec::new()), None)
}

/// What a story left behind.
struct Told {
    events: Vec<Event>,
    connections: u64,
}

/// Runs a generator to its end, with faults at their times.
fn story(
    clients: u16,
    faults: Vec<(Duration, Fault)>,
    mut generator: impl Generator,
    cluster: impl FnOnce(VirtualClock) -> InMemory,
) -> Told {
    let clock = VirtualClock::default();
    let cluster = cluster(clock.clone());
    let mut nemesis = Planned::script(faults);
    let (mut asks, mut breaks) =
        (Seed(1).stream(Stream::Workload), Seed(1).stream(Stream::Nemesis));
    let stop = Stop::default();
    let events = clock.run(async {
        let mut interpreter = Interpreter::new(&cluster, settings(clients), recorder(&cluster));
        let asks = Asks { generator: &mut generator, rng: &mut asks, stop: stop.clone() };
        let breaker = Breaker { nemesis: &mut nemesis, rng: &mut breaks };
        interpreter.drive(asks, Some(breaker)).await;
        interpreter.recorder.run.history.events
    });
    let events = events.expect("the interpreter waits only for time");
    Told { events, connections: cluster.connections() }
}

/// One node, one client, these operations in order, every command answered by the script.
fn scripted(ops: Vec<Op>, script: impl FnMut(NodeId, &[Bytes]) -> Answer + 'static) -> Told {
    story(1, Vec::new(), Each::of(ops), |clock| InMemory::new(1, clock).scripted(script))
}

/// Answers in order, one a command; afterwards commands are served.
fn answers(answers: Vec<Answer>) -> impl FnMut(NodeId, &[Bytes]) -> Answer {
    let mut answers = answers.into_iter();
    move |_, _| answers.next().unwrap_or(Answer::Serve)
}

fn completions(told: &Told) -> Vec<(Process, Kind)> {
    let done = told.events.iter().filter(|event| event.kind != Kind::Invoke);
    done.map(|event| (event.process, event.kind)).collect()
}

fn error_of(told: &Told, index: usize) -> &str {
    told.events[index].error.as_deref().expect("it did not succeed")
}

use Kind::{Fail, Info, Ok as Done};
const P0: Process = Process::Client(0);
const P1: Process = Process::Client(1);

#[test]
fn an_append_and_a_read_of_it_succeed_on_one_connection() {
    let ops = vec![append(7, 1), append(7, 2), read(7)];
    let told = scripted(ops, |_, _| Answer::Serve);
    assert_eq!(completions(&told), [(P0, Done), (P0, Done), (P0, Done)]);
    assert_eq!(told.events[5].op, Op::Txn(vec![Mop::Read { key: 7, values: Some(vec![1, 2]) }]));
    assert_eq!(told.connections, 1, "a connection is used again");
}

#[test]
fn a_deadline_makes_an_append_unknown_and_retires_process_and_connection() {
    let told = scripted(vec![append(7, 1), read(7)], answers(vec![Answer::Swallow]));
    assert_eq!(completions(&told), [(P0, Info), (P1, Done)]);
    assert_eq!(told.events[1].time - told.events[0].time, 5 * SECOND);
    assert!(error_of(&told, 1).contains("no answer from n1 within 5s"), "{}", error_of(&told, 1));
    let seen = Op::Txn(vec![Mop::Read { key: 7, values: Some(vec![1]) }]);
    assert_eq!(told.events[3].op, seen, "it had happened: unknown was right");
    assert_eq!(told.connections, 2, "the old connection is gone");
}

#[test]
fn a_deadline_makes_a_pure_read_failed_and_keeps_the_process() {
    let pair =
        Op::Txn(vec![Mop::Read { key: 1, values: None }, Mop::Read { key: 2, values: None }]);
    for op in [read(1), pair] {
        let told = scripted(vec![op, read(7)], answers(vec![Answer::Swallow; 4]));
        assert_eq!(completions(&told)[0], (P0, Fail));
        assert_eq!(told.events[2].process, P0);
        assert_eq!(told.events[1].time - told.events[0].time, 5 * SECOND);
    }
}

#[test]
fn the_time_to_connect_counts_towards_the_deadline() {
    let slow = |clock| InMemory::new(1, clock).answering_after(Duration::from_micros(4_999_900));
    let told = story(1, Vec::new(), Each::of([append(1, 1), append(1, 2)]), slow);
    assert_eq!(completions(&told), [(P0, Info), (P1, Info)]);
}

#[test]
fn a_refused_connection_is_a_failure_after_a_pause() {
    let kill = vec![(Duration::ZERO, Fault::Kill(NodeId(1)))];
    let told = story(1, kill, Limit::new(3, Repeat(append(1, 1))), |clock| InMemory::new(1, clock));
    let client: Vec<&Event> =
        told.events.iter().filter(|e| e.process != Process::Nemesis).collect();
    assert_eq!(client.len(), 6);
    for pair in client.chunks(2) {
        assert_eq!((pair[1].process, pair[1].kind), (P0, Fail));
        let took = pair[1].time - pair[0].time;
        assert!((100..110).contains(&took.as_millis()), "{took:?}");
        let error = pair[1].error.as_deref().unwrap_or_default();
        assert!(error.starts_with("not sent: n1 cannot be connected to"), "{error}");
    }
    assert_eq!(told.connections, 0);
}

#[test]
fn an_ambiguous_error_reply_is_unknown_and_a_definite_one_a_failure_that_keeps_the_connection() {
    let ambiguous = b"-NOTLEADER etcd raft engine is not leader\r\n".to_vec();
    let told = scripted(vec![append(7, 1), read(7)], answers(vec![Answer::Bytes(ambiguous)]));
    assert_eq!(completions(&told), [(P0, Info), (P1, Done)]);
    assert_eq!(error_of(&told, 1), "NOTLEADER etcd raft engine is not leader");
    assert_eq!(told.connections, 2);
    let definite =
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_vec();
    let told = scripted(vec![append(7, 1), read(7)], answers(vec![Answer::Bytes(definite)]));
    assert_eq!(completions(&told), [(P0, Fail), (P0, Done)]);
    assert_eq!(told.connections, 1, "at a reply boundary the connection is kept");
}

#[test]
fn an_error_reply_to_a_pure_read_is_a_failure() {
    let ambiguous = b"-context deadline exceeded\r\n".to_vec();
    let told = scripted(vec![read(7), read(7)], answers(vec![Answer::Bytes(ambiguous)]));
    assert_eq!(completions(&told), [(P0, Fail), (P0, Done)]);
    assert_eq!(told.connections, 1);
}

#[test]
fn a_connection_that_closes_under_an_append_leaves_it_unknown() {
    let told = scripted(vec![append(7, 1), append(7, 2)], answers(vec![Answer::Close]));
    assert_eq!(completions(&told), [(P0, Info), (P1, Done)]);
    assert!(error_of(&told, 1).contains("closed by the server"), "{}", error_of(&told, 1));
}

#[test]
fn bytes_that_nobody_asked_for_cost_the_connection_but_not_the_answer() {
    let twice = b":1\r\n:2\r\n".to_vec();
    let told = scripted(vec![append(7, 1), read(7)], answers(vec![Answer::ServeThen(twice)]));
    assert_eq!(completions(&told), [(P0, Done), (P0, Done)]);
    assert_eq!(told.events[3].op, Op::Txn(vec![Mop::Read { key: 7, values: Some(vec![1]) }]));
    assert_eq!(told.connections, 2);
}

#[test]
fn threads_stay_on_their_nodes_and_retired_numbers_are_never_used_again() {
    let lost = |_: NodeId, _: &[Bytes]| Answer::Swallow;
    let generator = Limit::new(40, Repeat(append(1, 1)));
    let told = story(7, Vec::new(), generator, |clock| InMemory::new(3, clock).scripted(lost));
    let mut asked = std::collections::BTreeSet::new();
    for event in told.events.iter().filter(|event| event.kind == Kind::Invoke) {
        let Process::Client(number) = event.process else { continue };
        assert!(asked.insert(number), "process {number} asked again after Info");
        assert_eq!(event.node, Some(NodeId(number as u16 % 7 % 3 + 1)));
    }
    assert_eq!(asked.len(), 40);
}

#[test]
fn a_fault_is_recorded_before_and_after_and_one_comes_after_another() {
    let faults = vec![
        (SECOND, Fault::Pause(NodeId(1))),
        (SECOND, Fault::Kill(NodeId(2))),
        (2 * SECOND, Fault::Resume(NodeId(1))),
    ];
    let told = story(2, faults.clone(), Limit::new(3000, Repeat(read(1))), |clock| {
        InMemory::new(2, clock)
    });
    let nemesis: Vec<&Event> =
        told.events.iter().filter(|event| event.process == Process::Nemesis).collect();
    assert_eq!(nemesis.len(), 6);
    for (pair, (at, fault)) in nemesis.chunks(2).zip(faults) {
        assert!(pair.iter().all(|event| event.op == Op::Fault(fault.clone())));
        assert!(pair.iter().all(|event| event.kind == Info && event.time >= at));
    }
    let times: Vec<Duration> = told.events.iter().map(|event| event.time).collect();
    assert!(times.is_sorted(), "events are in order of time");
}

#[test]
fn what_the_nemesis_left_broken_is_healed() {
    let clock = VirtualClock::default();
    let cluster = InMemory::new(3, clock.clone());
    let [n1, n2, n3] = [NodeId(1), NodeId(2), NodeId(3)];
    let view = clock.run(async {
        let mut interpreter = Interpreter::new(&cluster, settings(3), recorder(&cluster));
        let broken = vec![
            Fault::Pause(n1),
            Fault::PowerOff(n2),
            Fault::WallJump { node: n3, by_ms: -5 },
            Fault::Partition { shape: "one link".into(), cuts: vec![(n1, n3)] },
            Fault::Slow { nodes: vec![n2], delay_ms: 10, jitter_ms: 0 },
        ];
        interpreter.inject_all(broken).await;
        let healing = interpreter.view().healing();
        assert_eq!(healing.len(), 5);
        interpreter.inject_all(healing).await;
        assert_eq!(interpreter.view().healing(), []);
        cluster.view()
    });
    let view = view.expect("only time is waited for");
    assert_eq!(view.healing(), []);
}

#[test]
fn the_same_story_told_twice_is_the_same_history() {
    let run = || {
        let faults =
            vec![(SECOND, Fault::Kill(NodeId(1))), (2 * SECOND, Fault::Restart(NodeId(1)))];
        let generator = Limit::new(20_000, Repeat(append(1, 1)));
        story(10, faults, generator, |clock| InMemory::new(5, clock)).events
    };
    let events = run();
    assert_eq!(events.iter().filter(|event| event.kind == Kind::Invoke).count(), 20_000);
    assert_eq!(events, run());
}

/// When a run of so many reads, of which none is answered within 5 s, hears that it is to stop: that is said after 2 s.
fn stopped(reads: usize) -> Option<Duration> {
    let clock = VirtualClock::default();
    let cluster = InMemory::new(1, clock.clone()).scripted(|_, _| Answer::Swallow);
    let mut generator = Each::of(vec![read(7); reads]);
    let mut rng = Seed(1).stream(Stream::Workload);
    let stop = Stop::default();
    let stopped = clock.run(async {
        let mut interpreter = Interpreter::new(&cluster, settings(1), recorder(&cluster));
        let asks = Asks { generator: &mut generator, rng: &mut rng, stop: stop.clone() };
        let says = async {
            cluster.clock().sleep(2 * SECOND).await;
            stop.ask();
        };
        let (stopped, ()) = join(interpreter.drive(asks, None), says).await;
        assert!(cluster.clock().now() >= 5 * SECOND, "what is in flight is waited for");
        stopped
    });
    stopped.expect("the interpreter waits only for time")
}

#[test]
fn a_stop_counts_from_its_moment_and_not_when_all_was_asked_before() {
    assert_eq!(stopped(3), Some(2 * SECOND));
    assert_eq!(stopped(1), None);
}
