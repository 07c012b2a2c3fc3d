//! What a waiter was told is what the log holds: the entry that was taken for a request carries that request and that
//! timestamp, on every node and for ever; and whatever the answer, it was the answer to the entry that carries the request.
//! Detects: `proposal_id_process_counter`. Cannot see: that a request found to be a repetition was told its first timestamp.

use super::Invariant;
use elastickv::env::{Fact, RequestId};
use std::collections::BTreeMap;

/// What was acknowledged and what was committed, by index.
#[derive(Default)]
pub struct Acknowledgements {
    acked: BTreeMap<u64, Vec<(RequestId, u64, u16)>>,
    committed: BTreeMap<u64, (RequestId, u64)>,
}

impl Invariant for Acknowledgements {
    fn name(&self) -> &'static str {
        "acknowledgements"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::Answered { request, entry, index } if entry != Some(request) => {
                let entry = entry.map_or("nobody's".to_owned(), name);
                let request = name(request);
                Err(format!(
                    "n{node} answered request {request} with the result of entry {index}, which is {entry}"
                ))
            }
            Fact::Acked { request, index, commit_ts } => {
                self.acked.entry(index).or_default().push((request, commit_ts, node));
                let committed = self.committed.get(&index);
                committed.map_or(Ok(()), |held| compare(index, (request, commit_ts, node), *held))
            }
            Fact::Committed { index, request, commit_ts, .. } => {
                let held = *self.committed.entry(index).or_insert((request, commit_ts));
                let mut acked = self.acked.get(&index).into_iter().flatten();
                acked.try_for_each(|acked| compare(index, *acked, held))
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        let lost = self.acked.iter().find(|(index, _)| !self.committed.contains_key(index));
        match lost.and_then(|(index, acked)| Some((index, acked.first()?))) {
            Some((index, (request, _, node))) => Err(format!(
                "n{node} acknowledged request {} with index {index}, where no node ever committed anything",
                name(*request)
            )),
            None => Ok(()),
        }
    }
}

fn compare(
    index: u64,
    (request, ts, node): (RequestId, u64, u16),
    held: (RequestId, u64),
) -> Result<(), String> {
    if held == (request, ts) {
        return Ok(());
    }
    Err(format!(
        "n{node} acknowledged request {} with index {index} at timestamp {ts}, but that index holds request {} at timestamp {}",
        name(request),
        name(held.0),
        held.1
    ))
}

fn name(request: RequestId) -> String {
    format!("{}.{}.{}", request.node, request.boot, request.counter)
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    #[test]
    fn an_answer_from_anothers_entry_is_found_whatever_it_says() {
        let answered = |entry| Fact::Answered { request: request(1), entry, index: 7 };
        assert_eq!(violation(Acknowledgements::default(), [(1, answered(Some(request(1))))]), None);
        for entry in [Some(request(2)), None] {
            assert!(violation(Acknowledgements::default(), [(1, answered(entry))]).is_some());
        }
    }

    fn request(counter: u64) -> RequestId {
        RequestId { node: 1, boot: 1, counter }
    }

    fn committed(index: u64, counter: u64, commit_ts: u64) -> Fact {
        let request = request(counter);
        Fact::Committed { index, term: 1, request, commit_ts, keys: vec![] }
    }

    fn acked(index: u64, counter: u64, commit_ts: u64) -> Fact {
        Fact::Acked { request: request(counter), index, commit_ts }
    }

    fn found(facts: impl IntoIterator<Item = (u16, Fact)>) -> bool {
        violation(Acknowledgements::default(), facts).is_some()
    }

    #[test]
    fn an_acknowledgement_of_another_request_or_timestamp_is_found_before_and_after_the_commit() {
        for bad in [acked(5, 2, 50), acked(5, 1, 51)] {
            assert!(found([(1, committed(5, 1, 50)), (1, bad.clone())]));
            assert!(found([(1, bad), (2, committed(5, 1, 50))]));
        }
    }

    #[test]
    fn an_acknowledgement_of_an_index_that_nobody_committed_is_found_at_the_end() {
        assert!(found([(1, acked(5, 1, 50))]));
    }

    #[test]
    fn what_is_acknowledged_as_it_was_committed_is_fine() {
        assert!(!found([(1, committed(5, 1, 50)), (1, acked(5, 1, 50)), (2, committed(5, 1, 50))]));
        assert!(!found([(1, acked(5, 1, 50)), (2, committed(5, 1, 50)), (2, committed(6, 2, 60))]));
    }
}
