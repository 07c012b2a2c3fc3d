//! Clusters on hosts of a testbed, as a whole: the contract, runs of the command line, databases, and days on which things go
//! wrong. Where no testbed can be made each says SKIP with the reason; with TESTBED_REQUIRED=1 that is a failure.

#[path = "on_hosts/bad_days.rs"]
mod bad_days;
#[path = "on_hosts/bench.rs"]
mod bench;
#[path = "on_hosts/doctor.rs"]
mod doctor;
#[path = "on_hosts/rows.rs"]
mod rows;
#[path = "on_hosts/runs.rs"]
mod runs;
#[path = "on_hosts/contract.rs"]
mod the_contract;
