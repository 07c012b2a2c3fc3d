//! The detection table: for each planted bug the parameters under which it shows, and who must find it.
//!
//! The clean profile passes the same seeds under the same parameters: `sim/tests/planted_bugs.rs` says so for each row.

use elastickv::bug::Bug;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The bug.
    pub bug: Bug,
    /// The checker (`list-append`) or the invariant that must find it. Others may, too.
    pub found_by: &'static str,
    /// Options that the row wants, as words of the command line and their values.
    pub options: &'static [(&'static str, &'static str)],
}

/// What the client-side checker calls itself.
pub const CLIENT: &str = "list-append";

/// The row of a bug.
pub fn row(bug: Bug) -> Row {
    let plain = |found_by, options| Row { bug, found_by, options };
    match bug {
        Bug::StartTsFromHlcNext
        | Bug::ReadKeysNotInLog
        | Bug::ExecOnFollower
        | Bug::LrangeLocalOnFollower => plain(CLIENT, &[]),
        Bug::ProposalIdProcessCounter => Row {
            bug,
            found_by: CLIENT,
            // Two nodes' counters meet only while both are young, and only what is proposed before a new leader
            // has applied its predecessor's tail can meet them: many restarts, many single writes.
            options: &[
                ("faults", "partition,kill"),
                ("interval", "1-3"),
                ("clients", "20"),
                ("rate", "300"),
                ("txn-max", "1"),
                ("read-percent", "20"),
            ],
        },
        Bug::AckBeforeFsync | Bug::VoteNotPersisted => {
            plain("invariant:durable-before-promised", &[])
        }
        Bug::HlcUnfencedNext => plain("invariant:commit-timestamps", &[("faults", "clock,kill")]),
        Bug::LastCommitTsNosync => {
            plain("invariant:restart-timestamps", &[("faults", "power,partition")])
        }
        Bug::SkipGateDropsHlcLease => plain("invariant:equal-state", &[("faults", "clock,kill")]),
        Bug::CompactDropsVisible => plain(CLIENT, &[]),
        Bug::NoReadonlyShardValidation => plain(CLIENT, &[("groups", "2"), ("faults", "none")]),
        Bug::MissingPrimaryLockMeansRollback => plain(CLIENT, &[("groups", "2")]),
        Bug::SelfBootstrapOnEmptyPeers => {
            plain("invariant:equal-state", &[("faults", "membership")])
        }
    }
}
