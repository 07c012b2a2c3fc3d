//! The Redis front (`adapter/redis*.go`): RESP2, commands, MULTI/EXEC, the proxy to the leader. Texts are upstream's.

pub mod command;
pub mod context;
pub mod keys;
pub mod lists;
pub mod proxy;
pub mod resp;
pub mod server;
pub mod strings;
