//! Nodes as processes of this machine, without root and without SSH: the twin of [`mod@crate::ssh`], file by file (`cluster
//! faults net`).
//!
//! What belongs to machines cannot be had here: no page cache is lost, and all nodes share one clock.

pub mod cluster;
pub mod faults;
pub mod net;
pub mod process;
pub mod seat;
