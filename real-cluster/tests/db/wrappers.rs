//! What wraps a database or stands in for one: who is asked, in which order, and with which cluster.

use crate::fake::{Fake, broken, in_real_time, nowhere};
use elastickv::admin::Order;
use harness::cluster::NodeId;
use real_cluster::db::{Compose, Db, LogPath, MapTest, Metrics, Noop, Watchdog, cycle};
use real_cluster::site::{Site, Sites};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn capabilities(db: &dyn Db) -> [bool; 6] {
    [
        db.kill().is_some(),
        db.pause().is_some(),
        db.primary().is_some(),
        db.members().is_some(),
        db.log_files().is_some(),
        db.has_clock(),
    ]
}

/// Asks everything that a database can be asked, of its first node.
async fn everything(db: &dyn Db, sites: &Sites) {
    let at = sites.of(NodeId(1)).expect("a first node");
    db.ports(at);
    db.undo(at);
    db.metrics(at);
    db.set_up(sites, at).await.expect("done");
    db.settle(sites, at).await.expect("done");
    db.ends(at).await.expect("told");
    if let Some(kill) = db.kill() {
        kill.kill(sites, at).await.expect("done");
        kill.start(sites, at).await.expect("done");
        kill.running(sites, at).await.expect("told");
    }
    if let Some(pause) = db.pause() {
        pause.pause(sites, at).await.expect("done");
        pause.resume(sites, at).await.expect("done");
    }
    if let Some(primary) = db.primary() {
        primary.primaries(sites).await;
        primary.set_up_primary(sites, at).await.expect("done");
    }
    if let Some(members) = db.members() {
        members.carry_out(sites, Order::Remove(elastickv::env::NodeId(1))).await.expect("done");
    }
    if let Some(logs) = db.log_files() {
        logs.log_files(sites, at);
    }
    db.tear_down(sites, at).await.expect("done");
}

fn renamed(sites: &Sites) -> Sites {
    sites.map(|at| Site { host: format!("mapped-{}", at.node), ..at.clone() })
}

