//! Registers in which every value is written once: near-linear (Gibbons and Korach, "Testing shared memories", 1997).
//!
//! All that wrote or read one value is a cluster. From the first end of one of its operations to the last beginning of
//! one, the register must have held the value: its zone. A zone whose end comes before its beginning only says that
//! the value was there at some moment between the two. A history is linearizable if and only if every value that was read
//! was written, no read ended before its write began, no two zones of the first kind overlap, and none of the second lies
//! within one of the first.
//!
//! Writes of unknown outcome that nobody read are left out: they never happened. One that was read happened before the
//! first of its readers returned, which is what its cluster says anyway.
//!
//! Only for histories of `read` and `write`, each value written once; nil is the value that was there at first.

use super::model::Asked;
use super::search::Operation;
use crate::op::{Answer, Function, Value};

/// A contradiction. Operations are named by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// Nobody wrote what it read.
    NeverWritten { read: usize },
    /// It returned before the write was asked for.
    FromTheFuture { read: usize, write: usize },
    /// Both values were there at the same time, each throughout its stay.
    TwoAtOnce(Stay, Stay),
    /// The first was there throughout, and the second at some moment of that.
    Within(Stay, Stay),
}

/// A value and the two operations that say when it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    /// `None` for nil.
    pub value: Option<Value>,
    /// The first to end; `None` for what was there before everything.
    pub first_end: Option<usize>,
    /// The last to begin.
    pub last_start: usize,
}

/// What the zones say, if the history is one that they can judge.
pub(super) fn judge(operations: &[Operation<Asked>]) -> Option<Result<(), Contradiction>> {
    let clusters = Clusters::new(operations)?;
    Some(clusters.filled(operations).and_then(|clusters| consistent(&clusters)))
}

/// Moments: -1 is before the first event, `END` after the last.
type Moment = i64;
const END: Moment = i64::MAX;

#[derive(Clone, Copy)]
struct Cluster {
    value: Option<Value>,
    write: Option<usize>,
    was_read: bool,
    first_end: (Moment, Option<usize>),
    last_start: (Moment, usize),
}

impl Cluster {
    fn add(&mut self, number: usize, operation: &Operation<Asked>) {
        self.first_end = self.first_end.min((end(operation), Some(number)));
        self.last_start = self.last_start.max((operation.invoked as Moment, number));
    }

    fn stay(&self) -> Stay {
        Stay { value: self.value, first_end: self.first_end.1, last_start: self.last_start.1 }
    }

    /// Whether the value must have been there all the time.
    fn is_forward(&self) -> bool {
        self.first_end.0 < self.last_start.0
    }
}

fn end(operation: &Operation<Asked>) -> Moment {
    operation.returned.map_or(END, |returned| returned as Moment)
}

/// One for nil, then one for each value, ascending.
struct Clusters(Vec<Cluster>);

impl Clusters {
    /// With the writes; `None` if a value was written twice, or if something else was asked.
    fn new(operations: &[Operation<Asked>]) -> Option<Clusters> {
        let nil = Cluster {
            value: None,
            write: None,
            was_read: false,
            first_end: (-1, None),
            last_start: (-1, 0),
        };
        let mut clusters = vec![nil];
        for (number, operation) in operations.iter().enumerate() {
            match operation.what.function {
                Function::Read => {}
                Function::Write(value) => {
                    let mut cluster = Cluster {
                        value: Some(*value),
                        write: Some(number),
                        first_end: (END, Some(number)),
                        ..nil
                    };
                    cluster.add(number, operation);
                    clusters.push(cluster);
                }
                _ => return None,
            }
        }
        clusters.sort_by_key(|cluster| cluster.value);
        let once = clusters.windows(2).all(|pair| pair[0].value != pair[1].value);
        once.then_some(Clusters(clusters))
    }

    /// With the reads.
    fn filled(mut self, operations: &[Operation<Asked>]) -> Result<Vec<Cluster>, Contradiction> {
        for (number, operation) in operations.iter().enumerate() {
            let value = match operation.what.answer {
                Some(Answer::Value(value)) => Some(*value),
                Some(Answer::Nil) => None,
                _ => continue,
            };
            let Ok(place) = self.0.binary_search_by_key(&value, |cluster| cluster.value) else {
                return Err(Contradiction::NeverWritten { read: number });
            };
            let cluster = &mut self.0[place];
            if let Some(write) =
                cluster.write.filter(|w| end(operation) < operations[*w].invoked as Moment)
            {
                return Err(Contradiction::FromTheFuture { read: number, write });
            }
            cluster.was_read = true;
            cluster.add(number, operation);
        }
        let happened = |cluster: &Cluster| {
            cluster.was_read || cluster.first_end.0 < END && cluster.write.is_some()
        };
        self.0.retain(happened);
        Ok(self.0)
    }
}

fn consistent(clusters: &[Cluster]) -> Result<(), Contradiction> {
    let mut forward: Vec<&Cluster> = clusters.iter().filter(|c| c.is_forward()).collect();
    forward.sort_by_key(|cluster| cluster.first_end.0);
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].first_end.0 < pair[0].last_start.0) {
        return Err(Contradiction::TwoAtOnce(pair[0].stay(), pair[1].stay()));
    }
    for cluster in clusters.iter().filter(|cluster| !cluster.is_forward()) {
        let before = forward.partition_point(|other| other.first_end.0 < cluster.last_start.0);
        let Some(other) = before.checked_sub(1).map(|place| forward[place]) else { continue };
        if cluster.first_end.0 < other.last_start.0 {
            return Err(Contradiction::Within(other.stay(), cluster.stay()));
        }
    }
    Ok(())
}
