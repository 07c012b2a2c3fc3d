//! Transactions over Raft (`kv/*.go`): requests, the state machine, the coordinator and its leader proxy.

pub mod coordinator;
pub mod error;
pub mod forward;
pub mod fsm;
pub mod request;
