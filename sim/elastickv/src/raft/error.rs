//! Why a start, a proposal or a message is refused. What upstream answers with a panic is among them.

use super::message::NO_NODE;
use std::fmt;

/// Why a disk's content is no state to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The entries are not consecutive.
    Gap {
        /// Index found.
        got: u64,
        /// Index that had to come.
        want: u64,
    },
    /// The commit or applied index is past the log's end: the log was truncated or lost.
    PastEnd {
        /// The commit or applied index.
        index: u64,
        /// The log's last index.
        last: u64,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Gap { got, want } => {
                write!(f, "log has entry {got} where entry {want} had to be")
            }
            StateError::PastEnd { index, last } => {
                write!(f, "index {index} was committed or applied but the log ends at {last}")
            }
        }
    }
}

impl std::error::Error for StateError {}

/// Why a proposal or a read was refused: nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeError {
    /// This node does not lead; `leader` does, if not [`NO_NODE`].
    NotLeader {
        /// The leader as far as this node knows.
        leader: u64,
    },
    /// Leadership is being handed over.
    Transferring {
        /// To whom.
        to: u64,
    },
    /// This leader was removed from the configuration.
    Removed,
    /// A conf change may be in the log unapplied.
    ConfChangePending {
        /// Its index at most.
        index: u64,
        /// The applied index.
        applied: u64,
    },
    /// The conf change does not fit the configuration.
    ConfChange(ConfChangeError),
    /// The data is too large.
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProposeError::NotLeader { leader: NO_NODE } => {
                f.write_str("not the leader, and no leader is known")
            }
            ProposeError::NotLeader { leader } => write!(f, "not the leader, {leader} is"),
            ProposeError::Transferring { to } => write!(f, "leadership is being handed to {to}"),
            ProposeError::Removed => f.write_str("this leader was removed from the configuration"),
            ProposeError::ConfChangePending { index, applied } => write!(
                f,
                "a conf change may be pending up to index {index}, applied is {applied}: try again after it"
            ),
            ProposeError::ConfChange(error) => error.fmt(f),
            ProposeError::TooLarge { len, max } => {
                write!(f, "the entry has {len} bytes, at most {max} are allowed")
            }
        }
    }
}

impl std::error::Error for ProposeError {}

/// Why a conf change does not fit the configuration: applied, it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfChangeError {
    /// It would leave no voter.
    LastVoter,
    /// It changes a joint configuration, which has to be left first.
    Joint,
    /// It leaves a joint configuration, and this is none.
    NotJoint,
}

impl fmt::Display for ConfChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfChangeError::LastVoter => "the conf change would remove the last voter",
            ConfChangeError::Joint => {
                "the configuration is joint: leave it before the next conf change"
            }
            ConfChangeError::NotJoint => {
                "the conf change leaves a joint configuration, but the configuration is not joint"
            }
        })
    }
}

impl std::error::Error for ConfChangeError {}

/// Why a message was not taken. After a [fatal](StepError::is_fatal) one the node must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepError {
    /// An answer from a node that is no member.
    UnknownPeer {
        /// Who it says it is.
        from: u64,
    },
    /// It is for another node, or claims to be from this one.
    Misrouted {
        /// Its sender.
        from: u64,
        /// Its receiver.
        to: u64,
    },
    /// It carries no term.
    NoTerm,
    /// Its entries are not consecutive, or its snapshot is missing.
    Malformed,
    /// An ack of entries that this leader never had.
    AckPastEnd {
        /// The acked index.
        index: u64,
        /// The leader's last index.
        last: u64,
    },
    /// The leader knows that this node holds entries which it does not: its log was truncated or lost.
    LostEntries {
        /// The leader's commit index, cut to what this node had acknowledged.
        commit: u64,
        /// This node's last index.
        last: u64,
    },
}

impl StepError {
    /// Whether this node must not go on: it has lost what it had promised to keep.
    pub fn is_fatal(self) -> bool {
        matches!(self, StepError::LostEntries { .. })
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepError::UnknownPeer { from } => {
                write!(f, "answer from {from}, which is no member of the configuration")
            }
            StepError::Misrouted { from, to } => {
                write!(f, "message from {from} to {to} does not belong to this node")
            }
            StepError::NoTerm => f.write_str("message has term 0, expected at least 1"),
            StepError::Malformed => {
                f.write_str("message has entries with gaps or no snapshot, expected them whole")
            }
            StepError::AckPastEnd { index, last } => {
                write!(f, "ack of index {index} is past the leader's last index {last}")
            }
            StepError::LostEntries { commit, last } => write!(
                f,
                "the leader saw index {commit} acknowledged but the log ends at {last}: it was truncated or lost"
            ),
        }
    }
}

impl std::error::Error for StepError {}
