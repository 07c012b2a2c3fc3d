//! The detection table: for each planted bug the parameters under which it shows, and who must find it.
//!
//! The clean profile passes the same seeds under the same parameters: `sim/tests/planted_bugs.rs` says so for each row.

use elastickv::bug::Bug;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The bug.
    pub bug: Bug,
    /// The checker (`list-append`) or the invariant that must find it, or [`STORY`]. Others may, too.
    pub found_by: &'static str,
    /// The test in which it shows.
    pub test: &'static str,
    /// Options that the row wants, as words of the command line and their values.
    pub options: &'static [(&'static str, &'static str)],
}

/// Leadership moves twice a second, and everybody asks for the same three lists.
const HANDOVERS: &[(&str, &str)] = &[
    ("faults", "transfer"),
    ("interval", "0.3-1"),
    ("clients", "30"),
    ("rate", "500"),
    ("keys", "3"),
    ("txn-max", "2"),
];

/// Many restarts, many single writes.
const YOUNG_LEADERS: &[(&str, &str)] = &[
    ("faults", "partition,kill"),
    ("interval", "1-3"),
    ("clients", "20"),
    ("rate", "300"),
    ("txn-max", "1"),
    ("read-percent", "20"),
];

/// What the client-side checker calls itself.
pub const CLIENT: &str = "list-append";

/// What the checker of single objects calls itself.
pub const LINEARIZABLE: &str = "linearizable";

/// The test of most rows.
pub const APPEND: &str = "redis-append";

/// Of a bug that no workload's operations reach: a story shows it, told with the bug and without.
pub const STORY: &str = "a story";

