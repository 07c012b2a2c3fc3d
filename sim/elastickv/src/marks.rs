//! Sometimes: what the layers reach in some run of many, each mark once, in order. A sweep says which of them it never reached.
//!
//! A mark is set by the macro `sometimes` where it happens and named here; `sim/tests/marks.rs` reads the sources and fails if
//! either list has one that the other has not. Cannot see: how often is often enough; what a sweep must reach is its own affair.

/// Counts that the run came here. The mark is one of [`ALL`].
macro_rules! sometimes {
    ($env:expr, $mark:literal) => {
        $env.reached($mark)
    };
}

/// Every mark that a sound node can reach.
pub const ALL: &[&str] = &[
    "answer of an earlier life ignored",
    "ceiling below the one before it",
    "ceiling renewed on demand",
    "command refused for the wall clock",
    "conf change applied by a follower",
    "dedup hit",
    "expired transaction rolled back",
    "forward",
    "forwarding given up",
    "leader elected",
    "leader follows again",
    "leader gathered",
    "leadership transfer begun",
    "learner added",
    "lease not granted to a slower clock",
    "lease read",
    "member removed",
    "message to an earlier life ignored",
    "old versions compacted",
    "range split",
    "read index",
    "redis proxy",
    "route catalog taken",
    "secondary commit left to who needs it",
    "secondary lock resolved",
    "snapshot installed",
    "snapshot taken",
    "timestamp refused for the ceiling",
    "transaction across groups",
    "transaction across groups committed",
    "transaction across groups rolled back",
    "txn locked",
    "vote withheld",
    "vote withheld by a node that waits to be added",
    "voter added",
    "wall clock above the ceiling",
    "write conflict",
];

/// The rare branches (`Env::buggify`), each of which a sound node bears: counted when one is taken.
pub const RARE: &[&str] = &[
    "rare: answers wait",
    "rare: ceiling not renewed in time",
    "rare: entries synced twice",
    "rare: idle stream not kept",
    "rare: lease not trusted",
    "rare: lock left to the next turn",
    "rare: message sent twice",
    "rare: messages taken one by one",
    "rare: proposal not forwarded",
    "rare: secondary commit not asked for",
    "rare: snapshot before it is due",
    "rare: snapshot not written",
];

/// What only a planted bug reaches.
pub const OF_BUGS: &[&str] = &["older snapshot restored"];
