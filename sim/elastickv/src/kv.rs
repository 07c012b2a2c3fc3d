//! Transactions over Raft (`kv/*.go`): requests, the state machine, the coordinator and its leader proxies, routes and their catalog.

pub mod catalog;
pub mod coordinator;
pub mod error;
pub mod forward;
pub mod fsm;
pub mod leader_proxy;
pub mod prepared;
pub mod request;
pub mod resolver;
pub mod routes;
pub mod transaction;
