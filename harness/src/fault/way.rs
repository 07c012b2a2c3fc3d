//! Which way something is cut off, seen from the nodes that a fault names.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A direction, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Way {
    /// Both ways.
    Both,
    /// What comes to the nodes.
    In,
    /// What leaves them.
    Out,
}

impl Way {
    /// Every way.
    pub const ALL: [Way; 3] = [Way::Both, Way::In, Way::Out];

    /// Whether it means what comes to the nodes.
    pub fn is_in(self) -> bool {
        self != Way::Out
    }

    /// Whether it means what leaves the nodes.
    pub fn is_out(self) -> bool {
        self != Way::In
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Both => "both ways",
            Way::In => "inbound",
            Way::Out => "outbound",
        })
    }
}
