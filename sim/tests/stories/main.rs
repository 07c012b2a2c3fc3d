//! Stories told to a few nodes of Elastickv in a calm world: what a client sees of them.
#![cfg(madsim)]

mod clocks;
mod disks;
mod groups;
mod membership;
mod mistakes;
mod teller;
