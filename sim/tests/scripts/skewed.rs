//! Wall clocks that strobe and drift: what a node reads, when, and how many reads that changed.

use crate::stage::{self, N1, N2, Setting, idle, inject, pass};
use elastickv::env::Env;
use harness::cluster::Cluster;
use harness::fault::Fault;
use sim::clock::WALL_START_MS;
use sim::cluster::SimCluster;
use std::future::Future;
use std::rc::Rc;

/// Nodes 1 and 2, whose wall clocks show true time.
fn play<F, T>(script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting::calm(idle), async move |cluster| {
        inject(&cluster, Fault::WallReset(N1)).await;
        inject(&cluster, Fault::WallReset(N2)).await;
        script(cluster).await
    })
}

/// How far the wall clock of node 1 is ahead of true time, in milliseconds. One read.
fn off(cluster: &SimCluster) -> i64 {
    let env = cluster.env(N1);
    env.wall_ms() as i64 - (WALL_START_MS + env.monotonic().as_millis() as u64) as i64
}

async fn offs(cluster: &SimCluster, every_ms: u64, count: usize) -> Vec<i64> {
    let mut offs = Vec::new();
    for _ in 0..count {
        offs.push(off(cluster));
        pass(cluster, every_ms).await;
    }
    offs
}

#[test]
fn a_strobing_clock_shows_its_two_times_in_turn_until_it_is_reset() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::WallStrobe { node: N1, delta_ms: -700, period_ms: 20 }).await;
        let seen = offs(&cluster, 10, 8).await;
        assert_eq!(seen, [-700, -700, 0, 0, -700, -700, 0, 0]);
        let other = cluster.env(N2).wall_ms() - WALL_START_MS;
        assert_eq!(other, cluster.env(N2).monotonic().as_millis() as u64, "of one node only");
        inject(&cluster, Fault::WallReset(N1)).await;
        assert_eq!(offs(&cluster, 10, 4).await, [0; 4]);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 0, 4, 0], "four reads differed");
}

#[test]
fn a_drifting_clock_gains_and_loses_steadily_until_it_is_reset() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::WallDrift { node: N1, ppm: 100_000 }).await;
        assert_eq!(offs(&cluster, 1_000, 4).await, [0, 100, 200, 300]);
        inject(&cluster, Fault::WallDrift { node: N1, ppm: -50_000 }).await;
        assert_eq!(offs(&cluster, 1_000, 4).await, [400, 350, 300, 250], "it keeps what it gained");
        inject(&cluster, Fault::WallReset(N1)).await;
        assert_eq!(offs(&cluster, 1_000, 2).await, [0, 0]);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 0, 3, 3, 0], "the first read of each shows no difference");
}

#[test]
fn a_jump_a_strobe_and_a_drift_of_one_clock_add_up_and_what_is_in_force_at_the_end_counts() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::WallJump { node: N1, by_ms: 5_000 }).await;
        inject(&cluster, Fault::WallDrift { node: N1, ppm: 10_000 }).await;
        pass(&cluster, 1_000).await;
        inject(&cluster, Fault::WallStrobe { node: N1, delta_ms: 300, period_ms: 500 }).await;
        assert_eq!(offs(&cluster, 500, 4).await, [5_310, 5_015, 5_320, 5_025]);
        inject(&cluster, Fault::WallStrobe { node: N1, delta_ms: 1, period_ms: 0 }).await;
        assert_eq!(offs(&cluster, 1, 3).await, [5_031, 5_030, 5_031], "a period is not nothing");
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 0, 7, 7, 2, 2]);
}

#[test]
fn a_frozen_clock_shows_one_time_until_it_is_reset_and_true_time_from_then_on() {
    let effects = play(async |cluster| {
        assert_eq!(off(&cluster), 0);
        inject(&cluster, Fault::WallFreeze(N1)).await;
        assert_eq!(offs(&cluster, 1_000, 4).await, [0, -1_000, -2_000, -3_000]);
        inject(&cluster, Fault::WallJump { node: N1, by_ms: 500 }).await;
        assert_eq!(offs(&cluster, 1_000, 2).await, [-3_500, -4_500], "it can be moved");
        assert_eq!(
            cluster.env(N2).wall_ms(),
            WALL_START_MS + cluster.env(N2).monotonic().as_millis() as u64
        );
        inject(&cluster, Fault::WallReset(N1)).await;
        assert_eq!(offs(&cluster, 1_000, 2).await, [0, 0]);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects[2..], [5, 2, 0], "the first read of a frozen clock shows true time");
}

#[test]
fn a_drift_takes_the_place_of_a_freeze_and_goes_on_from_where_the_clock_stood() {
    play(async |cluster| {
        inject(&cluster, Fault::WallFreeze(N1)).await;
        pass(&cluster, 2_000).await;
        inject(&cluster, Fault::WallDrift { node: N1, ppm: 100_000 }).await;
        assert_eq!(offs(&cluster, 1_000, 3).await, [-2_000, -1_900, -1_800]);
    });
}

#[test]
fn a_leap_shows_a_time_that_has_been_and_a_reset_true_time() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::WallLeap { node: N1, back_ms: 12_345 }).await;
        assert_eq!(offs(&cluster, 1_000, 2).await, [-12_345, -12_345]);
        inject(&cluster, Fault::WallReset(N1)).await;
        assert_eq!(off(&cluster), 0);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects[2..], [2, 0]);
}
