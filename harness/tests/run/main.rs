//! Whole runs on the cluster in memory: phases, verdict, words, folder.

mod folders;

use bytes::Bytes;
use harness::catalog;
use harness::checker::transactional::Model;
use harness::checker::{Verdict, list_append};
use harness::cluster::{Artifacts, Finding, NodeId};
use harness::columns;
use harness::fault::{Fault, FaultKind};
use harness::generator::rate::Rate;
use harness::history::{Kind, Process};
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::op::Mop;
use harness::options::Options;
use harness::plan::{Plan, Taken, Told};
use harness::recording::Injection;
use harness::report::Report;
use harness::run::{Hooks, Judgement, Phase, Run, RunError, judge, run, run_with};
use harness::seed::Seed;
use harness::store::{self, Kept, World};
use harness::test::Test;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn test() -> Test {
    catalog::find("redis-append").expect("it is in the catalog")
}

fn options(seconds: u64) -> Options {
    Options { time: Duration::from_secs(seconds), ..Options::defaults_of(&test()) }
}

fn ran(
    options: &Options,
    seed: u64,
    script: impl FnMut(NodeId, &[Bytes]) -> Answer + 'static,
) -> Run {
    let clock = VirtualClock::default();
    let cluster = InMemory::new(options.nodes, clock.clone()).scripted(script);
    let run = clock.run(run(&test(), options, &cluster, Seed(seed)));
    run.expect("only time is waited for").expect("the cluster is set up")
}

fn served(_: NodeId, _: &[Bytes]) -> Answer {
    Answer::Serve
}

