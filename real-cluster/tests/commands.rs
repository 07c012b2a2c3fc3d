//! The exact commands that each fault takes on hosts, held against `golden/commands.txt`: whoever changes one sees it there, and
//! whoever reviews a cluster's logs finds them there. `UPDATE_GOLDEN=1` writes the file anew.

use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use real_cluster::db::{Db, ElastickvNode};
use real_cluster::remote::recorded::Recorded;
use real_cluster::remote::{Output, Remote, RemoteError};
use real_cluster::site::{BASE, Site, Sites};
use real_cluster::ssh::cluster::{SshCluster, SshConfig};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::task::LocalSet;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

/// A fault of every kind, each followed by what mends it.
fn faults() -> Vec<Fault> {
    let all = vec![
        Fault::Partition { shape: "halves".to_owned(), cuts: vec![(N1, N3), (N3, N1)] },
        Fault::Partition { shape: "one way".to_owned(), cuts: vec![(N2, N3)] },
        Fault::HealNetwork,
        Fault::Slow { nodes: vec![N1], delay_ms: 250, jitter_ms: 50 },
        Fault::Fast,
        Fault::Flaky { nodes: vec![N2], loss_percent: 30, duplicate_percent: 5 },
        Fault::Reliable,
        Fault::Throttle { nodes: vec![N1, N3], kib_per_s: 64 },
        Fault::Unthrottle,
        Fault::Kill(N2),
        Fault::Restart(N2),
        Fault::Pause(N1),
        Fault::Resume(N1),
        Fault::WallJump { node: N3, by_ms: -5000 },
        Fault::WallStrobe { node: N3, delta_ms: 200, period_ms: 50 },
        Fault::WallDrift { node: N3, ppm: 300_000 },
        Fault::WallReset(N3),
        Fault::Reboot(N1),
        Fault::Restart(N1),
        Fault::PowerOff(N1),
        Fault::Rolling { nodes: vec![N2, N3], down_ms: 1, rest_ms: 1 },
        Fault::KillAt { node: N2, step: "wal sync".to_owned(), or_after_ms: 1 },
        Fault::KillAfter { node: N2, polls: 1 },
        Fault::Storm { node: N3, times: 2, up_ms: 1, down_ms: 1 },
        Fault::WallFreeze(N3),
        Fault::WallLeap { node: N3, back_ms: 10_001 },
        Fault::WallReset(N3),
        Fault::MonoDrift { node: N3, ppm: 1_000 },
        Fault::LimitMemory { node: N3, kib: 1, or_after_ms: 1 },
    ];
    // A variant that is new must be in the list.
    for fault in &all {
        match fault {
            Fault::Partition { .. }
            | Fault::HealNetwork
            | Fault::Slow { .. }
            | Fault::Fast
            | Fault::Flaky { .. }
            | Fault::Reliable
            | Fault::Throttle { .. }
            | Fault::Unthrottle
            | Fault::Kill(_)
            | Fault::PowerOff(_)
            | Fault::Restart(_)
            | Fault::Reboot(_)
            | Fault::Pause(_)
            | Fault::Resume(_)
            | Fault::WallJump { .. }
            | Fault::WallStrobe { .. }
            | Fault::WallDrift { .. }
            | Fault::WallReset(_)
            | Fault::Rolling { .. }
            | Fault::KillAt { .. }
            | Fault::KillAfter { .. }
            | Fault::Storm { .. }
            | Fault::WallFreeze(_)
            | Fault::WallLeap { .. }
            | Fault::MonoDrift { .. }
            | Fault::MonoReset(_)
            | Fault::LimitMemory { .. } => {}
            // Asked of nodes, over the network.
            Fault::Remove(_)
            | Fault::Wipe(_)
            | Fault::Join(_)
            | Fault::Transfer(_)
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. } => {}
            // Only in the simulation, so far.
            Fault::Links { .. }
            | Fault::LinksWhole(_)
            | Fault::CutClients { .. }
            | Fault::HealClients
            | Fault::Reset { .. }
            | Fault::Forget { .. }
            | Fault::Remember
            | Fault::Hold { .. }
            | Fault::Release
            | Fault::Echo { .. }
            | Fault::Readdress { .. }
            | Fault::SpoilDisk { .. }
            | Fault::DiskWhole(_)
            | Fault::DamageDisk { .. }
            | Fault::Replace(_)
            | Fault::ForgetSyncs(_)
            | Fault::SwapDisk { .. } => {}
        }
    }
    all
}

