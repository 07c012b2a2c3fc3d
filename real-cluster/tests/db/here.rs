//! Databases on this machine: packets recorded, and a described server.

use crate::fake::{cluster, in_real_time};
use harness::cluster::NodeId;
use harness::redis::resp::Reply;
use real_cluster::db::cycle::tear_down;
use real_cluster::db::{
    Db, Elastickv, ElastickvNode, Program, RedisServer, Tcpdump, Template, cycle, resp,
};
use real_cluster::remote::files::upload;
use real_cluster::remote::here::Here;
use real_cluster::site::Site;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// An empty folder of a test's own.
pub fn base(test: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("databases of a test").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.display().to_string()
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < limit, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// All files below it.
pub fn files(folder: &str) -> Vec<String> {
    let found = Command::new("find").args([folder, "-type", "f"]).output().expect("find");
    String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
}

/// Whether a program is there; says SKIP if not.
pub fn has(program: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|out| out.status.success());
    if !there {
        println!("SKIP {program}: it is not installed");
    }
    there
}

#[test]
fn packets_are_on_disk_up_to_the_last_one_when_it_is_settled() {
    if !has("tcpdump") || !nix::unistd::geteuid().is_root() {
        println!("SKIP tcpdump: it needs root");
        return;
    }
    let base = base("tcpdump");
    let sites = cluster(1, 43, &base, |_| Rc::new(Here::named("n1")));
    let at = sites.of(NodeId(1)).expect("there");
    let port = 20_543;
    let db = Tcpdump { ports: vec![port], clients_only: false, filter: Some("udp".to_owned()) };
    in_real_time(async {
        db.tear_down(&sites, at).await.expect("there is nothing");
        db.set_up(&sites, at).await.expect("it listens");
        let from = UdpSocket::bind((at.address, 0)).expect("bound");
        for number in 0..20 {
            from.send_to(format!("packet {number:02}").as_bytes(), (at.address, port))
                .expect("sent");
            from.send_to(b"another port", (at.address, port + 1)).expect("sent");
        }
        db.settle(&sites, at).await.expect("it ends");
        db.settle(&sites, at).await.expect("twice is once");
    });
    let pcap = format!("{base}/n1/tcpdump/tcpdump.pcap");
    let read = Command::new("tcpdump").args(["-r", &pcap, "-n", "-A"]).output().expect("tcpdump");
    let text = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(text.contains("packet 00") && text.contains("packet 19"), "{text}");
    assert!(!text.contains("another port"), "{text}");
    in_real_time(db.tear_down(&sites, at)).expect("it is removed");
    assert_eq!(files(&base), Vec::<String>::new());
}

#[test]
fn an_expression_that_tcpdump_does_not_understand_is_told_in_its_words() {
    if !has("tcpdump") {
        return;
    }
    let sites = cluster(1, 44, &base("tcpdump refuses"), |_| Rc::new(Here::named("n1")));
    let at = sites.of(NodeId(1)).expect("there");
    let db = Tcpdump { filter: Some("no such thing".to_owned()), ..Tcpdump::default() };
    let error = in_real_time(db.set_up(&sites, at)).expect_err("it is not understood");
    assert!(
        error.to_string().contains("no such thing") || error.to_string().contains("syntax error"),
        "{error}"
    );
    in_real_time(db.tear_down(&sites, at)).expect("it is removed");
}

