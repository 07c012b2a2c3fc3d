//! Leadership is handed over: to a node that runs and does not lead. What a cluster does by itself to spread load, and what
//! an operator does before a restart. Only where the two hear each other well: it is asked for again after two and a half seconds, and no more often.

use super::range::Range;
use super::{ClusterView, Family, ORDERED_WITHIN, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// One handover at a time.
#[derive(Clone, Debug, Default)]
pub struct Transfers;

impl Family for Transfers {
    fn told(&self) -> String {
        "to a node that does not lead".to_owned()
    }

    fn acts_within(&self) -> Duration {
        ORDERED_WITHIN
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        Vec::new()
    }

    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut to = view.which(|node| node.acts() && !view.leaders.contains(&node.id));
        rng.shuffle(&mut to);
        let fault = to.into_iter().map(Fault::Transfer).find(|fault| view.can_act(fault));
        fault.map(Timed::now).into_iter().collect()
    }
}
