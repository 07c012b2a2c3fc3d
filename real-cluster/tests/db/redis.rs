//! Redis' own server on this machine, three nodes at addresses of their own: as a database, and as a described one.

use crate::fake::{cluster, in_real_time};
use crate::here::{base, files, has, until};
use harness::cluster::NodeId;
use harness::redis::resp::Reply;
use real_cluster::db::{Db, DbError, RedisServer, Template, cycle, resp};
use real_cluster::remote::here::Here;
use real_cluster::site::Sites;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn there() -> bool {
    let there = has("redis-server");
    let required = std::env::var_os("REDIS_SERVER_REQUIRED").is_some_and(|value| value == "1");
    assert!(there || !required, "REDIS_SERVER_REQUIRED=1, and redis-server is not installed");
    there
}

fn three(block: u8, base: &str) -> Sites {
    cluster(3, block, base, |node| Rc::new(Here::named(format!("n{node}"))))
}

async fn tear_down(db: &dyn Db, sites: &Sites) {
    for at in sites.iter() {
        db.tear_down(sites, at).await.expect("it goes");
    }
}

#[test]
fn replicas_follow_the_first_node_and_all_of_it_goes_away_again() {
    if !there() {
        return;
    }
    let base = base("redis");
    let sites = three(46, &base);
    let at = |node| sites.of(NodeId(node)).expect("there");
    let db = RedisServer { replicas: true, ..RedisServer::default() };
    in_real_time(async {
        tear_down(&db, &sites).await;
        assert_eq!(files(&base), Vec::<String>::new(), "a virgin node stays one");
        cycle(&db, &sites, 1).await.expect("it serves");
        let primary = db.primary().expect("it knows");
        assert_eq!(primary.primaries(&sites).await, [NodeId(1)]);
        let set = resp::ask(at(1), 6379, &["SET", "k", "v"]).await.expect("taken");
        assert!(set.is_status("OK"), "{set}");
        let read = async || {
            resp::ask(at(3), 6379, &["GET", "k"])
                .await
                .is_ok_and(|reply| reply == Reply::Bulk("v".into()))
        };
        until("the replica has it", read).await;
        let refused = resp::ask(at(2), 6379, &["SET", "k", "w"]).await.expect_err("a replica");
        assert!(refused.contains("READONLY"), "{refused}");

        let kill = db.kill().expect("it can");
        assert!(kill.kill(&sites, at(1)).await.expect("killed") > 0);
        assert!(!kill.running(&sites, at(1)).await.expect("told"));
        assert_eq!(primary.primaries(&sites).await, []);
        kill.start(&sites, at(1)).await.expect("started");
        let kept = async || {
            resp::ask(at(1), 6379, &["GET", "k"])
                .await
                .is_ok_and(|reply| reply == Reply::Bulk("v".into()))
        };
        until("it has what it acknowledged", kept).await;

        let pause = db.pause().expect("it can");
        assert!(pause.pause(&sites, at(1)).await.expect("stopped") > 0);
        let begun = Instant::now();
        assert_eq!(primary.primaries(&sites).await, [], "it does not answer");
        assert!(begun.elapsed() < Duration::from_secs(2), "and was not waited for");
        pause.resume(&sites, at(1)).await.expect("continued");
        for at in sites.iter() {
            assert_eq!(db.ends(at).await.expect("told"), [], "nothing ended by itself");
        }
        tear_down(&db, &sites).await;
        tear_down(&db, &sites).await;
    });
    assert_eq!(files(&base), Vec::<String>::new());
}

#[test]
fn a_port_in_use_is_told_before_anything_is_started_and_not_tried_again() {
    if !there() {
        return;
    }
    let base = base("a port in use");
    let sites = three(47, &base);
    let at = sites.of(NodeId(2)).expect("there");
    let taken = std::net::TcpListener::bind((at.address, 6379)).expect("free until now");
    in_real_time(async {
        let error = cycle(&RedisServer::default(), &sites, 3).await.expect_err("it is taken");
        assert!(matches!(error, DbError::Other(_)));
        let sentence = error.to_string();
        assert!(sentence.starts_with("redis port 6379 of n2 is taken on n2"), "{sentence}");
        assert!(sentence.contains("end what listens on 127.0.47.2:6379"), "{sentence}");
        drop(taken);
        cycle(&RedisServer::default(), &sites, 1).await.expect("it is free");
        tear_down(&RedisServer::default(), &sites).await;
    });
    assert_eq!(files(&base), Vec::<String>::new());
}

#[test]
fn redis_can_be_described_by_a_file_too() {
    if !there() {
        return;
    }
    let base = base("redis as described");
    let sites = three(48, &base);
    let text = r#"
        name = "redis"
        program = "redis-server"
        words = ["--bind", "{address}", "--port", "{port}", "--dir", "{data}", "--appendonly", "yes", "--protected-mode", "no",
                 "--repl-diskless-sync-delay", "0"]
        other_words = ["--replicaof", "{first}", "{port}", "--replica-read-only", "no"]
        ready = "resp"
        primary = "role"
        [ports]
        redis = 20548
    "#;
    let db = Template::parse(text, Path::new(".")).expect("it is right");
    in_real_time(async {
        cycle(&db, &sites, 2).await.expect("it serves");
        assert_eq!(db.primary().expect("it knows").primaries(&sites).await, [NodeId(1)]);
        let first = sites.of(NodeId(1)).expect("there");
        let logs = db.log_files().expect("it logs").log_files(&sites, first);
        assert_eq!(logs.len(), 1);
        tear_down(&db, &sites).await;
    });
    assert_eq!(files(&base), Vec::<String>::new());
}
