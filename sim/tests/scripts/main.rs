//! Scripts: one short story for each promise of the simulated world, exact to the microsecond where the promise is.
//! Cannot see: whether a seed makes such a story likely; the catalog's runs say that.
#![cfg(madsim)]

mod address;
mod clients;
mod clock;
mod cut_off;
mod disk;
mod held;
mod impaired;
mod inside;
mod links;
mod net;
mod paced;
mod skewed;
mod slow;
mod spoilt;
mod stage;
