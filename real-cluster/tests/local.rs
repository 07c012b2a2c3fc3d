//! A local cluster as a whole: what survives kills, what partitions and slowness do to Raft, what a run leaves behind.

use harness::catalog;
use harness::checker::Verdict;
use harness::cluster::{Cluster, NodeId};
use harness::fault::{Fault, FaultKind, Sort};
use harness::options::Options;
use harness::redis::connection::Redis;
use harness::redis::resp::Reply;
use harness::run::{judge, run};
use harness::seed::Seed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_cluster::local::cluster::{LocalCluster, LocalConfig};
use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Long enough for what should happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn config(test: &str, nodes: u16) -> LocalConfig {
    LocalConfig {
        nodes,
        program: PathBuf::from(env!("CARGO_BIN_EXE_elastickv-node")),
        node_args: Vec::new(),
        groups: 1,
        folder: folder(test),
    }
}

fn start(config: LocalConfig) -> LocalCluster {
    LocalCluster::start(config).expect("addresses and ports are free")
}

fn in_real_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

/// Asks until the condition gives something.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < limit, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One command on a connection of its own; `None` if there was no answer in time.
async fn ask(cluster: &LocalCluster, node: NodeId, words: &[&[u8]]) -> Option<Reply> {
    let asked = async {
        let mut redis = Redis::new(cluster.connect(node).await?);
        redis.ask(words).await
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await.ok()?.ok()
}

/// Appends a value and says whether that was acknowledged.
async fn append(cluster: &LocalCluster, node: NodeId, value: u32) -> bool {
    let value = value.to_string();
    let reply = ask(cluster, node, &[b"RPUSH", b"list", value.as_bytes()]).await;
    matches!(reply, Some(Reply::Integer(_)))
}

async fn appended(cluster: &LocalCluster, node: NodeId, value: u32) {
    until("an append", || async { append(cluster, node, value).await.then_some(()) }).await;
}

/// All values of the list, once the node answers.
async fn list(cluster: &LocalCluster, node: NodeId) -> Vec<u32> {
    let reply = until("a read", || async {
        match ask(cluster, node, &[b"LRANGE", b"list", b"0", b"-1"]).await? {
            Reply::Array(items) => Some(items),
            _ => None,
        }
    });
    let number = |reply: &Reply| match reply {
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    };
    reply.await.iter().map(|item| number(item).expect("a number")).collect()
}

async fn inject(cluster: &LocalCluster, fault: Fault) {
    cluster.inject(&fault).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
}

async fn leader(cluster: &LocalCluster) -> NodeId {
    until("a leader", || async { cluster.leaders().await.first().copied() }).await
}

fn is_there(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

fn all_ids(cluster: &LocalCluster) -> Vec<u32> {
    cluster.nodes().iter().filter_map(|node| cluster.process_id(*node)).collect()
}

#[test]
fn no_kill_loses_an_acknowledged_write() {
    let cluster = start(config("kills", 3));
    in_real_time(async {
        cluster.set_up(Seed(1)).await.expect("it starts");
        let mut acknowledged = Vec::new();
        let mut next = 0;
        let all: Vec<NodeId> = cluster.nodes().to_vec();
        let victims = [vec![all[0]], vec![all[1]], vec![all[2]], all.clone(), all.clone()];
        for victims in victims {
            appended(&cluster, all[0], {
                next += 1;
                next
            })
            .await;
            acknowledged.push(next);
            for _ in 0..20 {
                next += 1;
                if append(&cluster, all[next as usize % all.len()], next).await {
                    acknowledged.push(next);
                }
            }
            for node in &victims {
                inject(&cluster, Fault::Kill(*node)).await;
            }
            for node in &victims {
                inject(&cluster, Fault::Restart(*node)).await;
            }
            for node in &all {
                let there = list(&cluster, *node).await;
                let lost = acknowledged.iter().find(|value| !there.contains(value));
                assert_eq!(lost, None, "after killing {victims:?}, {node} has {there:?}");
            }
        }
        let artifacts = cluster.tear_down().await;
        assert_eq!(artifacts.findings, []);
        assert_eq!(artifacts.effects.iter().sum::<u64>(), 9, "{:?}", artifacts.effects);
    });
}

#[test]
fn an_isolated_leader_is_replaced_and_its_cut_links_held_something() {
    let cluster = start(config("isolated", 3));
    in_real_time(async {
        cluster.set_up(Seed(2)).await.expect("it starts");
        let old = leader(&cluster).await;
        let others: Vec<NodeId> = cluster.nodes().iter().copied().filter(|id| *id != old).collect();
        appended(&cluster, old, 1).await;
        let cuts = others.iter().flat_map(|other| [(old, *other), (*other, old)]).collect();
        inject(&cluster, Fault::Partition { shape: "isolate leader".into(), cuts }).await;
        until("another leader", || async {
            cluster.leaders().await.iter().any(|leads| *leads != old).then_some(())
        })
        .await;
        appended(&cluster, others[0], 2).await;
        inject(&cluster, Fault::HealNetwork).await;
        for node in cluster.nodes() {
            until("agreement", || async {
                (list(&cluster, *node).await.starts_with(&[1, 2])).then_some(())
            })
            .await;
        }
        let artifacts = cluster.tear_down().await;
        assert_eq!(artifacts.findings, []);
        assert!(artifacts.effects[0] > 0 && artifacts.effects[1] == 0, "{:?}", artifacts.effects);
    });
}

#[test]
fn what_a_cluster_cannot_break_is_refused_with_the_reason() {
    let cluster = start(config("refused", 1));
    in_real_time(async {
        let early = cluster.inject(&Fault::HealNetwork).await.expect_err("no links yet");
        assert_eq!(early.to_string(), "the cluster has not been set up");
        cluster.set_up(Seed(3)).await.expect("it starts");
        for (fault, reason) in [
            (Fault::PowerOff(NodeId(1)), "page cache"),
            (Fault::WallJump { node: NodeId(1), by_ms: 5 }, "share this machine's clock"),
            (Fault::Reliable, "byte streams"),
            (Fault::Throttle { nodes: vec![NodeId(1)], kib_per_s: 8 }, "byte streams"),
            (Fault::WallDrift { node: NodeId(1), ppm: 5 }, "share this machine's clock"),
            (Fault::LinksWhole(Sort::Drip), "only in the simulation"),
            (Fault::Reboot(NodeId(1)), "one machine"),
            (Fault::Kill(NodeId(9)), "node n9 is not in this cluster (n1..n1)"),
            (Fault::Slow { nodes: vec![NodeId(2)], delay_ms: 1, jitter_ms: 0 }, "node n2 is not"),
        ] {
            let refused = cluster.inject(&fault).await.expect_err("refused");
            assert!(refused.0.contains(reason), "{fault}: {refused}");
        }
        assert!(cluster.connect(NodeId(4)).await.is_err());
        assert!(cluster.set_up(Seed(3)).await.is_err(), "it is set up once");
        let artifacts = cluster.tear_down().await;
        assert_eq!(artifacts.effects, [0; 9], "every call counts one");
    });
}

#[test]
fn no_process_is_left_behind() {
    in_real_time(async {
        let torn_down = start(config("torn-down", 2));
        torn_down.set_up(Seed(4)).await.expect("it starts");
        let ids = all_ids(&torn_down);
        inject(&torn_down, Fault::Pause(NodeId(2))).await;
        let artifacts = torn_down.tear_down().await;
        assert!(ids.len() == 2 && !ids.iter().any(|id| is_there(*id)), "{artifacts:?}");
        assert_eq!(artifacts.findings, [], "a stopped node ends well too");

        let dropped = start(config("dropped", 3));
        dropped.set_up(Seed(5)).await.expect("it starts");
        let ids = all_ids(&dropped);
        inject(&dropped, Fault::Pause(NodeId(2))).await;
        drop(dropped);
        assert!(ids.len() == 3 && !ids.iter().any(|id| is_there(*id)));

        let interrupted = start(config("interrupted", 2));
        interrupted.set_up(Seed(6)).await.expect("it starts");
        let ids = all_ids(&interrupted);
        interrupted.interrupt();
        until("the end of all", || async { (!ids.iter().any(|id| is_there(*id))).then_some(()) })
            .await;
        assert_eq!(
            interrupted.tear_down().await.findings,
            [],
            "who was killed did not end by itself"
        );
    });
}

#[test]
fn a_node_that_ends_by_itself_is_a_finding_and_refuses_until_it_is_restarted() {
    let cluster = start(config("ends", 1));
    in_real_time(async {
        cluster.set_up(Seed(7)).await.expect("it starts");
        appended(&cluster, NodeId(1), 1).await;
        let id = cluster.process_id(NodeId(1)).expect("it runs");
        kill(Pid::from_raw(id as i32), Signal::SIGABRT).expect("it is ours");
        until("a refusal", || async { cluster.connect(NodeId(1)).await.err() }).await;
        inject(&cluster, Fault::Kill(NodeId(1))).await;
        inject(&cluster, Fault::Restart(NodeId(1))).await;
        assert_eq!(list(&cluster, NodeId(1)).await, [1]);
        let artifacts = cluster.tear_down().await;
        let [finding] = &artifacts.findings[..] else { panic!("{:?}", artifacts.findings) };
        assert_eq!(finding.name, "node-exit");
        assert!(finding.text.starts_with("n1 ended by itself: signal: 6"), "{}", finding.text);
        assert_eq!(artifacts.effects, [0, 0], "there was nothing to kill");
    });
}

#[test]
fn a_node_that_another_program_kills_is_a_doubt_and_no_finding() {
    let cluster = start(config("killed-by-others", 1));
    in_real_time(async {
        cluster.set_up(Seed(7)).await.expect("it starts");
        appended(&cluster, NodeId(1), 1).await;
        let id = cluster.process_id(NodeId(1)).expect("it runs");
        kill(Pid::from_raw(id as i32), Signal::SIGKILL).expect("it is ours");
        until("a refusal", || async { cluster.connect(NodeId(1)).await.err() }).await;
        let artifacts = cluster.tear_down().await;
        assert_eq!(artifacts.findings, []);
        let [doubt] = &artifacts.doubts[..] else { panic!("{:?}", artifacts.doubts) };
        assert!(doubt.starts_with("n1 was killed by another program"), "{doubt}");
    });
}

#[test]
fn no_process_outlives_a_cluster_that_outlives_its_runtime() {
    let cluster = start(config("runtime-gone", 2));
    let ids = in_real_time(async {
        cluster.set_up(Seed(13)).await.expect("it starts");
        all_ids(&cluster)
    });
    drop(cluster);
    assert!(ids.len() == 2 && !ids.iter().any(|id| is_there(*id)));
}

/// Where the tool that is killed says which processes it started; not set in a usual run of the tests.
const TOOL: &str = "LOCAL_CLUSTER_THAT_IS_KILLED";

#[test]
fn nodes_die_with_a_tool_that_is_killed() {
    if let Some(tell) = std::env::var_os(TOOL) {
        let cluster = start(config("killed-tool", 2));
        return in_real_time(async {
            cluster.set_up(Seed(14)).await.expect("it starts");
            for node in cluster.nodes() {
                // From then on it dies with its parent.
                until("an answer", || ask(&cluster, *node, &[b"PING"])).await;
            }
            inject(&cluster, Fault::Pause(NodeId(2))).await;
            let ids: Vec<String> = all_ids(&cluster).iter().map(u32::to_string).collect();
            fs::write(&tell, ids.join(" ") + "\n").expect("a file");
            std::future::pending().await
        });
    }
    let told = folder("tool").join("ids");
    fs::create_dir_all(told.parent().expect("a folder")).expect("a folder");
    let mut tool = std::process::Command::new(std::env::current_exe().expect("this program"));
    tool.args(["--exact", "nodes_die_with_a_tool_that_is_killed"]).env(TOOL, &told);
    let mut tool = tool.stdout(std::process::Stdio::null()).spawn().expect("it starts");
    in_real_time(async {
        let ids = until("the tool's word", || async {
            let text = fs::read_to_string(&told).ok().filter(|text| text.ends_with('\n'))?;
            Some(
                text.split_whitespace()
                    .map(|id| id.parse().expect("a number"))
                    .collect::<Vec<u32>>(),
            )
        })
        .await;
        assert!(ids.len() == 2 && ids.iter().all(|id| is_there(*id)));
        tool.kill().expect("it is ours");
        tool.wait().expect("it is ours");
        until("their end", || async { (!ids.iter().any(|id| runs(*id))).then_some(()) }).await;
    });
}

/// Whether it is there and no zombie that only waits for init.
fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// A program in the place of a node.
fn script(test: &str, text: &str) -> LocalConfig {
    let config = config(test, 1);
    fs::create_dir_all(&config.folder).expect("a folder");
    let program = config.folder.join("program");
    // Copied by another process: one of ours that is forked meanwhile would hold it open for writing, and nobody could run it.
    let source = config.folder.join("source");
    fs::write(&source, text).expect("a file");
    let copied = std::process::Command::new("cp").args([&source, &program]).status();
    assert!(copied.expect("there is cp").success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    LocalConfig { program, ..config }
}

#[test]
fn a_panic_is_told_with_its_line() {
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && echo fake 1 && exit\n\
                echo 'node n1 panicked: two leaders in term 7' >&2\necho 'more words' >&2\nexit 101\n";
    let cluster = start(script("panic", text));
    in_real_time(async {
        cluster.set_up(Seed(8)).await.expect("it starts");
        until("its end", || async { cluster.process_id(NodeId(1)).is_none().then_some(()) }).await;
        let artifacts = cluster.tear_down().await;
        let [finding] = &artifacts.findings[..] else { panic!("{:?}", artifacts.findings) };
        assert_eq!(finding.name, "node-panic");
        assert_eq!(finding.text, "node n1 panicked: two leaders in term 7");
        assert_eq!(artifacts.params["node version"], "fake 1");
    });
}

#[test]
fn a_node_that_does_not_end_well_is_killed_and_that_is_said() {
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && echo fake 1 && exit\ntrap '' TERM\n\
                while :; do read -r _ < /proc/uptime; done\n";
    let cluster = start(script("deaf", text));
    in_real_time(async {
        cluster.set_up(Seed(9)).await.expect("it starts");
        let id = cluster.process_id(NodeId(1)).expect("it runs");
        // Only when the trap is set is it deaf.
        until("a trap", || async {
            let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            (u64::from_str_radix(ignored.trim(), 16).ok()? & (1 << 14) != 0).then_some(())
        })
        .await;
        let artifacts = cluster.tear_down().await;
        assert!(!is_there(id));
        assert!(artifacts.params["n1 at the end"].contains("was killed"), "{artifacts:?}");
    });
}

#[test]
fn a_program_that_is_none_is_told() {
    let cluster =
        start(LocalConfig { program: "/nowhere/elastickv-node".into(), ..config("none", 1) });
    let error = in_real_time(cluster.set_up(Seed(10))).expect_err("there is no such program");
    assert!(error.to_string().starts_with("cannot start /nowhere/elastickv-node: "), "{error}");
    let cluster = start(LocalConfig { program: "/bin/false".into(), ..config("false", 1) });
    let error = in_real_time(cluster.set_up(Seed(10))).expect_err("it is no node");
    assert!(error.to_string().contains("is it elastickv-node?"), "{error}");
}

#[test]
fn a_run_on_two_clusters_side_by_side_is_valid_and_leaves_logs_metrics_and_marks() {
    let test = catalog::find("redis-append").expect("it is in the catalogue");
    let options = Options {
        nodes: 3,
        clients: 6,
        rate: harness::generator::rate::Rate::Constant(100),
        time: Duration::from_secs(12),
        interval: harness::nemesis::compose::Interval {
            min: Duration::from_millis(500),
            max: Duration::from_secs(2),
        },
        deadline: Duration::from_secs(10),
        faults: vec![FaultKind::Partition, FaultKind::Kill, FaultKind::Pause, FaultKind::Latency],
        ..Options::defaults_of(&test)
    };
    let (one, other) = (start(config("run-one", 3)), start(config("run-other", 3)));
    let runs = in_real_time(async {
        futures_util::join!(
            run(&test, &options, &one, Seed(11)),
            run(&test, &options, &other, Seed(12)),
        )
    });
    for (run, folder) in [(runs.0, "run-one"), (runs.1, "run-other")] {
        let run = run.expect("it ran");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        assert_eq!(run.artifacts.effects.len(), run.injections.len());
        let judged = judge(&test, &options, &run);
        // Seconds of slowness leave little time for more.
        assert!(judged.summary.total.ok > 50, "{}", judged.summary);
        // Whether a pause of a follower met anybody who asked is not ours to say.
        let excused = |reason: &String| reason.ends_with(" times and never acted");
        match &judged.verdict {
            Verdict::Valid => {}
            Verdict::Unknown(reasons) if reasons.iter().all(excused) => {}
            other => panic!("{other:?}"),
        }
        assert!(run.artifacts.counters.contains_key("leader elected"), "{:?}", run.artifacts);
        for node in ["n1", "n2", "n3"] {
            let metrics = fs::read_to_string(folder.join(node).join("metrics.om")).expect("kept");
            assert!(metrics.ends_with("# EOF\n"));
            assert!(metrics.contains(&format!("elastickv_raft_leader{{node=\"{node}\"}} ")));
            assert!(!folder.join(node).join("metrics.jsonl").exists(), "joined");
            let log = fs::read_to_string(folder.join(node).join("log.txt")).expect("kept");
            assert!(log.contains(&format!("{node} starts on 127.83.")), "{log}");
        }
    }
}
