//! What is wrong with single links, as data: one type for all of it, so that whoever enacts, draws or tells it does so once.
//!
//! Sorts combine on a link. Of one sort there is one impairment at a time in a cluster: a later one replaces it, on all links.

use super::FaultKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a directed link does to what it carries. Percentages above 100 are 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Impairment {
    /// Messages take longer. A byte stream keeps its order.
    Late {
        /// At least so much longer.
        base_ms: u32,
        /// And at most so much more than that, drawn for each message.
        jitter_ms: u32,
        /// So many in a hundred are in the distribution's heavy tail.
        tail_percent: u8,
        /// And take at most so much more; each halving of it is equally likely.
        tail_ms: u32,
    },
    /// Messages are lost. What a byte stream loses its kernel sends again.
    Lost {
        /// Of a hundred.
        percent: u8,
    },
    /// Datagrams come twice. A kernel drops what a byte stream has had.
    Doubled {
        /// Of a hundred.
        percent: u8,
    },
    /// Messages are held back, and later ones overtake them. Of a byte stream all that follows waits.
    Reordered {
        /// Of a hundred.
        percent: u8,
        /// For at most so long, drawn for each.
        within_ms: u32,
    },
    /// Messages arrive damaged. A checksum shows it, and they are dropped there: what a byte stream loses its kernel sends again.
    Damaged {
        /// Of a hundred.
        percent: u8,
    },
    /// The link carries at most so much, and keeps what waits for a few seconds; what finds its queue full is lost.
    Narrow {
        /// KiB a second; 0 is taken for 1.
        kib_per_s: u32,
    },
    /// A byte stream's bytes come a few at a time. Datagrams are not touched.
    Dripping {
        /// Bytes a second; 0 is taken for 1.
        bytes_per_s: u32,
    },
}

/// The sorts of impairments, each a kind of fault of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sort {
    /// [`Impairment::Late`].
    Latency,
    /// [`Impairment::Lost`].
    Loss,
    /// [`Impairment::Doubled`].
    Double,
    /// [`Impairment::Reordered`].
    Order,
    /// [`Impairment::Damaged`].
    Damage,
    /// [`Impairment::Narrow`].
    Rate,
    /// [`Impairment::Dripping`].
    Drip,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Sort; 7] = [
        Sort::Latency,
        Sort::Loss,
        Sort::Double,
        Sort::Order,
        Sort::Damage,
        Sort::Rate,
        Sort::Drip,
    ];

    /// The family that it is.
    pub fn kind(self) -> FaultKind {
        self.kinds()[0]
    }

    /// The same, as what mends it says it.
    pub fn kinds(self) -> &'static [FaultKind; 1] {
        match self {
            Sort::Latency => &[FaultKind::LinkLatency],
            Sort::Loss => &[FaultKind::LinkLoss],
            Sort::Double => &[FaultKind::LinkDouble],
            Sort::Order => &[FaultKind::LinkOrder],
            Sort::Damage => &[FaultKind::LinkDamage],
            Sort::Rate => &[FaultKind::LinkRate],
            Sort::Drip => &[FaultKind::LinkDrip],
        }
    }
}

impl Impairment {
    /// Which sort it is.
    pub fn sort(self) -> Sort {
        match self {
            Impairment::Late { .. } => Sort::Latency,
            Impairment::Lost { .. } => Sort::Loss,
            Impairment::Doubled { .. } => Sort::Double,
            Impairment::Reordered { .. } => Sort::Order,
            Impairment::Damaged { .. } => Sort::Damage,
            Impairment::Narrow { .. } => Sort::Rate,
            Impairment::Dripping { .. } => Sort::Drip,
        }
    }

    /// Whether it does anything at all.
    pub fn harms(self) -> bool {
        match self {
            Impairment::Late { base_ms, jitter_ms, tail_percent, tail_ms } => {
                base_ms | jitter_ms != 0 || (tail_percent != 0 && tail_ms != 0)
            }
            Impairment::Lost { percent }
            | Impairment::Doubled { percent }
            | Impairment::Damaged { percent } => percent != 0,
            Impairment::Reordered { percent, within_ms } => percent != 0 && within_ms != 0,
            Impairment::Narrow { .. } | Impairment::Dripping { .. } => true,
        }
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impairment::Late { base_ms, jitter_ms, tail_percent, tail_ms } => {
                write!(f, "{base_ms} ms late")?;
                if *jitter_ms > 0 {
                    write!(f, ", up to {jitter_ms} ms more")?;
                }
                match tail_percent {
                    0 => Ok(()),
                    _ => write!(f, ", {tail_percent} % up to {tail_ms} ms more"),
                }
            }
            Impairment::Lost { percent } => write!(f, "{percent} % lost"),
            Impairment::Doubled { percent } => write!(f, "{percent} % doubled"),
            Impairment::Reordered { percent, within_ms } => {
                write!(f, "{percent} % held back up to {within_ms} ms")
            }
            Impairment::Damaged { percent } => write!(f, "{percent} % damaged"),
            Impairment::Narrow { kib_per_s } => write!(f, "{kib_per_s} KiB/s"),
            Impairment::Dripping { bytes_per_s } => {
                write!(f, "streams drip at {bytes_per_s} bytes/s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_is_what_was_impaired_and_what_does_nothing_harms_nothing() {
        let late = |base_ms, jitter_ms, tail_percent, tail_ms| Impairment::Late {
            base_ms,
            jitter_ms,
            tail_percent,
            tail_ms,
        };
        for (how, sort, harms) in [
            (late(0, 0, 0, 900), Sort::Latency, false),
            (late(0, 0, 9, 900), Sort::Latency, true),
            (late(0, 1, 0, 0), Sort::Latency, true),
            (Impairment::Lost { percent: 0 }, Sort::Loss, false),
            (Impairment::Doubled { percent: 1 }, Sort::Double, true),
            (Impairment::Reordered { percent: 9, within_ms: 0 }, Sort::Order, false),
            (Impairment::Damaged { percent: 9 }, Sort::Damage, true),
            (Impairment::Narrow { kib_per_s: 0 }, Sort::Rate, true),
            (Impairment::Dripping { bytes_per_s: 0 }, Sort::Drip, true),
        ] {
            assert_eq!((how.sort(), how.harms()), (sort, harms), "{how}");
            assert_eq!(sort.kinds(), &[sort.kind()]);
        }
        let kinds = Sort::ALL.map(Sort::kind);
        assert!(kinds.is_sorted_by(|a, b| a < b), "each its own");
    }
}
