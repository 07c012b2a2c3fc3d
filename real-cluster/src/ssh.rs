//! Nodes on machines over SSH: the twin of [`mod@crate::local`], file by file (`cluster faults net clock`).
//!
//! Whatever is done to a host is a command through [`mod@crate::remote`], and how to undo it was written down on the host before
//! ([`undo`]): a tool that is killed leaves nothing broken that `heal` does not mend.

pub mod clock;
pub mod cluster;
pub mod evidence;
pub mod faults;
pub mod hosts;
pub mod net;
pub mod network;
pub mod offsets;
pub mod probes;
pub mod reboot;
pub mod supported;
pub mod undo;