fn facts(boot: &str) -> String {
    format!(
        "machine=x86_64\nkernel=6.1.0\nboot={boot}\ninit=1\nhostname=h\nnft=yes\nsetsid=yes\nunshare=yes\n"
    )
}

fn hosts() -> (Sites, Vec<Rc<Recorded>>) {
    let remotes: Vec<Rc<Recorded>> =
        (1..=3).map(|node| Rc::new(Recorded::named(format!("n{node}")))).collect();
    for remote in &remotes {
        remote.says("facts", &facts("before"));
        remote.says("uname -m", "x86_64\n");
        remote.says(&format!("{BASE}/bin/time-shim"), "offset_ms=0 skewed_reads=0 running=yes\n");
        remote.says("daemon kill", "1\n");
        remote.says("daemon pause", "1\n");
    }
    let sites = remotes.iter().zip(1..).map(|(remote, node)| Site {
        node: NodeId(node),
        remote: Rc::clone(remote) as Rc<dyn Remote>,
        host: format!("h{node}"),
        address: [10, 0, 0, 10 + node as u8].into(),
        ports: BTreeMap::new(),
        base: BASE.to_owned(),
    });
    (Sites::new(sites.collect()), remotes)
}

/// A program that fits every host.
fn agent() -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("an agent of a test");
    fs::write(&file, "#!/bin/sh\n").expect("written");
    file
}

#[test]
fn every_fault_takes_exactly_these_commands() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let text = LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let (sites, remotes) = hosts();
        let db = |has_clock| Rc::new(ElastickvNode::new(Vec::new(), 1, has_clock)) as Rc<dyn Db>;
        let cluster = SshCluster::connect_all(SshConfig::new(sites, agent()), db).await;
        let cluster = cluster.expect("every command succeeds");
        remotes.iter().for_each(|remote| drop(remote.lines()));
        let (mut text, mut seen) = (String::new(), false);
        for fault in faults() {
            if let Fault::Reboot(_) = fault {
                // It is asked before, then gone, then another one.
                remotes[0].answer_once(
                    "facts",
                    Ok(Output { stdout: facts("before").into(), ..Output::default() }),
                );
                let gone = RemoteError::Unreachable {
                    host: "n1".to_owned(),
                    why: "it is gone".to_owned(),
                };
                remotes[0].answer_once("facts", Err(gone));
                remotes[0].says("facts", &facts("after"));
            }
            let result = cluster.inject(&fault).await;
            let mut tell = |line: &str| writeln!(text, "{line}").expect("a string takes all");
            tell(&format!("# {fault}"));
            if let Err(refusal) = result {
                tell(&format!("refused: {refusal}"));
            }
            for (remote, node) in remotes.iter().zip(1..) {
                for line in bared(&remote.lines(), &mut seen) {
                    tell(&format!("n{node}  {}", own(&line)));
                }
            }
            tell("");
        }
        text
    });
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/commands.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &text).expect("written");
    }
    let golden = fs::read_to_string(golden).expect("it is there");
    for (number, (is, was)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, was, "line {}", number + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}

/// The tables without rules, with which every load begins, only the first time.
fn bared(lines: &[String], seen: &mut bool) -> Vec<String> {
    let begin = lines.iter().position(|line| line == "    table inet real_cluster {");
    let end = lines.iter().position(|line| line == "    flush table ip6 real_cluster");
    let (Some(begin), Some(end)) = (begin, end) else { return lines.to_vec() };
    if !std::mem::replace(seen, true) {
        return lines.to_vec();
    }
    let bare = vec!["    (the bare tables, as above)".to_owned()];
    [&lines[..begin], &bare, &lines[end + 1..]].concat()
}

/// Without what differs from machine to machine: this one's boot id.
fn own(line: &str) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    line.replace(boot.trim(), "BOOT-ID")
}
