//! Rows of `docs/seed-rows.md` that take a cluster of hosts of their own.

use crate::bench::{Bench, refused, said, until_it_listens, until_it_says};
use harness::checker::Verdict;
use harness::cluster::NodeId;
use harness::fault::{Fault, FaultKind};
use harness::generator::on_threads::OnThreads;
use harness::generator::rate::Rate;
use harness::generator::stagger::Stagger;
use harness::history::Kind;
use harness::judge::judge;
use harness::nemesis::planned::Planned;
use harness::options::Options;
use harness::run::{Drivers, Hooks, run_with};
use harness::seed::Seed;
use harness::workload::transactions::{Alphabet, Transactions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_cluster::db::{Compose, Db, ElastickvNode, Tcpdump};
use real_cluster::ssh::cluster::{SshCluster, SshConfig};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::LocalSet;

/// Lines of a node's `metrics.om` that are samples of this metric: when, in seconds since 1970, and how much.
fn samples(folder: &Path, node: &str, metric: &str) -> Vec<(f64, f64)> {
    let text = fs::read_to_string(folder.join(node).join("metrics.om")).expect("its metrics");
    let samples = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (value, time) = rest.split_once(' ')?;
        let is_it = name.split('{').next() == Some(metric);
        is_it.then_some((time.parse().ok()?, value.parse().ok()?))
    });
    samples.collect()
}

/// When the last packet of a capture was seen, in seconds since 1970.
fn last_packet(pcap: &[u8]) -> f64 {
    let word = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut last) = (24, 0.0);
    while at + 16 <= pcap.len() {
        last = f64::from(word(at)) + f64::from(word(at + 4)) / 1e6;
        at += 16 + word(at + 8) as usize;
    }
    last
}

fn since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs_f64()
}

/// Ten times all nodes killed and started, then one node down for some seconds.
fn all_killed_ten_times() -> Vec<(Duration, Fault)> {
    let nodes = [1, 2, 3].map(NodeId);
    let round = |number: u32| {
        let begins = Duration::from_secs(1) + number * Duration::from_millis(2200);
        let killed = nodes.map(|node| (begins, Fault::Kill(node)));
        let started = nodes.map(|node| (begins + Duration::from_millis(300), Fault::Restart(node)));
        killed.into_iter().chain(started)
    };
    let mut script: Vec<_> = (0..10).flat_map(round).collect();
    // Late enough, also where each of these takes its time.
    script.push((Duration::from_secs(32), Fault::WallJump { node: NodeId(2), by_ms: 5000 }));
    script.push((Duration::from_secs(32), Fault::Kill(NodeId(1))));
    script.push((Duration::from_secs(38), Fault::WallReset(NodeId(2))));
    script.push((Duration::from_secs(38), Fault::Restart(NodeId(1))));
    script
}

#[test]
fn all_nodes_killed_ten_times_under_load_lose_nothing_and_metrics_and_captures_show_it() {
    let Some(bench) = Bench::new("kills", 3) else { return };
    let test = harness::catalog::find("redis-append").expect("it is there");
    let mut options =
        Options { nodes: 3, deadline: Duration::from_secs(10), ..Options::defaults_of(&test) };
    options.rate = Rate::Constant(60);
    options.time = Duration::from_secs(42);
    options.faults = vec![FaultKind::Kill, FaultKind::Jump];
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Rc::new(Cell::new(0.0));
    let run = LocalSet::new().block_on(&runtime, async {
        let agent = PathBuf::from(env!("CARGO_BIN_EXE_real-cluster"));
        let db = |has_clock| {
            let node = Rc::new(ElastickvNode::new(Vec::new(), 1, has_clock));
            let capture = Tcpdump { filter: Some("not port 22".to_owned()), ..Tcpdump::default() };
            Rc::new(Compose::new(vec![node, Rc::new(capture)])) as Rc<dyn Db>
        };
        let cluster = SshCluster::connect_all(SshConfig::new(bench.sites(), agent), db).await;
        let cluster = cluster.expect("connected");
        cluster.keep_in(&bench.store).expect("a folder");
        let asks = Stagger::at_rate(
            options.rate.clone(),
            Duration::ZERO,
            options.time,
            Transactions::new(Alphabet::Lists, options.shape.clone()),
        );
        let drivers = Drivers {
            generator: Box::new(OnThreads::first(usize::from(options.clients), asks)),
            nemesis: Box::new(Planned::script(all_killed_ten_times())),
            until: options.time,
            began: Some(Duration::ZERO),
        };
        begun.set(since_1970());
        let hooks = Hooks { drivers: Some(drivers), ..Hooks::default() };
        run_with(&test, &options, &cluster, Seed(1), hooks).await.expect("it runs")
    });
    let judgement = judge(&test, &options, &run);
    assert_eq!(judgement.verdict, Verdict::Valid);
    assert_eq!(judgement.summary.faults[&FaultKind::Kill].effective, 31);
    assert!(run.history.events.last().is_some_and(|event| event.kind == Kind::Ok), "read back");

    // A node that is down says nothing, and only then.
    let wall = |time: Duration| begun.get() + time.as_secs_f64();
    let at =
        |fault: Fault| run.injections.iter().rfind(|it| it.fault == fault).expect("injected").time;
    let (down, up) = (wall(at(Fault::Kill(NodeId(1)))), wall(at(Fault::Restart(NodeId(1)))));
    let within = |node: &str| {
        let all = samples(&bench.store, node, "elastickv_boot");
        all.iter().filter(|(time, _)| *time > down + 0.5 && *time < up).count()
    };
    assert_eq!(within("n1"), 0, "n1 was down");
    assert!(within("n2") >= 2 && within("n3") >= 2, "the others were not");

    // The skewed clock shows, and true time again at the end.
    let offsets = samples(&bench.store, "n2", "clock_offset_milliseconds");
    assert!(offsets.iter().any(|(_, ms)| (ms - 5000.0).abs() < 1000.0), "{offsets:?}");
    for node in ["n1", "n2", "n3"] {
        let offsets = samples(&bench.store, node, "clock_offset_milliseconds");
        let (_, last) = offsets.last().expect("scraped at the end");
        // To the millisecond it is asked of the shim, or the run would not be valid; this is as good as a scrape is quick.
        assert!(last.abs() < 1000.0, "{node} is off by {last} ms");
    }

    let packets = [1, 2, 3].map(|node| {
        let capture =
            fs::read(bench.store.join(format!("n{node}/tcpdump.pcap"))).expect("a capture");
        last_packet(&capture)
    });
    let last = run.history.events.last().map(|event| wall(event.time)).expect("there are some");
    // Set-up began a moment after the clock was read here.
    let latest = packets.iter().copied().fold(0.0, f64::max);
    assert!(
        latest > last - 0.5,
        "the last operation ended at {last}, the last packet is of {latest}"
    );
    bench.is_clean();
}

