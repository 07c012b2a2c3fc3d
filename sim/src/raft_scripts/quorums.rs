//! The commands of `quorum/testdata`: what majorities, single and joint, have committed, and how they vote.

use super::script::Command;
use elastickv::raft::quorum::{Tally, reached_by_both, reached_by_majority, tally, tally_both};
use std::collections::BTreeMap;

/// What `committed` and `vote` print; `None` for another command.
pub(super) fn print(command: &Command) -> Option<Result<String, String>> {
    match command.name.as_str() {
        "committed" => Some(committed(command)),
        "vote" => Some(vote(command)),
        _ => None,
    }
}

/// Whether the line belongs to the drawing that etcd prints above an index.
pub(super) fn is_drawing(line: &str) -> bool {
    line == "idx" || line.contains("(id=")
}

/// The line without the drawing of a quorum of nobody, which has no line of its own.
pub(super) fn without_drawing(line: &str) -> &str {
    line.strip_prefix("<empty majority quorum>").unwrap_or(line)
}

/// Two configurations; the second is empty where there is only one.
struct Voters {
    incoming: Vec<u64>,
    outgoing: Vec<u64>,
}

impl Voters {
    fn of(command: &Command) -> Result<Voters, String> {
        let mut voters = Voters { incoming: Vec::new(), outgoing: Vec::new() };
        for (key, values) in command.options() {
            let ids = match key {
                "cfg" => &mut voters.incoming,
                "cfgj" => &mut voters.outgoing,
                _ => continue,
            };
            for value in values.iter().filter(|value| *value != "zero") {
                ids.push(value.parse().map_err(|_| format!("`{value}` is no id of a voter"))?);
            }
        }
        Ok(voters)
    }

    /// One value a voter, in the order in which they are named first; `_` is none.
    fn values<'a>(
        &self,
        command: &'a Command,
        key: &str,
    ) -> Result<BTreeMap<u64, &'a str>, String> {
        let given = command.options().find(|(name, _)| *name == key).map(|(_, values)| values);
        let mut given = given.unwrap_or_default().iter();
        let mut values = BTreeMap::new();
        for id in self.incoming.iter().chain(&self.outgoing) {
            if let std::collections::btree_map::Entry::Vacant(vacant) = values.entry(*id) {
                let missing = || format!("{} wants one value of {key} a voter", command.name);
                vacant.insert(given.next().ok_or_else(missing)?.as_str());
            }
        }
        match given.next() {
            None => Ok(values),
            Some(more) => Err(format!("{} has {key} `{more}` of no voter", command.name)),
        }
    }
}

fn committed(command: &Command) -> Result<String, String> {
    let voters = Voters::of(command)?;
    let mut indexes = BTreeMap::new();
    for (id, value) in voters.values(command, "idx")? {
        let index = match value {
            "_" => 0,
            value => value.parse::<u64>().map_err(|_| format!("`{value}` is no index"))?,
        };
        indexes.insert(id, index);
    }
    let of = |ids: &[u64]| reached_by_majority(ids.iter().map(|id| indexes[id]));
    let both = reached_by_both(of(&voters.incoming), of(&voters.outgoing));
    Ok(both.map_or("∞".to_owned(), |index| index.to_string()))
}

fn vote(command: &Command) -> Result<String, String> {
    let voters = Voters::of(command)?;
    let mut votes = BTreeMap::new();
    for (id, value) in voters.values(command, "votes")? {
        let vote = match value {
            "y" => Some(true),
            "n" => Some(false),
            "_" => None,
            _ => return Err(format!("`{value}` is no vote: it is y, n or _")),
        };
        votes.insert(id, vote);
    }
    let of = |ids: &[u64]| tally(ids.iter().map(|id| votes[id]));
    let outcome = match tally_both(of(&voters.incoming), of(&voters.outgoing)) {
        Tally::Pending => "VotePending",
        Tally::Lost => "VoteLost",
        Tally::Won => "VoteWon",
    };
    Ok(outcome.to_owned())
}
