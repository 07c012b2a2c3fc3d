//! Nothing of a run outlives it: worlds, guests and the futures of their tasks are dropped, whatever state the nodes are in
//! when the run ends.
#![cfg(madsim)]

use elastickv::env::{Disk, Env, Lane, Listener, NodeId, Port};
use futures_util::future::{FutureExt, LocalBoxFuture};
use harness::cluster::{self, Cluster};
use harness::fault::Fault;
use harness::seed::Seed;
use sim::cluster::Guest;
use sim::env::SimEnv;
use sim::params::WorldParams;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A guest whose every task holds a clone of the token.
struct Holder(Arc<()>);

impl Guest for Holder {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        hold(env, self.0.clone()).boxed_local()
    }
}

async fn hold(env: SimEnv, token: Arc<()>) {
    let held = token.clone();
    env.spawn(async move {
        let _held = held;
        env.receive(Lane::Snapshot).await;
    });
    let held = token.clone();
    env.spawn(async move {
        let _held = held;
        env.disk().create("f").await.expect("a disk takes files");
        loop {
            env.disk().sync("f").await.expect("the file is there");
        }
    });
    let to = NodeId(env.node % 3 + 1);
    let held = token.clone();
    env.spawn(async move {
        let _held = held;
        while env.connect(to, Port::REDIS).await.is_ok() {
            env.sleep(Duration::from_millis(3)).await;
        }
    });
    let mut listener = env.listen(Port::REDIS).await.expect("nobody else listens");
    while let Ok(socket) = listener.accept().await {
        let held = token.clone();
        env.spawn(async move {
            let _held = held;
            env.sleep(Duration::from_secs(3600)).await;
            drop(socket);
        });
    }
}

/// A run that ends with one node running, one paused, one dead; torn down by the body or for it.
fn run(token: Arc<()>, seed: u64, tear_down: bool) {
    let seed = Seed(seed);
    let guest = move || Rc::new(Holder(token)) as Rc<dyn Guest>;
    sim::simulate(seed, WorldParams::from_seed(seed), 3, guest, async move |cluster| {
        cluster.set_up(seed).await.expect("a simulated cluster starts");
        cluster.clock().sleep(Duration::from_millis(200)).await;
        let connection = cluster.connect(cluster::NodeId(1)).await;
        for fault in [Fault::Pause(cluster::NodeId(2)), Fault::PowerOff(cluster::NodeId(3))] {
            cluster.inject(&fault).await.expect("a fault of a known node");
        }
        if tear_down {
            cluster.tear_down().await;
        }
        drop(connection);
    });
}

#[test]
fn twenty_runs_leave_no_world_no_guest_and_no_task() {
    let token = Arc::new(());
    for seed in 0..20 {
        run(token.clone(), seed, seed % 2 == 0);
        assert_eq!(Arc::strong_count(&token), 1, "after the run of seed {seed}");
        assert_eq!(sim::world::dropped(), seed + 1);
    }
}