/// The row of a bug.
pub fn row(bug: Bug) -> Row {
    let plain = |found_by, options| Row { bug, found_by, test: APPEND, options };
    match bug {
        Bug::StartTsFromHlcNext
        | Bug::ReadKeysNotInLog
        | Bug::ExecOnFollower
        | Bug::LrangeLocalOnFollower => plain(CLIENT, &[]),
        Bug::ProposalIdProcessCounter => Row {
            bug,
            found_by: "invariant:acknowledgements",
            test: APPEND,
            // Two nodes' counters meet only while both are young, and only what is proposed before a new leader
            // has applied its predecessor's tail can meet them.
            options: YOUNG_LEADERS,
        },
        Bug::AckBeforeFsync | Bug::VoteNotPersisted => {
            plain("invariant:durable-before-promised", &[])
        }
        Bug::HlcUnfencedNext => plain("invariant:commit-timestamps", &[("faults", "jump,kill")]),
        Bug::LastCommitTsNosync => {
            plain("invariant:restart-timestamps", &[("faults", "power,partition")])
        }
        Bug::SkipGateDropsHlcLease => plain("invariant:equal-state", &[("faults", "jump,kill")]),
        Bug::CompactDropsVisible => plain(CLIENT, &[]),
        Bug::NoReadonlyShardValidation => plain(CLIENT, &[("groups", "2"), ("faults", "none")]),
        Bug::MissingPrimaryLockMeansRollback => plain(CLIENT, &[("groups", "2")]),
        Bug::SelfBootstrapOnEmptyPeers => {
            plain("invariant:equal-state", &[("faults", "membership")])
        }
        // Another must lead before the old leader hears of it: it hands over while it is deaf.
        Bug::LeaseNoInvalidateOnLoss => Row {
            bug,
            found_by: "invariant:lease-exclusivity",
            test: APPEND,
            options: &[
                ("faults", "transfer,partition"),
                ("interval", "0.3-1"),
                ("clients", "20"),
                ("rate", "300"),
                ("read-percent", "80"),
            ],
        },
        Bug::DisableOnephaseDedup => Row {
            bug,
            found_by: CLIENT,
            test: APPEND,
            options: &[
                ("faults", "partition,kill"),
                ("interval", "0.5-2"),
                ("clients", "20"),
                ("rate", "200"),
                ("txn-max", "1"),
                ("read-percent", "30"),
            ],
        },
        Bug::VoteTwiceInATerm => plain(
            "invariant:one-leader-per-term",
            &[("faults", "partition"), ("interval", "0.5-1"), ("nodes", "9")],
        ),
        Bug::VoteWithoutLogCheck => Row {
            bug,
            found_by: "invariant:leader-completeness",
            test: APPEND,
            options: &[("faults", "partition,kill"), ("interval", "1-3")],
        },
        Bug::CommitTsAllocatedBeforePropose => plain("invariant:snapshot-reads-stable", &[]),
        Bug::HlcNoApplyBarrierOnElection => plain("invariant:commit-timestamps", YOUNG_LEADERS),
        Bug::ReplyNotleaderWhenUnknown => Row {
            bug,
            found_by: CLIENT,
            test: APPEND,
            // Upstream's client believes what it is told.
            options: &[
                ("classify", "jepsen"),
                ("faults", "partition,kill,pause"),
                ("interval", "1-3"),
                ("clients", "20"),
                ("rate", "100"),
            ],
        },
        Bug::ProxyClientRetries => Row {
            bug,
            found_by: CLIENT,
            test: APPEND,
            // EXEC is not sent again.
            options: &[
                ("faults", "pause,latency"),
                ("interval", "1-3"),
                ("clients", "20"),
                ("rate", "100"),
                ("txn-max", "1"),
            ],
        },
        // Leadership that is handed over arrives before the news of what was last committed.
        Bug::ReadTsBeforeFence => plain(CLIENT, HANDOVERS),
        Bug::LeaseIgnoresTermCommit => plain("invariant:lease-exclusivity", HANDOVERS),
        Bug::RetryUnknownWithFreshTs => Row {
            bug,
            found_by: CLIENT,
            test: APPEND,
            options: &[
                ("faults", "partition,kill,pause"),
                ("interval", "1-3"),
                ("clients", "20"),
                ("rate", "100"),
            ],
        },
        Bug::CommitTsBeforePrewrite => {
            plain("invariant:snapshot-reads-stable", &[("groups", "2"), ("faults", "none")])
        }
        Bug::ApplyUsesWallClock => {
            plain("invariant:equal-state", &[("groups", "2"), ("faults", "none")])
        }
        Bug::FenceReturnsIndex => plain(CLIENT, HANDOVERS),
        // Only a message that is late or doubled brings a state that its receiver has outgrown.
        Bug::AcceptStaleSnapshot => Row {
            bug,
            found_by: "invariant:equal-state",
            test: APPEND,
            options: &[("faults", "flaky,latency,kill"), ("snapshot-entries", "64")],
        },
        Bug::NoCommitGtStartCheck => plain("invariant:commit-timestamps", YOUNG_LEADERS),
        // Lists are fenced.
        Bug::CollectionTsBeforeFence => Row { test: "redis-set", ..plain(LINEARIZABLE, HANDOVERS) },
        Bug::TtlWallClockLocal => Row {
            test: "redis-ttl",
            ..plain(LINEARIZABLE, &[("faults", "jump"), ("interval", "1-3")])
        },
        // What was answered too late to be heard is done twice.
        Bug::RetryWireWriteConflict => Row {
            test: "redis-counter",
            ..plain(
                LINEARIZABLE,
                &[("faults", "partition,pause,latency"), ("interval", "1-3"), ("clients", "20")],
            )
        },
        // Two must find the same key empty at once.
        Bug::NoWideCollectionFence => Row {
            test: "redis-mixed",
            ..plain(
                LINEARIZABLE,
                &[("faults", "none"), ("keys", "3"), ("rate", "300"), ("clients", "20")],
            )
        },
        Bug::NoKeyTerminator | Bug::VoteBeforeLeaseRunsOut | Bug::AbortShortcircuitOnMarker => {
            plain(STORY, &[])
        }
    }
}
