//! What `Cluster` promises, on hosts over SSH.

use crate::bench::Bench;
use harness::cluster::{Cluster, NodeId};
use harness::contract;
use harness::fault::{Fault, FaultKind};
use harness::seed::Seed;
use real_cluster::db::Db;
use real_cluster::db::elastickv_node::ElastickvNode;
use real_cluster::ssh::cluster::{SshCluster, SshConfig};
use real_cluster::ssh::supported::possible;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::task::LocalSet;

#[test]
fn hosts_over_ssh_keep_the_contract() {
    let Some(bench) = Bench::new("contract", 3) else { return };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let agent = PathBuf::from(env!("CARGO_BIN_EXE_real-cluster"));
        let db = |has_clock| Rc::new(ElastickvNode::new(Vec::new(), 2, has_clock)) as Rc<dyn Db>;
        let cluster = SshCluster::connect_all(SshConfig::new(bench.sites(), agent), db)
            .await
            .expect("connected");
        for kind in FaultKind::ALL {
            assert_eq!(cluster.supported(kind).is_ok(), possible(kind).is_ok(), "{kind}");
        }
        let refused = cluster.inject(&Fault::Kill(NodeId(9))).await.expect_err("no such node");
        assert_eq!(refused.to_string(), "node n9 is not in this cluster (n1..n3)");
        let mut broken = Vec::new();
        let results = contract::check_all(&cluster, Seed(1)).await;
        let needed = contract::all().into_iter().filter_map(|clause| clause.needs);
        let impossible = needed.filter(|kind| possible(*kind).is_err()).count();
        assert_eq!(results.len(), contract::all().len() - impossible, "{results:?}");
        for (clause, result) in results {
            match result {
                Ok(()) => println!("{clause}"),
                Err(why) => broken.push(format!("{clause}: {why}")),
            }
        }
        assert_eq!(broken, Vec::<String>::new());
    });
    bench.is_clean();
}