fn reasons(judgement: &Judgement) -> Vec<String> {
    match &judgement.verdict {
        Verdict::Unknown(reasons) => reasons.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_that_keeps_its_word_is_valid_under_every_fault() {
    for seed in 0..10 {
        let options = options(30);
        let run = ran(&options, seed, served);
        let judgement = judge(&test(), &options, &run);
        assert_eq!(judgement.verdict, Verdict::Valid, "seed {seed}");
        assert!(judgement.summary.total.ok > 1000, "{}", judgement.summary);
        assert!(!judgement.summary.faults.is_empty());
        let phases: Vec<Phase> = run.phases.iter().map(|(phase, _)| *phase).collect();
        use Phase::{Disturb, Heal, ReadBack, SetUp, TearDown};
        assert_eq!(phases, [SetUp, Disturb, Heal, ReadBack, TearDown]);
        assert_eq!(run.artifacts.effects.len(), run.injections.len());
    }
}

/// Within 2 % of the mix asked for, within 5 % of the rate, and no client starves.
#[test]
fn what_was_asked_is_what_was_wanted() -> Result<(), String> {
    for (rate, reads, txn, lengths) in [
        ("100", "50", ("1", "4"), vec![1, 2, 3, 4]),
        ("20,400,100", "10", ("2", "2"), vec![2]),
        ("50-350", "93", ("3", "5"), vec![3, 4, 5]),
    ] {
        let mut options = Options { faults: Vec::new(), ..options(120) };
        for (word, value) in
            [("rate", rate), ("read-percent", reads), ("txn-min", txn.0), ("txn-max", txn.1)]
        {
            options.set(word, value)?;
        }
        let run = ran(&options, 7, served);
        let judgement = judge(&test(), &options, &run);
        let asked = &judgement.summary.generated;
        let near = |got: f64, wanted: f64, share: f64| (got - wanted).abs() <= wanted * share;
        assert!(near(asked.per_second(), options.rate.mean(), 0.05), "{asked}");
        assert!(
            (asked.reads_percent() - f64::from(options.shape.read_percent)).abs() < 2.0,
            "{asked}"
        );
        assert!(asked.lengths.keys().eq(&lengths), "{asked}");
        for count in asked.lengths.values() {
            let even = asked.operations as f64 / lengths.len() as f64;
            assert!((*count as f64 - even).abs() < 0.02 * asked.operations as f64, "{asked}");
        }
        let (least, most) = (asked.by_client.iter().min(), asked.by_client.iter().max());
        assert!(least.zip(most).is_some_and(|(least, most)| 2 * least > *most), "{asked}");
        if rate == "20,400,100" {
            let each = asked.lasted.as_secs_f64() / 3.0;
            for (count, wanted) in asked.by_part.iter().zip([20.0, 400.0, 100.0]) {
                assert!(near(*count as f64 / each, wanted, 0.05), "{asked}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_seed_is_a_run_and_another_seed_another() {
    let options = options(10);
    assert_eq!(ran(&options, 7, served), ran(&options, 7, served));
    assert_ne!(ran(&options, 7, served).history, ran(&options, 8, served).history);
}

#[test]
fn what_is_broken_does_not_shift_what_is_asked() {
    let asked = |faults: Vec<FaultKind>| {
        let options = Options { faults, clients: 200, ..options(2) };
        let run = ran(&options, 7, served);
        let invoked = run.history.events.into_iter().filter(|event| event.kind == Kind::Invoke);
        invoked.map(|event| event.op).take(100).collect::<Vec<_>>()
    };
    assert_eq!(asked(Vec::new()), asked(vec![FaultKind::Jump]));
}

#[test]
fn a_run_that_may_leave_nothing_out_breaks_everything_that_was_asked_for() {
    let mut options = Options { faults: FaultKind::ALL.to_vec(), ..options(600) };
    // Long enough for moments at which all nodes run and a leader is heard.
    options.set("interval", "2-4").expect("it is an interval");
    options.set("rate", "10").expect("it is a rate");
    let unused = |every_kind: bool, seed: u64| {
        let clock = VirtualClock::default();
        let cluster = InMemory::new(options.nodes, clock.clone()).without(FaultKind::Power);
        let hooks = Hooks { every_kind, ..Hooks::default() };
        let run = clock.run(run_with(&test(), &options, &cluster, Seed(seed), hooks));
        let run = run.expect("only time is waited for").expect("the cluster is set up");
        judge(&test(), &options, &run).summary.unused
    };
    for seed in 0..5 {
        assert_eq!(unused(true, seed), [], "seed {seed}");
        assert_ne!(unused(false, seed), [], "seed {seed} draws some of ten");
    }
}

#[test]
fn every_key_is_read_at_the_end_through_every_node() {
    let options = Options { faults: Vec::new(), ..options(20) };
    let run = ran(&options, 1, served);
    let from = run.phases.iter().find(|(phase, _)| *phase == Phase::ReadBack).map(|(_, at)| *at);
    let from = from.expect("there is such a phase");
    let last =
        run.history.events.iter().filter(|event| event.time >= from && event.kind == Kind::Ok);
    let mut read: Vec<(NodeId, u64)> =
        last.map(|event| (event.node.expect("a client's"), event.op.mops()[0].key())).collect();
    read.sort();
    let keys = harness::workload::keys_used(&run.history);
    assert!(keys.len() > 12);
    let expected: Vec<(NodeId, u64)> =
        run.nodes.iter().flat_map(|node| keys.iter().map(|key| (*node, *key))).collect();
    assert_eq!(read, expected);
}

#[test]
fn an_append_done_twice_is_invalid_and_the_report_says_where() {
    let mut pushes = 0;
    let options = options(20);
    let run = ran(&options, 3, move |_, words| {
        pushes += usize::from(words[0] == "RPUSH");
        if pushes == 200 && words[0] == "RPUSH" { Answer::ServeTwice } else { Answer::Serve }
    });
    let judgement = judge(&test(), &options, &run);
    let Verdict::Invalid(anomalies) = &judgement.verdict else { panic!("{:?}", judgement.verdict) };
    assert!(anomalies.iter().any(|anomaly| anomaly.name == "duplicate-elements"));
    let text = told(&run, &judgement);
    assert!(
        text.starts_with("redis-append  INVALID   seed 0x3   commit a1b2c3d   5 nodes, "),
        "{text}"
    );
    assert!(text.contains("  duplicate-elements: duplicate append: key "), "{text}");
    assert!(
        text.contains("  replay:      cargo sim replay redis-append 0x3 --time 20\n"),
        "{text}"
    );
    assert!(text.contains("  folder:      store/redis-append/0x3\n"), "{text}");
}

#[test]
fn what_the_world_found_is_invalid_and_told_with_what_happened_around_it() {
    let options = Options { faults: vec![FaultKind::Kill], ..options(30) };
    let mut run = ran(&options, 3, served);
    let kill = run.injections[0].time;
    let text = "node n3 panicked: index out of bounds".to_owned();
    run.artifacts.findings.push(Finding { time: kill, name: "node-panic".into(), text });
    let judgement = judge(&test(), &options, &run);
    let text = told(&run, &judgement);
    assert_eq!(judgement.verdict.name(), "invalid");
    assert!(text.contains("node-panic: node n3 panicked: index out of bounds, at "), "{text}");
    let first = format!("{:.1} s kill n", kill.as_secs_f64());
    assert!(text.contains("  around it:   ") && text.contains(&first), "{text}");
}

#[test]
fn a_valid_run_is_told_in_one_line() {
    let options = Options { faults: Vec::new(), ..options(2) };
    let run = ran(&options, 0x2a, served);
    let text = told(&run, &judge(&test(), &options, &run));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with(
            "redis-append  valid   seed 0x2a   commit a1b2c3d   5 nodes, no faults, 2."
        )
    );
}

#[test]
fn a_kind_of_fault_that_was_asked_for_and_not_used_is_told_also_of_a_valid_run() {
    let options = Options { faults: vec![FaultKind::Kill, FaultKind::Jump], ..options(60) };
    let mut run = ran(&options, 1, served);
    run.injections.retain(|injection| injection.fault.kind() != Some(FaultKind::Jump));
    run.artifacts.effects.truncate(run.injections.len());
    let judgement = judge(&test(), &options, &run);
    assert_eq!(judgement.summary.unused, [FaultKind::Jump]);
    let text = told(&run, &judgement);
    assert!(text.contains("\n  not used:    jump: never injected in this run\n"), "{text}");
    run.unsupported.push(FaultKind::Jump);
    let text = told(&run, &judge(&test(), &options, &run));
    assert!(text.contains("\n  left out:    jump: not possible on this cluster\n"), "{text}");
    assert!(!text.contains("not used"), "what cannot be is told once: {text}");
}

#[test]
fn a_kind_of_fault_that_never_acted_makes_a_run_unknown() {
    let options = Options { faults: vec![FaultKind::Pause], ..options(20) };
    let mut run = ran(&options, 1, served);
    assert_eq!(judge(&test(), &options, &run).verdict, Verdict::Valid);
    run.artifacts.effects.fill(0);
    let reasons = reasons(&judge(&test(), &options, &run));
    assert!(reasons.len() == 1 && reasons[0].starts_with("pause was injected"), "{reasons:?}");
}

/// Every fault that a swarm of all kinds injects breaks something of its own kind, and is asked whether it acted.
#[test]
fn whichever_kind_never_acted_is_named_in_the_verdict_and_counted_in_the_summary() {
    let faults = FaultKind::ALL.to_vec();
    let options = Options { faults, groups: 2, rate: Rate::Constant(20), ..options(60) };
    let mut named = BTreeMap::new();
    for seed in 1..40 {
        let mut run = ran(&options, seed, served);
        run.artifacts.effects.fill(1);
        assert_eq!(judge(&test(), &options, &run).verdict, Verdict::Valid);
        for kind in FaultKind::ALL {
            let of_kind: Vec<usize> = (0..run.injections.len())
                .filter(|at| run.injections[*at].fault.kind() == Some(kind))
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            run.artifacts.effects.fill(1);
            of_kind.iter().for_each(|at| run.artifacts.effects[*at] = 0);
            let judgement = judge(&test(), &options, &run);
            let sentence = format!("{kind} was injected {} times and never acted", of_kind.len());
            assert_eq!(reasons(&judgement), [sentence]);
            let struck = judgement.summary.faults[&kind];
            assert_eq!((struck.injected, struck.effective), (of_kind.len() as u64, 0));
            let told = judgement.summary.to_string();
            assert!(told.contains(kind.name()), "{told}");
            named.insert(kind, seed);
        }
    }
    assert_eq!(named.len(), FaultKind::ALL.len(), "{named:?}");
}

#[test]
fn slowness_counts_the_answers_that_it_delayed_and_takes_nothing_away() {
    let options = Options { faults: vec![FaultKind::Latency], ..options(20) };
    let run = ran(&options, 1, served);
    let judgement = judge(&test(), &options, &run);
    assert_eq!(judgement.verdict, Verdict::Valid);
    let struck = judgement.summary.faults[&FaultKind::Latency];
    assert!(struck.effective > 0 && struck.refused == 0, "{struck:?}");
    assert!(run.artifacts.effects.iter().any(|effect| *effect > 10), "answers, not injections");
}

#[test]
fn what_went_wrong_around_the_system_makes_a_run_unknown() {
    let options = Options { faults: Vec::new(), ..options(5) };
    let mut run = ran(&options, 1, served);
    run.artifacts.doubts.push("n2 was killed by another program at 3.000 s".into());
    let reasons = reasons(&judge(&test(), &options, &run));
    assert_eq!(reasons, ["n2 was killed by another program at 3.000 s"]);
}

/// A run in which n2 refuses everything from its 300th question on.
fn unrecovered(options: &Options) -> Run {
    let mut calls = 0;
    ran(options, 1, move |node, _| {
        calls += 1;
        if node == NodeId(2) && calls > 300 {
            return Answer::Bytes(b"-NOTLEADER leader not found\r\n".to_vec());
        }
        Answer::Serve
    })
}

#[test]
fn a_node_that_serves_nobody_once_all_is_mended_makes_a_run_invalid() {
    let options = Options { final_limit: Duration::from_secs(1), ..options(5) };
    let run = unrecovered(&options);
    let verdict = judge(&test(), &options, &run).verdict;
    let Verdict::Invalid(anomalies) = &verdict else { panic!("{verdict:?}") };
    assert!(verdict.is_by("recovery"), "{anomalies:?}");
    let texts: Vec<&str> = anomalies.iter().map(|anomaly| anomaly.text.as_str()).collect();
    let [served, read] = texts[..] else { panic!("{texts:?}") };
    assert!(served.starts_with("n2 did not serve within 30s in phase `heal`"), "{served}");
    assert!(read.ends_with("final reads through n2 did not succeed within 1s"), "{read}");
}

#[test]
fn nobody_is_blamed_for_not_recovering_from_what_was_not_mended_or_was_done_by_others() {
    let options = Options { final_limit: Duration::from_secs(1), ..options(5) };
    let run = unrecovered(&options);
    let told = |run: &Run| reasons(&judge(&test(), &options, run));
    let mut doubted = run.clone();
    doubted.artifacts.doubts.push("n2 was killed by another program".into());
    let doubts = told(&doubted);
    assert!(doubts[0].starts_with("n2 did not serve within 30s"), "{doubts:?}");
    assert!(doubts[1].contains("final reads through n2"), "{doubts:?}");
    let mut broken = run.clone();
    let error = Some("nobody answers".to_owned());
    let healed = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal);
    let time = healed.expect("it was healed").1;
    let fault = Fault::Restart(NodeId(2));
    broken.injections.push(Injection { time, fault, done: Some(time), error });
    broken.artifacts.effects.push(0);
    assert!(told(&broken).iter().any(|reason| reason.starts_with("`restart n2`")));
    // Before that it excuses nothing: healing does again what is still to be done.
    broken.injections.last_mut().expect("it is there").time = Duration::from_secs(5);
    assert_eq!(judge(&test(), &options, &broken).verdict.exit_code(), 1);
    let cut_short = Run { ended: false, ..run };
    assert!(told(&cut_short).iter().any(|reason| reason.contains("is known only up to")));
}

#[test]
fn a_node_that_answers_to_the_end_was_asked_too_much() {
    let options = Options { faults: Vec::new(), ..options(5) };
    let mut run = ran(&options, 1, served);
    // As if time had been over before its last read.
    run.unread.insert(NodeId(2), 1);
    let reasons = reasons(&judge(&test(), &options, &run));
    assert_eq!(reasons, ["1 final reads through n2 never succeeded"]);
}

#[test]
fn a_cluster_that_never_serves_is_unknown_and_its_findings_count() {
    let options = options(5);
    let mut run = ran(&options, 1, |_, _| Answer::Swallow);
    assert!(run.history.events.is_empty());
    assert!(reasons(&judge(&test(), &options, &run))[0].contains("phase `set up`"));
    let text = "node n1 panicked: at once".to_owned();
    run.artifacts = Artifacts {
        findings: vec![Finding { time: Duration::ZERO, name: "node-panic".into(), text }],
        ..run.artifacts
    };
    assert_eq!(judge(&test(), &options, &run).verdict.exit_code(), 1);
}

fn told(run: &Run, judgement: &Judgement) -> String {
    let folder = Path::new("store/redis-append").join(run.seed.to_string());
    let report = Report {
        run,
        judgement,
        world: World::Simulated,
        commit: Some("a1b2c3d"),
        again: "cargo sim replay redis-append 0x3 --time 20",
        folder: Some(&folder),
    };
    report.to_string()
}

#[test]
fn fewer_clients_than_nodes_disturb_alone_and_still_all_nodes_are_read_back() {
    let options = Options { clients: 2, faults: Vec::new(), ..options(5) };
    let run = ran(&options, 1, served);
    assert_eq!(judge(&test(), &options, &run).verdict, Verdict::Valid);
    let last = run.phases.iter().find(|(phase, _)| *phase == Phase::ReadBack).map(|(_, at)| *at);
    let busy: Vec<Option<NodeId>> = run
        .history
        .events
        .iter()
        .filter(|event| last.is_some_and(|last| event.time < last))
        .map(|event| event.node)
        .collect();
    assert!(busy.iter().all(|node| *node <= Some(NodeId(2))));
}

#[test]
fn faults_that_a_cluster_cannot_enact_are_left_out_and_told() {
    let ran = |faults: Vec<FaultKind>| {
        let clock = VirtualClock::default();
        let cluster = InMemory::new(3, clock.clone()).without(FaultKind::Power);
        let options = Options { faults, ..options(20) };
        let run = clock.run(run(&test(), &options, &cluster, Seed(1)));
        run.expect("only time is waited for")
    };
    let both = ran(vec![FaultKind::Kill, FaultKind::Power]).expect("one of them can");
    assert_eq!(both.unsupported, [FaultKind::Power]);
    let kinds: Vec<Option<FaultKind>> =
        both.injections.iter().map(|injection| injection.fault.kind()).collect();
    assert!(kinds.contains(&Some(FaultKind::Kill)) && !kinds.contains(&Some(FaultKind::Power)));
    let error = ran(vec![FaultKind::Power]).expect_err("none can");
    assert!(matches!(error, RunError::Unsupported(_)));
    assert!(error.to_string().contains("power"), "{error}");
}

#[test]
fn an_unknown_test_is_refused_with_the_names_of_all() {
    let sentence = catalog::find("redis").err().expect("there is none");
    assert!(sentence.contains("`redis`") && sentence.contains("redis-append-calm"), "{sentence}");
    for test in catalog::catalog() {
        assert_eq!(catalog::find(test.name).map(|found| found.name), Ok(test.name));
    }
}
