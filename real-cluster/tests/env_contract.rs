//! `elastickv::env::contract` on a real machine: what `TokioEnv` promises, over loopback and in a temporary folder.

use elastickv::env::{NodeId, contract};
use real_cluster::env::{Place, Ports, TokioEnv};
use real_cluster::metrics::Metrics;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use tokio::task::LocalSet;

#[test]
fn the_real_env_keeps_the_contract() {
    let process = std::process::id();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("env-contract-{process}"));
    // An address that no other run of this test has: both nodes have the same ports.
    let [.., high, low] = process.to_be_bytes();
    let address = |id: u16| IpAddr::V4(Ipv4Addr::new(127, 64 + high % 64, low, id as u8));
    let place = |id: u16| Place {
        id: NodeId(id),
        listen: address(id),
        peers: [(NodeId(3 - id), address(3 - id).to_string())].into(),
        ports: Ports { redis: 17_011, internal: 17_012, raft: 17_013 },
        data: folder.join(format!("n{id}")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let results = LocalSet::new().block_on(&runtime, async {
        let a = TokioEnv::start(place(1), Rc::new(Metrics::default())).await.unwrap();
        let b = TokioEnv::start(place(2), Rc::new(Metrics::default())).await.unwrap();
        contract::check_all(a, b).await
    });
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(results.len(), contract::all::<TokioEnv>().len());
    for (clause, kept) in results {
        assert_eq!(kept, Ok(()), "{clause}");
    }
}
