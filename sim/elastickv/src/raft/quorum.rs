//! Majorities: what most voters hold, and how an election stands. Mirrors `quorum/majority.go` and
//! `quorum/joint.go`.
//!
//! No allocation: counting is quadratic in the voters, who are few.

/// How many of `voters` make a majority.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The largest value that a majority has reached, one value per voter; `None` without voters.
pub fn reached_by_majority<T: Ord + Copy>(values: impl Iterator<Item = T> + Clone) -> Option<T> {
    let needed = majority(values.clone().count());
    let reached = |floor: &T| values.clone().filter(|value| value >= floor).count() >= needed;
    values.clone().filter(reached).max()
}

/// How an election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// The missing votes decide.
    Pending,
    /// A majority can no longer be reached.
    Lost,
    /// A majority said yes.
    Won,
}

/// Counts one answer per voter; `None` has not answered. Without voters it is won, as upstream has it.
pub fn tally(votes: impl Iterator<Item = Option<bool>>) -> Tally {
    let (mut voters, mut yes, mut no) = (0, 0, 0);
    for vote in votes {
        voters += 1;
        match vote {
            Some(true) => yes += 1,
            Some(false) => no += 1,
            None => {}
        }
    }
    let needed = majority(voters);
    if voters == 0 || yes >= needed {
        Tally::Won
    } else if voters - no < needed {
        Tally::Lost
    } else {
        Tally::Pending
    }
}

/// What both majorities of a joint configuration have reached: the lower value. One without voters sets no limit.
pub fn reached_by_both<T: Ord>(incoming: Option<T>, outgoing: Option<T>) -> Option<T> {
    match (incoming, outgoing) {
        (Some(incoming), Some(outgoing)) => Some(incoming.min(outgoing)),
        (one, other) => one.or(other),
    }
}

/// How an election stands that both majorities of a joint configuration decide.
pub fn tally_both(incoming: Tally, outgoing: Tally) -> Tally {
    match (incoming, outgoing) {
        (Tally::Lost, _) | (_, Tally::Lost) => Tally::Lost,
        (Tally::Won, Tally::Won) => Tally::Won,
        _ => Tally::Pending,
    }
}
