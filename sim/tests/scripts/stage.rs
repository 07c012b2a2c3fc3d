//! What scripts are played on: a simulated cluster whose nodes run a small program instead of a store.
//! Promises: the script begins when all nodes are up. Cannot see: anything above `Env`.

use elastickv::env::{Env, Listener, Port};
use futures_util::future::{FutureExt, LocalBoxFuture, pending};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::seed::Seed;
use sim::cluster::SimCluster;
use sim::env::SimEnv;
use sim::params::WorldParams;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

pub const N1: NodeId = NodeId(1);
pub const N2: NodeId = NodeId(2);
/// Where [`echo`] listens.
pub const PORT: Port = Port::REDIS;

/// What every node runs.
pub type Program = fn(SimEnv) -> LocalBoxFuture<'static, ()>;

/// Does nothing.
pub fn idle(_: SimEnv) -> LocalBoxFuture<'static, ()> {
    pending().boxed_local()
}

/// Sends back what it reads from a stream; node 1 does nothing, the script plays it.
pub fn echo(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        if env.node == 1 {
            return pending().await;
        }
        let mut listener = env.listen(PORT).await.expect("nobody else listens");
        while let Ok(mut socket) = listener.accept().await {
            env.spawn(async move {
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = socket.read(&mut chunk).await {
                    if socket.write_all(&chunk[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
    .boxed_local()
}

/// The world of a script.
pub struct Setting {
    pub seed: Seed,
    pub params: WorldParams,
    pub nodes: u16,
    pub program: Program,
}

impl Setting {
    /// Two nodes in a calm world.
    pub fn calm(program: Program) -> Setting {
        Setting { seed: Seed(1), params: WorldParams::calm(), nodes: 2, program }
    }
}

/// Plays a script and gives what it gives.
pub fn play<F, T>(setting: Setting, script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let Setting { seed, params, nodes, program } = setting;
    sim::simulate(
        seed,
        params,
        nodes,
        move || Rc::new(program),
        async move |cluster| {
            cluster.set_up(seed).await.expect("a simulated cluster starts");
            script(cluster).await
        },
    )
}

pub async fn inject(cluster: &SimCluster, fault: Fault) {
    cluster.inject(&fault).await.expect("a fault of a known node");
}

pub async fn pass(cluster: &SimCluster, ms: u64) {
    cluster.clock().sleep(Duration::from_millis(ms)).await;
}
