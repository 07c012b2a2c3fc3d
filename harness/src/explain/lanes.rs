//! Lanes of a timeline: one for each process that is there at a time. A process that was retired leaves its lane to a later
//! one, since a run that has many crashes has many more processes than threads.
//!
//! Promises that the processes of one lane do not overlap, that each has one lane, and as few lanes as can be.

use super::operations::Operation;
use crate::history::Process;
use std::collections::BTreeMap;
use std::time::Duration;

/// The lane of each process, in the order in which these first come up among the operations, and how many lanes there are.
pub fn lanes(operations: &[Operation]) -> (Vec<usize>, usize) {
    let mut order: Vec<Process> = Vec::new();
    let mut spans: BTreeMap<Process, (Duration, Duration)> = BTreeMap::new();
    for operation in operations {
        let span = spans.entry(operation.process).or_insert_with(|| {
            order.push(operation.process);
            operation.span
        });
        *span = (span.0.min(operation.span.0), span.1.max(operation.span.1));
    }
    let mut begun: Vec<Process> = order.clone();
    begun.sort_by_key(|process| (spans[process].0, *process));
    let mut free_at: Vec<Duration> = Vec::new();
    let mut of: BTreeMap<Process, usize> = BTreeMap::new();
    for process in begun {
        let (begin, end) = spans[&process];
        // A process that ended at this very moment made room.
        let lane = free_at.iter().position(|free| *free <= begin).unwrap_or(free_at.len());
        if lane == free_at.len() {
            free_at.push(end);
        }
        free_at[lane] = end;
        of.insert(process, lane);
    }
    (order.iter().map(|process| of[process]).collect(), free_at.len())
}
