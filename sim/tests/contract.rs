//! `harness::contract` on simulated Elastickv: what the boundary promises, kept by this world.

use elastickv::env::NodeId as Name;
use elastickv::options::Options;
use harness::contract;
use harness::seed::Seed;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::rc::Rc;

#[test]
fn the_simulated_cluster_keeps_the_contract() {
    for seed in [Seed(1), Seed(2)] {
        let guest = || -> Rc<dyn sim::cluster::Guest> {
            Rc::new(Elastickv::new(Options::new((1..=3).map(Name).collect())))
        };
        let params = WorldParams::from_seed(seed);
        let results = sim::simulate(seed, params, 3, guest, move |cluster| async move {
            contract::check_all(&*cluster, seed).await
        });
        assert!(results.len() >= contract::all().len(), "no clause was left out: {results:?}");
        for (clause, kept) in results {
            assert_eq!(kept, Ok(()), "seed {seed}: {clause}");
        }
    }
}
