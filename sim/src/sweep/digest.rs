//! One word for what a sweep found: equal for two sweeps if and only if (but for 2^-64) they ran the same tests with the
//! same seeds and had the same verdicts, trace hashes and anomalies.
//!
//! Cannot see: what differs from time to time and from place to place, which are CPU time and folders.

use crate::record::hash_text;
use crate::trace::{digest, digest_bytes};
use harness::record::Record;
use std::fmt;

/// The hash over runs in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Adds a run.
    pub fn add(&mut self, record: &Record) {
        let Record { test, seed, verdict, trace_hash, anomalies, .. } = record;
        let text = serde_json::to_vec(&(test, seed, verdict, trace_hash, anomalies));
        let text = text.expect("strings are JSON");
        self.0 = digest_bytes(digest(&[self.0, text.len() as u64]), &text);
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest(digest(&[]))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hash_text(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::Case;
    use crate::record;
    use harness::catalog;
    use harness::record::Ending;
    use harness::seed::Seed;

    fn of(records: &[&Record]) -> String {
        let mut digest = Digest::default();
        records.iter().for_each(|record| digest.add(record));
        digest.to_string()
    }

    #[test]
    fn what_was_found_changes_it_and_cpu_time_and_folders_do_not() {
        let case = Case::new(catalog::find("redis-append").unwrap(), Seed(1));
        let base = Record {
            verdict: Ending::Invalid,
            trace_hash: Some("0x1".to_owned()),
            ..record::error(&case, String::new())
        };
        let same = Record { cpu_ms: 7.0, folder: Some("store".to_owned()), ..base.clone() };
        assert_eq!(of(&[&base]), of(&[&same]));
        let others = [
            Record { test: "another".to_owned(), ..base.clone() },
            Record { seed: "0x2".to_owned(), ..base.clone() },
            Record { verdict: Ending::Valid, ..base.clone() },
            Record { trace_hash: Some("0x2".to_owned()), ..base.clone() },
            Record { trace_hash: None, ..base.clone() },
            Record { anomalies: ["G1c".to_owned()].into(), ..base.clone() },
        ];
        for other in &others {
            assert_ne!(of(&[&base]), of(&[other]), "{other:?}");
        }
        assert_ne!(of(&[&base, &others[1]]), of(&[&others[1], &base]), "in order");
        assert_ne!(of(&[&base]), of(&[]));
    }
}
