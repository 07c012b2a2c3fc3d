//! The Redis front (`adapter/redis*.go`): RESP2, commands, MULTI/EXEC, the proxy to the leader. Texts are upstream's.

pub mod command;
pub mod connection;
pub mod context;
pub mod generic;
pub mod hashes;
pub mod hlls;
pub mod keys;
pub mod lists;
pub mod lua;
pub mod proxy;
pub mod pubsub;
pub mod relay;
pub mod resp;
pub mod scripts;
pub mod server;
pub mod sets;
pub mod specs;
pub mod streams;
pub mod strings;
pub mod view;
pub mod zsets;
