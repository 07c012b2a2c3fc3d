//! After a restart the store's own last commit timestamp covers every version that it holds: otherwise the node stamps
//! below what it has, or reads at a time at which it does not see its own data.
//! Cannot see: a store that never restarts.

use super::Invariant;
use elastickv::env::Fact;

/// Judges each recovery by itself.
pub struct RestartTimestamps;

impl Invariant for RestartTimestamps {
    fn name(&self) -> &'static str {
        "restart-timestamps"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::Recovered { boot, last_commit_ts, newest_version, .. }
                if last_commit_ts < newest_version =>
            {
                Err(format!(
                    "n{node} in boot {boot} has last commit timestamp {last_commit_ts}, below its newest version {newest_version}"
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    fn found(last_commit_ts: u64, newest_version: u64) -> bool {
        let recovered =
            Fact::Recovered { boot: 2, applied: 1, state_hash: 0, last_commit_ts, newest_version };
        violation(RestartTimestamps, [(1, recovered)]).is_some()
    }

    #[test]
    fn a_store_whose_last_timestamp_is_below_its_newest_version_is_found() {
        assert!(found(4, 5));
        assert!(!found(5, 5) && !found(6, 5) && !found(0, 0));
    }
}
