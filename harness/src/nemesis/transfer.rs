//! Leadership is handed over: to a node that runs and does not lead. What a cluster does by itself to spread load, and what
//! an operator does before a restart.

use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// One handover at a time.
#[derive(Clone, Debug, Default)]
pub struct Transfers;

impl Family for Transfers {
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut to = view.which(|node| node.acts() && !view.leaders.contains(&node.id));
        rng.shuffle(&mut to);
        let fault = to.into_iter().map(Fault::Transfer).find(|fault| view.can_act(fault));
        fault.map(Timed::now).into_iter().collect()
    }
}
