//! The exact lines that each database takes on a host, as a remote that is no machine keeps them.

use crate::fake::{cluster, in_real_time};
use harness::cluster::NodeId;
use real_cluster::db::redis_server::Fsync;
use real_cluster::db::{
    Db, DbError, Elastickv, ElastickvNode, Kill, Program, RedisServer, Tcpdump, Template, ports,
};
use real_cluster::remote::recorded::Recorded;
use real_cluster::remote::{Output, Remote};
use real_cluster::site::Sites;
use std::path::Path;
use std::rc::Rc;

/// Three nodes and what was run on the second.
fn three() -> (Sites, Rc<Recorded>) {
    let second = Rc::new(Recorded::named("n2 (root@127.0.1.2:22)"));
    let remote = |node| match node {
        2 => Rc::clone(&second) as Rc<dyn Remote>,
        _ => Rc::new(Recorded::named("other")),
    };
    (cluster(3, 1, "/opt/rc", remote), Rc::clone(&second))
}

fn started<D: Db + Kill>(db: &D) -> String {
    let (sites, second) = three();
    let at = sites.of(NodeId(2)).expect("there");
    in_real_time(Kill::start(db, &sites, at)).expect("it is said to have started");
    second.lines().join("\n")
}

#[test]
fn our_own_node_is_started_so() {
    let db = ElastickvNode::new(vec!["--bug=x".to_owned()], 1, true);
    assert_eq!(
        started(&db),
        "daemon start /opt/rc/n2/daemon /opt/rc/n2/log.txt /opt/rc/bin/time-shim run --control /opt/rc/n2/clock -- \
         /opt/rc/bin/elastickv-node --id=2 --data=/opt/rc/n2/data --listen=127.0.1.2 --redis-port=6379 --internal-port=50051 \
         --raft-port=50050 --metrics-port=9464 --peer=1=127.0.1.1 --peer=3=127.0.1.3 --bug=x"
    );
}

#[test]
fn redis_is_started_so() {
    let start = "daemon start /opt/rc/n2/daemon /opt/rc/n2/log.txt";
    let words = "--bind 127.0.1.2 --port 6379 --dir /opt/rc/n2/data --appendonly yes --appendfsync";
    let rest = "--save '' --protected-mode no --daemonize no --logfile ''";
    assert_eq!(
        started(&RedisServer::default()),
        format!("{start} redis-server {words} always {rest}")
    );
    let program = Program::There("/usr/local/bin/redis-server".to_owned());
    let db = RedisServer { program, replicas: true, fsync: Fsync::Everysec, has_clock: true };
    assert_eq!(
        started(&db),
        format!(
            "{start} /opt/rc/bin/time-shim run --control /opt/rc/n2/clock -- /usr/local/bin/redis-server {words} everysec \
             {rest} --replica-read-only yes --repl-diskless-sync-delay 0 --replicaof 127.0.1.1 6379"
        )
    );
}

#[test]
fn elastickv_is_started_so() {
    let start = "daemon start /opt/rc/n2/daemon /opt/rc/n2/log.txt /opt/rc/bin/elastickv --address=127.0.1.2:50051 \
                 --redisAddress=127.0.1.2:6379 --dynamoAddress=127.0.1.2:8000 --metricsAddress= --pprofAddress= --raftId=n2 \
                 --raftDataDir=/opt/rc/n2/data";
    let mut db = Elastickv::new(Program::Here("/build/elastickv".into()));
    assert_eq!(
        started(&db),
        format!(
            "{start} --raftBootstrapMembers=n1=127.0.1.1:50051,n2=127.0.1.2:50051,n3=127.0.1.3:50051 \
             --raftRedisMap=127.0.1.1:50051=127.0.1.1:6379,127.0.1.2:50051=127.0.1.2:6379,127.0.1.3:50051=127.0.1.3:6379"
        )
    );
    db.groups = vec![1, 7];
    db.shard_ranges = Some(":m=1,m:=7".to_owned());
    assert_eq!(
        started(&db),
        format!(
            "{start} --raftGroups=1=127.0.1.2:50051,7=127.0.1.2:50052 --shardRanges=:m=1,m:=7 \
             '--raftGroupPeers=1=n1@127.0.1.1:50051,n2@127.0.1.2:50051,n3@127.0.1.3:50051;7=n1@127.0.1.1:50052,\
             n2@127.0.1.2:50052,n3@127.0.1.3:50052' \
             --raftRedisMap=127.0.1.1:50051=127.0.1.1:6379,127.0.1.2:50051=127.0.1.2:6379,127.0.1.3:50051=127.0.1.3:6379,\
             127.0.1.1:50052=127.0.1.1:6379,127.0.1.2:50052=127.0.1.2:6379,127.0.1.3:50052=127.0.1.3:6379"
        )
    );
    let (sites, _) = three();
    let names: Vec<String> =
        db.ports(sites.of(NodeId(2)).expect("there")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["redis", "dynamo", "raft", "raft-7"]);
}

