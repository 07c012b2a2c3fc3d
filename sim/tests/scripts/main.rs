//! Scripts: one short story for each promise of the simulated world, exact to the microsecond where the promise is.
//! Cannot see: whether a seed makes such a story likely; the catalog's runs say that.
#![cfg(madsim)]

mod clock;
mod disk;
mod impaired;
mod net;
mod skewed;
mod slow;
mod stage;