#[test]
fn seven_hosts_run_what_three_do() {
    let Some(bench) = Bench::new("seven", 7) else { return };
    let (code, told) = bench.run("redis-append --time 6s --faults kill,partition --interval 0.5-1");
    assert_eq!(code, 0, "{told}");
    bench.is_clean();
}

#[test]
fn what_runs_already_is_tested_by_noop_and_a_fault_it_cannot_have_is_refused() {
    let Some(bench) = Bench::new("noop", 1) else { return };
    if std::process::Command::new("redis-server").arg("--version").output().is_err() {
        assert!(std::env::var_os("REDIS_SERVER_REQUIRED").is_none(), "redis-server is required");
        println!("SKIP noop on hosts: there is no redis-server (apt-get install redis-server)");
        return;
    }
    bench.on(
        "n1",
        "nohup redis-server --bind 0.0.0.0 --protected-mode no --save '' > /dev/null 2>&1 &",
    );
    until_it_listens(&bench, "n1", "6379");
    let (code, told) = bench.run("redis-append-calm --db noop --time 2s");
    assert_eq!(code, 0, "{told}");
    let run = bench.here("run redis-append --db noop --time 20s --faults kill").output();
    let error = refused(&run.expect("the tool starts"));
    assert!(
        error.contains("`kill` is not offered by these hosts, since the database noop has no `kill`: the faults are"),
        "{error}"
    );
    until_it_listens(&bench, "n1", "6379");
    bench.on("n1", "redis-cli shutdown nosave; true");
    bench.is_clean();
}

#[test]
fn a_watchdog_starts_again_what_ended_by_itself() {
    let Some(bench) = Bench::new("watched", 3) else { return };
    let (mut run, told) = bench.begin("run redis-append-calm --watchdog --time 12s");
    until_it_says(&mut run, &told, "disturb:");
    bench.on("n2", "pkill -9 -x elastickv-node");
    until_it_says(&mut run, &told, "the watchdog started n2 again");
    let status = run.wait().expect("it ended");
    let text = fs::read_to_string(&told).expect("it told");
    // Somebody killed it whom the run does not know.
    assert_eq!(status.code(), Some(2), "{text}");
    bench.is_clean();
}

#[test]
fn the_logs_of_others_are_there_when_a_host_is_lost_for_good() {
    let Some(bench) = Bench::new("lost", 3) else { return };
    let (mut run, told) = bench.begin("run redis-append-calm --time 60s");
    until_it_says(&mut run, &told, "disturb:");
    bench.testbed.link("n2", false).expect("down");
    let id = Pid::from_raw(run.id() as i32);
    let interrupt = || kill(id, Signal::SIGINT).expect("it runs");
    interrupt();
    until_it_says(&mut run, &told, "stopping:");
    // The second one ends the run at once; until then one that comes with the first is a part of it.
    let status = loop {
        if let Some(status) = run.try_wait().expect("known") {
            break status;
        }
        interrupt();
        // Between two signals: the run may still be at the first.
        std::thread::sleep(Duration::from_millis(100));
    };
    bench.testbed.link("n2", true).expect("up");
    let text = fs::read_to_string(&told).expect("it told");
    assert_eq!(status.code(), Some(2), "{text}");
    for host in ["n1", "n3"] {
        assert_eq!(bench.leftovers(host), "", "{host} is mended, whatever became of n2");
    }
    let log = |node: u16| bench.store.join(format!("redis-append-calm/0x1/n{node}/log.txt"));
    assert!(log(1).exists() && log(3).exists(), "{text}");
    let healed = bench.here("heal").output().expect("the tool starts");
    assert_eq!(healed.status.code(), Some(0), "{}", said(&healed));
    bench.is_clean();
}