#[test]
fn elastickv_of_several_groups_must_know_whose_keys_are_whose() {
    let (sites, second) = three();
    let mut db = Elastickv::new(Program::There("elastickv".to_owned()));
    db.groups = vec![1, 2];
    let error = in_real_time(db.set_up(&sites, sites.of(NodeId(2)).expect("there")))
        .expect_err("a mistake");
    assert!(
        matches!(&error, DbError::Other(_)) && error.to_string().contains("`:m=1,m:=2`"),
        "{error}"
    );
    assert_eq!(second.lines(), Vec::<String>::new(), "nothing was done");
}

#[test]
fn a_described_server_is_started_so() {
    let text = r#"
        name = "kv"
        program = "kv-server"
        words = ["--id={id}", "--members={members}", "--data={data}"]
        first_words = ["--bootstrap"]
        other_words = ["--join={first}:{port:raft}"]
        peer_words = ["--peer={node}={address}"]
        member = "{node}@{address}:{port:raft}"
        environment = { KV_LOG = "info {node}" }
        ready = "tcp"
        [ports]
        redis = 6400
        raft = 6401
    "#;
    let db = Template::parse(text, Path::new(".")).expect("it is right");
    assert_eq!(
        started(&db),
        "daemon start /opt/rc/n2/daemon /opt/rc/n2/log.txt env 'KV_LOG=info n2' kv-server --id=2 \
         --members=n1@127.0.1.1:6401,n2@127.0.1.2:6401,n3@127.0.1.3:6401 --data=/opt/rc/n2/data --join=127.0.1.1:6401 \
         --peer=n1=127.0.1.1 --peer=n3=127.0.1.3"
    );
}

#[test]
fn tcpdump_is_started_settled_and_torn_down_so() {
    let (sites, second) = three();
    second.says("'control address'", "10.0.0.9\n");
    let at = sites.of(NodeId(2)).expect("there");
    let db = Tcpdump { ports: vec![6379, 50051], clients_only: true, filter: None };
    in_real_time(async {
        db.set_up(&sites, at).await.expect("done");
        db.settle(&sites, at).await.expect("done");
        db.tear_down(&sites, at).await.expect("done");
    });
    let folder = "/opt/rc/n2/tcpdump";
    let stop = format!("daemon stop {folder}/daemon 5");
    assert_eq!(
        second.lines(),
        [
            "'look for' tcpdump".to_owned(),
            "'control address'".to_owned(),
            format!(
                "daemon start {folder}/daemon {folder}/tcpdump.log tcpdump -i any -Z root -s 65535 -B 16384 --immediate-mode -U \
                 -w {folder}/tcpdump.pcap '(port 6379 or port 50051) and (host 10.0.0.9)'"
            ),
            format!("listening {folder}/daemon {folder}/tcpdump.log"),
            stop.clone(),
            stop,
            format!("rm -rf -- {folder}"),
        ]
    );
}

#[test]
fn a_host_that_does_not_know_its_controller_says_how_to_go_on() {
    let (sites, _) = three();
    let db = Tcpdump { clients_only: true, ..Tcpdump::default() };
    let error =
        in_real_time(db.set_up(&sites, sites.of(NodeId(2)).expect("there"))).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "n2 (root@127.0.1.2:22) does not say from where it is controlled (there is no SSH_CLIENT): leave out clients-only, or \
         write `host ADDRESS` into the filter"
    );
}

#[test]
fn a_program_that_is_not_installed_is_told_with_what_mends_it() {
    let (sites, second) = three();
    second.answer("'look for' redis-server", Ok(Output { status: 127, ..Output::default() }));
    let at = sites.of(NodeId(2)).expect("there");
    let error =
        in_real_time(RedisServer::default().set_up(&sites, at)).expect_err("it is not there");
    assert!(matches!(error, DbError::Other(_)), "no other try would cure it");
    assert_eq!(
        error.to_string(),
        "redis-server is not installed on n2 (root@127.0.1.2:22): apt-get install redis-server, or name a program of your own"
    );
}

