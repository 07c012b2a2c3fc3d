//! How a `harness::Test` runs on machines: the twin of `sim`, file by file (`cluster faults clock net`).
//!
//! Its place in the arrows is fixed: it knows `harness` (the boundary it implements) and `elastickv`
//! (the layers that [`node`] hosts over real sockets, files and clocks: [`mod@env`], [`disk`], [`transport`]). It never
//! meets `sim` and never sees madsim.

pub mod ceiling;
pub mod clock;
pub mod cluster;
pub mod cpu;
pub mod disk;
pub mod env;
pub mod faults;
pub mod metrics;
pub mod net;
pub mod node;
pub mod process;
pub mod scrape;
pub mod seat;
pub mod signals;
pub mod transport;

/// The node of the boundary as the layers under test name it.
pub fn layer_node(node: harness::cluster::NodeId) -> elastickv::env::NodeId {
    elastickv::env::NodeId(node.0)
}

/// The node of the layers as the boundary names it.
pub fn boundary_node(node: elastickv::env::NodeId) -> harness::cluster::NodeId {
    harness::cluster::NodeId(node.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_name_across_the_boundary() {
        let n3 = harness::cluster::NodeId(3);
        assert_eq!(boundary_node(layer_node(n3)), n3);
        assert_eq!(n3.to_string(), layer_node(n3).to_string());
    }
}
