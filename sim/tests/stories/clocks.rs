//! Wall clocks that are further off than a store stands: what has expired nobody can tell by them, so nobody is told.

use super::teller::{N1, N2, N3, Teller, told};
use elastickv::hlc::belief::WALL_OFF_MAX;
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::resp::Reply;
use std::time::Duration;

fn off_max_ms() -> i64 {
    WALL_OFF_MAX.as_millis() as i64
}

/// Writes a key that expires after so long, through this node.
async fn put(teller: &Teller, node: NodeId, expires_ms: u64) {
    let set = |reply: Reply| reply.is_status("OK").then_some(());
    let expires = expires_ms.to_string();
    teller.until(node, &["SET", "key", "kept", "PX", &expires], set).await;
}

/// What the node says of the key: `None` if it refuses for its clock.
async fn get(teller: &Teller, node: NodeId) -> Option<Option<String>> {
    let answer = |reply| match reply {
        Reply::Bulk(bytes) => Some(Some(Some(String::from_utf8_lossy(&bytes).into_owned()))),
        Reply::Null => Some(Some(None)),
        Reply::Error(text) if text.starts_with("CLOCKSKEW ") => Some(None),
        _ => None,
    };
    teller.until(node, &["GET", "key"], answer).await
}

async fn pass(teller: &Teller, ms: u64) {
    teller.0.clock().sleep(Duration::from_millis(ms)).await;
}

#[test]
fn a_clock_that_is_ahead_by_more_than_the_bound_lets_nothing_expire_too_early() {
    told(async |teller| {
        let leader = teller.leader().await;
        put(&teller, leader, 100_000).await;
        teller.inject(Fault::WallJump { node: leader, by_ms: 200_000 }).await;
        for node in [N1, N2, N3] {
            assert_eq!(get(&teller, node).await, None, "{node} has answered");
        }
        let push = teller.ask(leader, &["RPUSH", "list", "1"]).await;
        assert!(matches!(push, Some(Reply::Error(text)) if text.starts_with("CLOCKSKEW ")));
        teller.inject(Fault::WallReset(leader)).await;
        assert_eq!(get(&teller, leader).await, Some(Some("kept".to_owned())));
        teller.push(leader, 1).await;
    });
}

#[test]
fn a_clock_that_is_behind_by_more_than_the_bound_keeps_nothing_too_long() {
    told(async |teller| {
        let leader = teller.leader().await;
        put(&teller, leader, 5_000).await;
        teller.inject(Fault::WallLeap { node: leader, back_ms: 200_000 }).await;
        pass(&teller, 6_000).await;
        assert_eq!(get(&teller, leader).await, None);
        teller.inject(Fault::WallReset(leader)).await;
        assert_eq!(get(&teller, leader).await, Some(None), "it has expired");
    });
}

#[test]
fn clocks_within_the_bound_are_served_by_wherever_they_move() {
    told(async |teller| {
        let leader = teller.leader().await;
        // A ceiling is agreed on: without one a timestamp is what the clock of the moment makes it.
        pass(&teller, 2_000).await;
        teller.inject(Fault::WallJump { node: leader, by_ms: off_max_ms() }).await;
        put(&teller, leader, 600_000).await;
        for by_ms in [-2 * off_max_ms(), 2 * off_max_ms()] {
            teller.inject(Fault::WallJump { node: leader, by_ms }).await;
            pass(&teller, 2_000).await;
            assert_eq!(get(&teller, leader).await, Some(Some("kept".to_owned())));
            teller.push(leader, 1).await;
        }
    });
}

#[test]
fn a_clock_that_was_ahead_when_its_node_started_and_led_keeps_nobody_from_serving() {
    told(async |teller| {
        let leader = teller.leader().await;
        let node = [N1, N2, N3].into_iter().find(|node| *node != leader).unwrap();
        teller.inject(Fault::Kill(node)).await;
        teller.inject(Fault::WallJump { node, by_ms: 300_000 }).await;
        teller.inject(Fault::Restart(node)).await;
        pass(&teller, 3_000).await;
        teller.inject(Fault::Transfer(node)).await;
        // Nobody can see it: a ceiling is agreed on that is far ahead.
        put(&teller, node, 600_000).await;
        pass(&teller, 3_000).await;
        teller.inject(Fault::WallReset(node)).await;
        assert_eq!(get(&teller, node).await, None, "its clocks went different ways");
        teller.inject(Fault::Transfer(leader)).await;
        let kept = || Some(Some("kept".to_owned()));
        assert_eq!(get(&teller, leader).await, kept());
        teller.push(leader, 1).await;
        teller.inject(Fault::Kill(node)).await;
        teller.inject(Fault::Restart(node)).await;
        pass(&teller, 3_000).await;
        teller.inject(Fault::Transfer(node)).await;
        assert_eq!(get(&teller, node).await, kept());
        teller.push(node, 2).await;
    });
}
