//! Nodes on machines over SSH: the twin of [`crate::local`].

pub mod network;