#[test]
fn a_program_for_another_machine_is_told_before_it_is_sent() {
    let (sites, second) = three();
    second.says("uname -m", "sparc64\n");
    let at = sites.of(NodeId(2)).expect("there");
    let own = std::env::current_exe().expect("this test");
    let error = in_real_time(Program::Here(own).provide(at, "")).expect_err("it cannot run");
    let sentence = error.to_string();
    assert!(
        sentence.contains("but the host of n2 is sparc64: build it for sparc64 and name that file"),
        "{sentence}"
    );
    assert!(sentence.contains(&format!("is built for {}", std::env::consts::ARCH)), "{sentence}");
    assert_eq!(second.lines(), ["uname -m"], "nothing was sent");
    let absent =
        in_real_time(Program::Here("/no/such file".into()).provide(at, "")).expect_err("none");
    assert!(absent.to_string().starts_with("/no/such file: cannot be read"), "{absent}");
}

#[test]
fn a_port_in_use_is_told_by_name_with_who_has_it() {
    let (sites, second) = three();
    let at = sites.of(NodeId(2)).expect("there");
    second.says("listening", "sl local rem st\n 0: 0201007F:18EB 00000000:0000 0A 0 0 0 0 0 1\n");
    second.says(
        "ss -Hltnp",
        "LISTEN 0 511 127.0.1.9:6379 0.0.0.0:* users:((\"other\",pid=1,fd=6))\nLISTEN 0 511 127.0.1.2:6379 0.0.0.0:* \
         users:((\"redis-server\",pid=812,fd=6))\n",
    );
    let redis = [("raft".to_owned(), 50051), ("redis".to_owned(), 6379)];
    let error = in_real_time(ports::free(at, &redis)).expect_err("taken");
    assert!(matches!(error, DbError::Other(_)));
    assert_eq!(
        error.to_string(),
        "redis port 6379 of n2 is taken on n2 (root@127.0.1.2:22) by redis-server (process 812): end what listens on \
         127.0.1.2:6379, or give the node another port by `redis-port=` in the nodes file"
    );
    second.says(
        "listening",
        " 0: 0901007F:18EB 00000000:0000 0A 0\n 1: 0201007F:18EB 00000000:0000 01 0\n",
    );
    in_real_time(ports::free(at, &redis)).expect("another node's, and a connection");
    second.says("listening", " 0: 00000000:18EB 00000000:0000 0A 0\n");
    in_real_time(ports::free(at, &redis)).expect_err("what listens everywhere listens here");
}

#[test]
fn a_described_server_with_a_mistake_is_refused_before_anything_runs() {
    let text = |more: &str| format!("name = \"kv\"\nready = \"tcp\"\n{more}\n[ports]\nredis = 1\n");
    let refused = |more: &str| Template::parse(&text(more), Path::new(".")).expect_err(more);
    let both = "one of `program` (a path or name on the hosts) and `upload` (a file here) is to be said, and not both";
    assert_eq!(refused(""), both);
    assert_eq!(refused("program = \"a\"\nupload = \"b\""), both);
    let program = |more: &str| format!("program = \"a\"\n{more}");
    let unknown = refused(&program("words = [\"{prot}\"]"));
    assert!(
        unknown.starts_with("`words`: {prot} is no placeholder here: there is {node}"),
        "{unknown}"
    );
    assert!(refused(&program("data = \"{data}\"")).starts_with("`data`: {data} is no placeholder"));
    assert!(refused(&program("wrods = []")).contains("unknown field `wrods`"));
    let portless = Template::parse(
        "name = \"a\"\nprogram = \"a\"\nready = \"tcp\"\n[ports]\n",
        Path::new("."),
    );
    assert_eq!(
        portless.expect_err("no port"),
        "[ports] lacks `redis`, the port that clients use: write redis = 6379"
    );

    let (sites, second) = three();
    let of = |more: &str| Template::parse(&text(&program(more)), Path::new(".")).expect(more);
    let at = sites.of(NodeId(2)).expect("there");
    for data in
        ["data = \"/\"", "data = \"/var/../etc\"", "log = \"log.txt\"", "more_logs = [\"/var\"]"]
    {
        let db = of(data);
        assert!(db.check(&sites).is_err(), "{data}");
        in_real_time(db.set_up(&sites, at)).expect_err(data);
        in_real_time(db.tear_down(&sites, at)).expect_err(data);
    }
    assert_eq!(second.lines(), Vec::<String>::new(), "nothing was removed");
    let shared = of("data = \"/srv/kv\"");
    assert_eq!(shared.check(&sites), Ok(()), "each has a host of its own");
    let one_host =
        sites.map(|at| real_cluster::site::Site { host: "one".to_owned(), ..at.clone() });
    assert_eq!(
        shared.check(&one_host).expect_err("they would share it"),
        "n1 and n2 are on one host and would share /srv/kv: write {node} or {folder} into it"
    );
}
