//! `elastickv::env::contract` in the simulated world: what `SimEnv` promises, on calm networks and on those that seeds draw.
#![cfg(madsim)]

use elastickv::env::contract;
use futures_util::future::{FutureExt, LocalBoxFuture, pending};
use harness::cluster::{Cluster, NodeId};
use harness::seed::Seed;
use sim::env::SimEnv;
use sim::params::WorldParams;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

type Results = Vec<(&'static str, Result<(), contract::Broken>)>;

/// What the clauses said, checked inside node 1.
fn checked(seed: Seed, params: WorldParams) -> Results {
    thread_local! {
        static TOLD: RefCell<Option<Results>> = const { RefCell::new(None) };
    }
    fn inside(env: SimEnv) -> LocalBoxFuture<'static, ()> {
        async move {
            if env.node == 1 {
                let told = contract::check_all(env, SimEnv { node: 2, boot: 1 }).await;
                TOLD.set(Some(told));
            }
            pending().await
        }
        .boxed_local()
    }
    let guest = || -> Rc<dyn sim::cluster::Guest> {
        Rc::new(inside as fn(SimEnv) -> LocalBoxFuture<'static, ()>)
    };
    sim::simulate(seed, params, 2, guest, async move |cluster| {
        cluster.set_up(seed).await.expect("a simulated cluster starts");
        assert_eq!(cluster.env(NodeId(2)).boot, 1);
        let clock = cluster.clock();
        let limit = clock.now() + Duration::from_secs(3600);
        loop {
            if let Some(told) = TOLD.take() {
                return told;
            }
            assert!(clock.now() < limit, "the clauses came to no end");
            clock.sleep(Duration::from_millis(100)).await;
        }
    })
}

#[test]
fn the_simulated_env_keeps_the_contract() {
    let drawn = (1..=4).map(|seed| (Seed(seed), WorldParams::from_seed(Seed(seed))));
    for (seed, params) in [(Seed(0), WorldParams::calm())].into_iter().chain(drawn) {
        let results = checked(seed, params);
        assert_eq!(results.len(), contract::all::<SimEnv>().len());
        for (clause, kept) in results {
            assert_eq!(kept, Ok(()), "seed {seed}: {clause}");
        }
    }
}
