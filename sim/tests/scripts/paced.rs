//! Monotonic clocks that run fast or slow: what a node reads, how long it sleeps, and how many reads that changed.

use crate::stage::{self, N1, N2, Setting, idle, inject, pass};
use elastickv::env::Env;
use futures_util::future::{join, join_all};
use harness::cluster::Cluster;
use harness::fault::Fault;
use sim::cluster::SimCluster;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn play<F, T>(script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting::calm(idle), script)
}

/// How long node 1 measures and how long it takes, in milliseconds.
async fn measured(cluster: &SimCluster, during: impl Future<Output = ()>) -> (u128, u128) {
    let (env, clock) = (cluster.env(N1), cluster.clock());
    let before = (env.monotonic(), clock.now());
    during.await;
    let (shown, passed) = (env.monotonic() - before.0, clock.now() - before.1);
    ((shown + MS / 2).as_millis(), (passed + MS / 2).as_millis())
}

#[test]
fn a_clock_of_its_own_pace_measures_more_or_less_than_passes_and_sleeps_by_what_it_shows() {
    let effects = play(async |cluster| {
        let (one, two) = (cluster.env(N1), cluster.env(N2));
        let sleep = |ms| one.sleep(Duration::from_millis(ms));
        for (ppm, shown, slept) in [(250_000, 1_250, 800), (-500_000, 500, 2_000)] {
            inject(&cluster, Fault::MonoDrift { node: N1, ppm }).await;
            assert_eq!(measured(&cluster, pass(&cluster, 1_000)).await, (shown, 1_000));
            assert_eq!(measured(&cluster, sleep(1_000)).await, (1_000, slept));
        }
        let before = one.monotonic();
        inject(&cluster, Fault::MonoReset(N1)).await;
        assert!(one.monotonic() >= before, "it never goes back");
        assert_eq!(measured(&cluster, pass(&cluster, 1_000)).await, (1_000, 1_000));
        assert_eq!(measured(&cluster, sleep(1_000)).await, (1_000, 1_000));
        let true_time = two.monotonic();
        pass(&cluster, 1_000).await;
        assert_eq!((two.monotonic() - true_time + MS / 2).as_millis(), 1_000, "n2 has its own");
        cluster.tear_down().await.effects
    });
    assert_eq!(effects.len(), 3);
    assert!(effects[0] >= 3 && effects[1] >= 4 && effects[2] == 0, "{effects:?}");
}

#[test]
fn a_pace_that_changes_while_a_node_sleeps_changes_when_it_wakes() {
    play(async |cluster| {
        let ends = async |ppm: i32, then: Fault| {
            let sleep = cluster.env(N1).sleep(Duration::from_millis(1_000));
            let change = async {
                pass(&cluster, 400).await;
                inject(&cluster, Fault::MonoDrift { node: N1, ppm }).await;
                pass(&cluster, 100).await;
                inject(&cluster, then).await;
            };
            let before = cluster.clock().now();
            let woke = async {
                sleep.await;
                (cluster.clock().now() - before + MS / 2).as_millis()
            };
            join(woke, change).await.0
        };
        // 400 as they were, 100 that count twice, 400 more.
        assert_eq!(ends(1_000_000, Fault::MonoReset(N1)).await, 900);
        // 100 that count for nothing.
        assert_eq!(ends(-1_000_000, Fault::MonoReset(N1)).await, 1_100);
        // 100 that count half, and 550 at a quarter more.
        let faster = Fault::MonoDrift { node: N1, ppm: 250_000 };
        assert_eq!(ends(-500_000, faster).await, 940);
    });
}

#[test]
fn sleeps_of_a_slow_node_still_end_in_order_and_a_node_that_only_waits_reads_nothing() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::MonoDrift { node: N1, ppm: -70_000 }).await;
        inject(&cluster, Fault::MonoDrift { node: N2, ppm: 70_000 }).await;
        let env = cluster.env(N1);
        let order = std::cell::RefCell::new(Vec::new());
        join_all([30, 10, 20].map(|ms| {
            let sleep = env.sleep(Duration::from_millis(ms));
            let order = &order;
            async move {
                sleep.await;
                order.borrow_mut().push(ms);
            }
        }))
        .await;
        assert_eq!(*order.borrow(), [10, 20, 30]);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 0]);
}
