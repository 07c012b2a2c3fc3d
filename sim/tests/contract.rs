//! `harness::contract` on simulated Elastickv: what the boundary promises, kept by this world.

use elastickv::env::NodeId as Name;
use elastickv::kv::routes::Shards;
use elastickv::options::Options;
use harness::contract;
use harness::seed::Seed;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::rc::Rc;

#[test]
fn the_simulated_cluster_keeps_the_contract() {
    for (seed, groups) in [(Seed(1), 1), (Seed(2), 2), (Seed(3), 3)] {
        let guest = move || -> Rc<dyn sim::cluster::Guest> {
            let nodes = (1..=3).map(Name).collect();
            let shards = Shards::among(groups);
            Rc::new(Elastickv::new(Options { shards, ..Options::new(nodes) }))
        };
        let params = WorldParams::from_seed(seed);
        let results = sim::simulate(seed, params, 3, guest, move |cluster| async move {
            contract::check_all(&*cluster, seed).await
        });
        // Where there is one group there is nothing to split.
        let left_out = usize::from(groups == 1);
        let all = contract::all().len() - left_out;
        assert!(results.len() >= all, "no clause was left out: {results:?}");
        for (clause, kept) in results {
            assert_eq!(kept, Ok(()), "seed {seed}: {clause}");
        }
    }
}
