//! Members leave the group and come back with nothing, as when a machine of a cluster is replaced.
//!
//! Jepsen's membership nemesis. No more than a minority is out at once, those counted whose disks are lost, and two members always stay.

use super::range::{Range, Unit};
use super::{ClusterView, Family, ORDERED_WITHIN, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// One leaves and returns.
#[derive(Clone, Debug)]
pub struct Membership {
    out: Range,
}

impl Default for Membership {
    /// Out for 1 to 10 s.
    fn default() -> Membership {
        Membership { out: Range::log(1_000, 10_000, Unit::Ms) }
    }
}

impl Family for Membership {
    fn told(&self) -> String {
        format!("a leader or another; out for {}", self.out)
    }

    fn acts_within(&self) -> Duration {
        ORDERED_WITHIN
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.out]
    }

    /// A leader in three cases of ten. In two cases of three its disk is wiped on the way, and it waits.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut nodes = view.which(|node| node.member);
        rng.shuffle(&mut nodes);
        if rng.chance(0.3)
            && let Some(at) = nodes.iter().position(|id| view.leaders.contains(id))
        {
            nodes.swap(0, at);
        }
        let back = self.out.time(rng);
        let wiped = rng.chance(0.67);
        let empty = Duration::from_millis(rng.range(0, back.as_millis() as u64));
        match nodes.first().map(|node| (*node, Fault::Remove(*node))) {
            Some((node, remove)) if view.given_up() < view.minority() && view.can_act(&remove) => {
                let mut timed = vec![Timed::now(remove)];
                if wiped {
                    timed.push(Timed::after(empty, Fault::Wipe(node)));
                }
                timed.push(Timed::after(back, Fault::Join(node)));
                timed
            }
            _ => Vec::new(),
        }
    }
}
