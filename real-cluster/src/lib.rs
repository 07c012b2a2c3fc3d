//! How a `harness::Test` runs on machines: the twin of `sim`, file by file (`cluster faults clock net`).
//!
//! Its place in the arrows is fixed: it knows `harness` (the boundary it implements) and `elastickv`
//! (the layers that [`node`] hosts over real sockets, files and clocks: [`mod@env`], [`disk`], [`transport`]). It never
//! meets `sim` and never sees madsim.

pub mod ceiling;
pub mod clock;
pub mod cpu;
pub mod db;
pub mod disk;
pub mod doctor;
pub mod effects;
pub mod env;
pub mod local;
pub mod metrics;
pub mod node;
pub mod nodes;
pub mod operator;
pub mod queue;
pub mod remote;
pub mod scrape;
pub mod signals;
pub mod simulated;
pub mod site;
pub mod ssh;
pub mod testbed;
pub mod transport;
