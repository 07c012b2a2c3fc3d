//! Whole runs: a clean one with faults that act, planted bugs, Redis alone and Redis with replicas.

use crate::bench::Bench;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn effective(told: &Value, kind: &str) -> u64 {
    told["faults"][kind]["effective"].as_u64().unwrap_or(0)
}

#[test]
fn a_clean_cluster_is_valid_under_faults_that_all_act() {
    let Some(bench) = Bench::new("runs", 5) else { return };
    let (code, told) =
        bench.run("redis-append --time 15s --faults partition,kill,pause,jump --interval 0.7-1.2");
    assert_eq!(code, 0, "{told}");
    for kind in ["partition", "kill", "pause", "jump"] {
        assert!(effective(&told, kind) > 0, "{kind}: {told}");
    }
    bench.is_clean();
    let folder = Path::new(told["folder"].as_str().expect("a folder"));
    for node in 1..=5 {
        let log = fs::read_to_string(folder.join(format!("n{node}/log.txt"))).expect("its log");
        assert!(
            log.contains(" start: ")
                && log.contains("n{node} starts".replace("{node}", &node.to_string()).as_str()),
            "{log}"
        );
        let metrics =
            fs::read_to_string(folder.join(format!("n{node}/metrics.om"))).expect("its metrics");
        assert!(metrics.ends_with("# EOF\n") && metrics.lines().count() > 20);
    }
}

/// Within three seeds, by the client-side checker alone.
fn is_found(test: &str, bug: &str) {
    let Some(bench) = Bench::new(test, 5) else { return };
    let found = (1..=3).any(|seed| {
        let words = format!(
            "redis-append --time 8s --faults partition --interval 1-3 --bug {bug} --seed {seed}"
        );
        let (code, told) = bench.run(&words);
        code == 1 && told["found_by"] == serde_json::json!(["list-append"])
    });
    assert!(found, "{bug}");
    bench.is_clean();
}

#[test]
fn a_planted_bug_of_reads_is_found() {
    is_found("reads", "lrange_local_on_follower");
}

#[test]
fn a_planted_bug_of_timestamps_is_found() {
    is_found("stamps", "start_ts_from_hlc_next");
}

#[test]
fn redis_alone_is_valid_and_replicas_that_serve_reads_across_a_partition_are_not() {
    if std::process::Command::new("redis-server").arg("--version").output().is_err() {
        assert!(std::env::var_os("REDIS_SERVER_REQUIRED").is_none(), "redis-server is required");
        println!("SKIP redis on hosts: there is no redis-server (apt-get install redis-server)");
        return;
    }
    let Some(alone) = Bench::new("redis", 1) else { return };
    let (code, told) =
        alone.run("redis-append --db redis-server --time 6s --faults kill,jump --interval 0.5-1");
    assert_eq!(code, 0, "{told}");
    let Some(replicas) = Bench::new("replicas", 3) else { return };
    let words = "redis-append --db redis-replicas --tcpdump --time 10s --faults partition --interval 1-2 --read-percent 70";
    let (code, told) = replicas.run(words);
    assert_eq!(code, 1, "{told}");
    assert_eq!(told["found_by"], serde_json::json!(["list-append"]), "{told}");
    assert!(effective(&told, "partition") > 0, "{told}");
    let capture = Path::new(told["folder"].as_str().expect("a folder")).join("n1/tcpdump.pcap");
    let capture = fs::read(capture).expect("it was fetched");
    assert!(
        capture.len() > 1000 && capture[..4] == 0xa1b2_c3d4_u32.to_le_bytes(),
        "{} bytes",
        capture.len()
    );
    replicas.is_clean();
}
