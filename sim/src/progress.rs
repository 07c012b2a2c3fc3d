//! How far each node has come, as it says itself, and how far it should: what was acknowledged to anybody.

use elastickv::env::{Fact, GroupId};
use std::collections::BTreeMap;

/// Highest indices, by node and of all.
#[derive(Default)]
pub(crate) struct Progress {
    applied: BTreeMap<(GroupId, u16), u64>,
    acknowledged: BTreeMap<GroupId, u64>,
}

impl Progress {
    /// Takes note of what a boot of a node says.
    pub(crate) fn observe(&mut self, node: u16, boot: u64, group: GroupId, fact: &Fact) {
        match *fact {
            // Boot 0 is a rebuilding after the run.
            _ if boot == 0 => {}
            Fact::Applied { index, .. }
            | Fact::Installed { index, .. }
            | Fact::Recovered { applied: index, .. } => {
                self.applied.insert((group, node), index);
            }
            Fact::Acked { index, .. } => {
                let acknowledged = self.acknowledged.entry(group).or_default();
                *acknowledged = index.max(*acknowledged);
            }
            _ => {}
        }
    }

    /// The first node that has not applied all that was acknowledged in a group: the node, its index, the index acknowledged.
    pub(crate) fn behind(&self) -> Option<(u16, u64, u64)> {
        let mut nodes = self.applied.iter();
        nodes.find_map(|((group, node), applied)| {
            let acknowledged = *self.acknowledged.get(group)?;
            (*applied < acknowledged).then_some((*node, *applied, acknowledged))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elastickv::env::RequestId;

    #[test]
    fn a_node_is_behind_until_it_has_applied_what_was_acknowledged_anywhere() {
        let mut progress = Progress::default();
        assert_eq!(progress.behind(), None);
        progress.observe(1, 1, GroupId(1), &Fact::Applied { index: 9, term: 1, state_hash: 0 });
        progress.observe(2, 1, GroupId(1), &Fact::Applied { index: 3, term: 1, state_hash: 0 });
        progress.observe(
            1,
            1,
            GroupId(1),
            &Fact::Acked { request: RequestId::default(), index: 8, commit_ts: 1 },
        );
        assert_eq!(progress.behind(), Some((2, 3, 8)));
        progress.observe(2, 0, GroupId(1), &Fact::Applied { index: 8, term: 1, state_hash: 0 });
        assert_eq!(progress.behind(), Some((2, 3, 8)), "a rebuilding is not the node");
        progress.observe(2, 1, GroupId(1), &Fact::Installed { index: 8, state_hash: 0 });
        assert_eq!(progress.behind(), None);
        progress.observe(2, 1, GroupId(2), &Fact::Applied { index: 3, term: 1, state_hash: 0 });
        assert_eq!(progress.behind(), None, "another group counts for itself");
    }
}
