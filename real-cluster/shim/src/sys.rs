//! System calls that no crate makes safe, behind functions that are: all `unsafe` of this crate is below here.

pub mod child;
pub mod filter;
pub mod notify;
pub mod signals;