#[test]
fn every_method_sees_the_mapped_cluster() {
    let calls = Rc::default();
    let db = MapTest::new(Rc::new(Fake::new("fake", &calls, true)), renamed);
    in_real_time(everything(&db, &nowhere(2)));
    let seen = calls.borrow();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    let expected = [
        "mapped-n1 ports",
        "mapped-n1 undo",
        "mapped-n1 metrics",
        "mapped-n1 set_up",
        "mapped-n1 is set up",
        "mapped-n1 settle",
        "mapped-n1 ends",
        "mapped-n1 kill",
        "mapped-n1 start",
        "mapped-n1 running",
        "mapped-n1 pause",
        "mapped-n1 resume",
        "mapped-n1 primaries",
        "mapped-n2 primaries",
        "mapped-n1 set_up_primary",
        "mapped-n1 carry_out",
        "mapped-n1 log_files",
        "mapped-n2 log_files",
        "mapped-n1 tear_down",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_mapped_database_claims_what_the_one_behind_it_has_and_no_more() {
    for capable in [true, false] {
        let calls = Rc::default();
        let inner = Rc::new(Fake::new("fake", &calls, capable));
        let expected = capabilities(&*inner);
        assert_eq!(expected, [capable; 6]);
        assert_eq!(capabilities(&MapTest::new(inner, renamed)), expected);
    }
}

#[test]
fn nodes_of_a_mapped_cluster_wait_for_each_other_and_one_left_out_keeps_its_place() {
    let calls: Rc<RefCell<Vec<String>>> = Rc::default();
    let waiting = Rc::new(Fake::new("fake", &calls, true).waiting());
    let db = MapTest::new(waiting, renamed);
    in_real_time(cycle(&db, &nowhere(3), 1)).expect("they meet");

    let fake = Rc::new(Fake::new("fake", &calls, true));
    let smaller = MapTest::new(fake, |sites| {
        Sites::new(sites.iter().filter(|at| at.node != NodeId(1)).cloned().collect())
    });
    calls.take();
    let sites = nowhere(2);
    let first = sites.of(NodeId(1)).expect("there");
    in_real_time(smaller.set_up(&sites, first)).expect("done");
    assert_eq!(*calls.borrow(), ["n1 set_up", "n1 is set up"]);
}

#[test]
fn a_composition_is_set_up_in_order_and_torn_down_in_reverse() {
    let calls = Rc::default();
    let part = |name, capable| Rc::new(Fake::new(name, &calls, capable)) as Rc<dyn Db>;
    let db = Compose::new(vec![part("a", false), part("b", true), part("c", true)]);
    let sites = nowhere(1);
    in_real_time(everything(&db, &sites));
    let seen = calls.borrow();
    let of = |what: &str| -> Vec<&str> {
        let names = seen.iter().filter(|call| call.ends_with(what));
        names.filter_map(|call| call.split(' ').next()).collect()
    };
    assert_eq!(of("n1 set_up"), ["a", "b", "c"]);
    assert_eq!(of("n1 is set up"), ["a", "b", "c"]);
    assert_eq!(of("tear_down"), ["c", "b", "a"]);
    assert_eq!(of("settle"), ["c", "b", "a"]);
    for (what, who) in [
        ("kill", "b"),
        ("start", "b"),
        ("running", "b"),
        ("pause", "b"),
        ("resume", "b"),
        ("primaries", "b"),
        ("set_up_primary", "b"),
    ] {
        assert_eq!(of(&format!("n1 {what}")), [who], "{what}");
    }
    drop(seen);
    let at = sites.of(NodeId(1)).expect("there");
    assert_eq!(db.name(), "a+b+c");
    assert_eq!(capabilities(&db), [true; 6]);
    assert_eq!(db.metrics(at), Some(Metrics::Http(1)));
    let names =
        |ports: Vec<(String, u16)>| ports.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(db.ports(at)), ["a", "b", "c"]);
    assert_eq!(db.undo(at), ["undo c", "undo b", "undo a"]);
    let ends = in_real_time(db.ends(at)).expect("told");
    assert_eq!(ends.iter().map(|end| end.line.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let logs = db.log_files().expect("some have").log_files(&sites, at);
    assert_eq!(logs, ["/n1/b", "/n1/c"].map(|path| LogPath::Path(path.to_owned())));
    assert_eq!(capabilities(&Compose::new(vec![part("a", false)])), [false; 6]);
    assert_eq!(capabilities(&Compose::new(Vec::new())), [false; 6]);
}

#[test]
fn what_follows_a_part_that_cannot_be_torn_down_is_torn_down_all_the_same() {
    let calls = Rc::default();
    let calm = || Fake::new("calm", &calls, true);
    let stuck = Fake::scripted(|call, _| if call == "n1 tear_down" { broken() } else { Ok(()) });
    let db = Compose::new(vec![Rc::new(calm()), Rc::new(stuck), Rc::new(calm())]);
    let sites = nowhere(1);
    let at = sites.of(NodeId(1)).expect("there");
    let error = in_real_time(db.tear_down(&sites, at)).expect_err("one is stuck");
    assert_eq!(error.to_string(), "broken");
    assert_eq!(*calls.borrow(), ["calm n1 tear_down", "calm n1 tear_down"]);
}

#[test]
fn no_database_can_do_nothing_and_does_it_well() {
    assert_eq!(capabilities(&Noop), [false; 6]);
    let sites = nowhere(3);
    in_real_time(cycle(&Noop, &sites, 1)).expect("nothing to do");
    in_real_time(everything(&Noop, &sites));
    assert_eq!(Noop.ports(sites.of(NodeId(1)).expect("there")), []);
}

#[test]
fn a_watchdog_of_what_cannot_be_started_is_refused() {
    let refused = Watchdog::new(Rc::new(Noop), Duration::from_secs(1)).err();
    assert_eq!(
        refused.as_deref(),
        Some(
            "noop cannot be started by itself, so a watchdog would have nothing to do: leave it out"
        )
    );
}
