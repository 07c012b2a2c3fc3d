//! `harness::contract` on local processes: what the boundary promises, kept by this world.

use harness::cluster::Cluster;
use harness::contract;
use harness::fault::FaultKind;
use harness::seed::Seed;
use real_cluster::local::cluster::{LocalCluster, LocalConfig};
use real_cluster::local::faults::supports;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[test]
fn the_local_cluster_keeps_the_contract() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract");
    let _ = std::fs::remove_dir_all(&folder);
    let config = LocalConfig {
        nodes: 3,
        program: PathBuf::from(env!("CARGO_BIN_EXE_elastickv-node")),
        node_args: Vec::new(),
        groups: 2,
        folder,
    };
    let cluster = LocalCluster::start(config).expect("addresses and ports are free");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let began = Instant::now();
    let results = runtime.expect("a runtime").block_on(contract::check_all(&cluster, Seed(1)));
    println!("{} clauses in {:?}", results.len(), began.elapsed());
    let told = contract::all()
        .into_iter()
        .filter(|clause| clause.needs.is_none_or(|kind| supports(kind).is_ok()));
    assert_eq!(results.len(), told.count(), "no clause was left out: {results:?}");
    for (clause, kept) in results {
        assert_eq!(kept, Ok(()), "{clause}");
    }
    for kind in FaultKind::ALL {
        assert_eq!(cluster.supports(kind), supports(kind).is_ok(), "{kind}");
    }
}
