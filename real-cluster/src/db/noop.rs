//! No database. For a run that tests faults and connections alone, and as the default where none is named: what it cannot do is
//! told by what it lacks, as for any other.

use super::{Db, Step};
use crate::site::{Site, Sites};
use std::future::ready;

/// Does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Noop;

impl Db for Noop {
    fn name(&self) -> &str {
        "noop"
    }

    fn ports(&self, _: &Site) -> Vec<(String, u16)> {
        Vec::new()
    }

    fn set_up<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a> {
        Box::pin(ready(Ok(())))
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, _: &'a Site) -> Step<'a> {
        Box::pin(ready(Ok(())))
    }
}
