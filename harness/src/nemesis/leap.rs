//! A leader's wall clock leaps back by more than the window of its ceiling: every timestamp that it could make of its clock alone, it
//! has made already.
//!
//! A hybrid logical clock that is fenced by an agreed ceiling lies less than one window below it (Elastickv: 10 s). A clock that jumps
//! back by less is caught up with by true time before the ceiling is reached; one that leaps further is not.

use super::clock::LASTS;
use super::range::{Range, Unit};
use super::skew::SKEW_MAX_MS;
use super::{ClusterView, Family, NodeView, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// One more than the window.
pub const BACK_MIN_MS: u64 = 10_001;

/// Leaps across the window.
#[derive(Clone, Debug)]
pub struct Leaps {
    back: Range,
    lasts: Range,
}

impl Default for Leaps {
    /// Of 10 to 60 s.
    fn default() -> Leaps {
        Leaps { back: Range::even(BACK_MIN_MS, SKEW_MAX_MS as u64, Unit::Ms), lasts: LASTS }
    }
}

impl Family for Leaps {
    fn told(&self) -> String {
        format!("of a leader; by {} back, for {}", self.back, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.back, &mut self.lasts]
    }

    /// Of a leader, if one is known, or of a node that runs; less far where the clock would leave its bounds, and not at all where that would
    /// not cross the window.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let Some(node) = target(view, rng) else { return Vec::new() };
        let (least, _) = clock::skew(view, node).reach();
        let room = u64::try_from(SKEW_MAX_MS.saturating_add(least)).unwrap_or(0);
        let back_ms = self.back.draw(rng).min(room);
        let reset = self.lasts.time(rng);
        if back_ms < BACK_MIN_MS {
            return Vec::new();
        }
        let leap = Fault::WallLeap { node, back_ms: back_ms as u32 };
        vec![Timed::now(leap), Timed::after(reset, Fault::WallReset(node))]
    }
}

fn target(view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<NodeId> {
    let running = view.which(NodeView::acts);
    let drawn = rng.range(0, running.len().max(1) as u64) as usize;
    let leader = running.iter().find(|id| view.leaders.contains(id));
    leader.or(running.get(drawn)).copied()
}
