//! Elastickv's Raft and Redis layers, over [`env::Env`]: the system under test.
//!
//! Architecture Invariant: this crate imports no runtime, no random number generator and no other crate of
//! this project. Everything that a node learns or does goes through `Env`, so it lives in a simulated
//! world and on a real machine alike.

#[macro_use]
pub mod marks;

pub mod admin;
pub mod bug;
pub mod codec;
pub mod env;
pub mod files;
pub mod group;
pub mod hlc;
pub mod identity;
pub mod kv;
pub mod mvcc;
pub mod node;
pub mod options;
pub mod pool;
pub mod raft;
pub mod redis;