/// `ELASTICKV_SERVER` names a build of it: there is no package.
#[test]
fn elastickv_forms_a_cluster_and_survives_that_all_of_it_is_killed() {
    let Some(server) = std::env::var_os("ELASTICKV_SERVER") else {
        println!("SKIP elastickv: ELASTICKV_SERVER names no build of it");
        return;
    };
    let base = base("elastickv");
    let mut db = Elastickv::new(Program::Here(server.into()));
    for (nodes, groups) in [(1, vec![]), (3, vec![]), (3, vec![1, 2])] {
        db.shard_ranges = (!groups.is_empty()).then(|| ":m=1,m:=2".to_owned());
        db.groups = groups;
        let sites = cluster(nodes, 49, &base, |node| Rc::new(Here::named(format!("n{node}"))));
        let (kill, primary) = (db.kill().expect("it can"), db.primary().expect("it knows"));
        in_real_time(async {
            cycle(&db, &sites, 1).await.expect("it serves");
            until("one leads", async || primary.primaries(&sites).await.len() == 1).await;
            let leader = primary.primaries(&sites).await.first().copied().unwrap_or(NodeId(1));
            let at = sites.of(leader).expect("there");
            resp::ask(at, 6379, &["SET", "a", "v"]).await.expect("taken");
            for at in sites.iter() {
                assert!(kill.kill(&sites, at).await.expect("killed") > 0);
            }
            for at in sites.iter() {
                kill.start(&sites, at).await.expect("started");
            }
            until("it has what it acknowledged", async || {
                let read = resp::ask(at, 6379, &["GET", "a"]).await;
                read.is_ok_and(|reply| reply == Reply::Bulk("v".into()))
            })
            .await;
            for at in sites.iter() {
                assert_eq!(db.ends(at).await.expect("told"), [], "nothing ended by itself");
            }
            tear_down(&db, &sites).await.expect("it goes");
        });
        let left: Vec<String> =
            files(&base).into_iter().filter(|file| !file.contains("/bin/")).collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

#[test]
fn a_command_can_say_when_a_described_server_is_ready() {
    let base = base("a described server");
    let text = r#"
        name = "slow"
        program = "sh"
        words = ["-c", "sleep 0.3; echo {node} > '{data}/ready'; exec sleep 1000"]
        ready = { command = ["grep", "-q", "^{node}$", "{data}/ready"] }
        [ports]
        redis = 20544
    "#;
    let file = format!("{base}/slow.toml");
    std::fs::write(&file, text).expect("written");
    let db = Template::read(Path::new(&file)).expect("it is right");
    std::fs::remove_file(&file).expect("removed");
    let sites = cluster(1, 45, &base, |_| Rc::new(Here::named("n1")));
    let at = sites.of(NodeId(1)).expect("there");
    in_real_time(async {
        db.tear_down(&sites, at).await.expect("there is nothing");
        db.set_up(&sites, at).await.expect("it is ready");
        assert!(Path::new(&format!("{base}/n1/data/ready")).exists());
        let kill = db.kill().expect("it can");
        assert!(kill.running(&sites, at).await.expect("told"));
        for _ in 0..2 {
            db.tear_down(&sites, at).await.expect("it is removed");
        }
        assert!(!kill.running(&sites, at).await.expect("told"));
    });
    assert_eq!(files(&base), Vec::<String>::new());
    let absent = Template::read(Path::new("/no/such.toml")).expect_err("it is not there");
    assert!(absent.starts_with("/no/such.toml: cannot be read"), "{absent}");
}

#[test]
fn a_server_that_binds_its_port_and_never_serves_is_set_up_again_and_then_told() {
    if !has("redis-server") {
        return;
    }
    let base = base("never serves");
    let text = r#"
        name = "closed"
        program = "sh"
        words = ["-c", "echo start >> '{folder}/../starts'; exec redis-server --port {port} --bind {address} --dir '{data}' --requirepass moth --save ''"]
        ready = "resp"
        serves_within = 1
        [ports]
        redis = 20546
    "#;
    let db = Template::parse(text, Path::new("/")).expect("it is right");
    let sites = cluster(1, 52, &base, |_| Rc::new(Here::named("n1")));
    let error = in_real_time(cycle(&db, &sites, 2)).expect_err("it never serves").to_string();
    assert!(
        error.contains("n1: redis port 20546 is open, but writing and reading a key"),
        "{error}"
    );
    assert!(error.contains("NOAUTH"), "the last error is told: {error}");
    let starts = std::fs::read_to_string(format!("{base}/starts")).expect("it was started");
    assert_eq!(starts, "start\nstart\n", "each try sets it up anew");
    in_real_time(tear_down(&db, &sites)).expect("it goes");
    assert_eq!(files(&base), [format!("{base}/starts")]);
}

fn within<T>(limit: Duration, asked: impl Future<Output = T>) -> Option<T> {
    in_real_time(async { tokio::time::timeout(limit, asked).await.ok() })
}

#[test]
fn nobody_leads_where_all_are_down_and_that_is_known_soon() {
    let base = base("all down");
    let sites = cluster(3, 53, &base, |node| Rc::new(Here::named(format!("n{node}"))));
    let node = ElastickvNode::new(Vec::new(), 1, false);
    let databases: [&dyn Db; 2] = [&node, &RedisServer::default()];
    for db in databases {
        let primary = db.primary().expect("it knows");
        let leaders = within(PATIENCE, primary.primaries(&sites));
        assert_eq!(leaders.expect("it does not hang"), [], "{}", db.name());
    }
    // Addresses behind which nobody answers at all, where a connection would hang.
    let far = sites.map(|at| Site { address: [192, 0, 2, at.node.0 as u8].into(), ..at.clone() });
    for db in databases {
        let primary = db.primary().expect("it knows");
        let leaders = within(Duration::from_secs(2), primary.primaries(&far));
        assert_eq!(leaders.expect("a hint is not worth waiting for"), [], "{}", db.name());
    }
}

#[test]
fn a_program_is_brought_once_and_again_only_if_it_is_not_what_was_brought() {
    let base = base("brought");
    let remote = Here::named("n1");
    let (from, to) = (format!("{base}/here"), format!("{base}/there/program"));
    std::fs::write(&from, vec![7; 1 << 20]).expect("written");
    let upload = || in_real_time(upload(&remote, Path::new(&from), &to, 0o755)).expect("brought");
    assert_eq!(upload(), 1 << 20);
    assert_eq!(upload(), 0, "it is there");
    for damage in ["truncate -s -1", "chmod 644", "printf x | dd conv=notrunc status=none of="] {
        let line = match damage.ends_with('=') {
            true => format!("{damage}'{to}'"),
            false => format!("{damage} '{to}'"),
        };
        assert!(Command::new("sh").args(["-c", &line]).status().expect("sh").success());
        assert_eq!(upload(), 1 << 20, "after {damage}");
        assert_eq!(std::fs::read(&to).expect("there"), vec![7; 1 << 20]);
        assert_eq!(upload(), 0);
    }
    assert_eq!(files(&base).len(), 2, "no draft is left");
}
