//! Words that must not stand in a node's log (Jepsen's `log-file-pattern`): `panicked`, `data corruption`. A line that has one is
//! an anomaly, told with its log and its number.
//!
//! A pattern is a piece of text, and case counts: there are no wildcards. Logs are read once, a line at a time, and lines
//! of any length in bounded memory. Logs without a single line make the verdict `unknown`. Cannot see: what a node wrote to nobody.

use super::findings::Findings;
use crate::history::History;
use std::io::{self, BufRead, Read};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "log-patterns";

/// So much of a line is looked at, at once.
const PIECE_MAX: u64 = 1 << 20;
/// So much of a line is told.
const TOLD: usize = 200;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPatterns {
    /// Each alone is enough.
    pub patterns: Vec<String>,
}

/// What was seen of some logs.
pub struct Looked {
    findings: Findings,
    logs: usize,
    lines: usize,
}

impl LogPatterns {
    /// Begins to look.
    pub fn begin(&self) -> Looked {
        Looked { findings: Findings::new(NAME), logs: 0, lines: 0 }
    }

    /// Looks at one log. The error is the reader's.
    pub fn look(&self, looked: &mut Looked, name: &str, mut log: impl BufRead) -> io::Result<()> {
        let longest = self.patterns.iter().map(String::len).max().unwrap_or(0);
        looked.logs += 1;
        let (mut number, mut piece) = (1, Vec::new());
        // Whether the line goes on, and whether it was told.
        let (mut goes_on, mut told) = (false, false);
        loop {
            let read = log.by_ref().take(PIECE_MAX).read_until(b'\n', &mut piece)?;
            if read == 0 {
                looked.lines += usize::from(goes_on);
                return Ok(());
            }
            if let Some(pattern) = self.found_in(&piece).filter(|_| !told) {
                told = true;
                let line = String::from_utf8_lossy(&piece);
                let line: String = line.trim_end().chars().take(TOLD).collect();
                let sentence = format!("{name}, line {number} has `{pattern}`: {line}");
                looked.findings.anomaly(&History::default(), "log-pattern", sentence, &[]);
            }
            if piece.last() == Some(&b'\n') {
                looked.lines += 1;
                number += 1;
                (goes_on, told) = (false, false);
                piece.clear();
            } else {
                // What a pattern may have begun with stays.
                goes_on = true;
                piece.drain(..piece.len() - longest.saturating_sub(1).min(piece.len()));
            }
        }
    }

    fn found_in(&self, piece: &[u8]) -> Option<&str> {
        let has = |pattern: &&String| {
            let pattern = pattern.as_bytes();
            !pattern.is_empty() && piece.windows(pattern.len()).any(|window| window == pattern)
        };
        self.patterns.iter().find(has).map(String::as_str)
    }
}

impl Looked {
    /// What was found in all logs.
    pub fn end(mut self) -> Findings {
        self.findings.number("logs", self.logs);
        self.findings.number("lines", self.lines);
        if self.lines == 0 {
            self.findings.reason(format!("{} logs have no line: nothing was looked at", self.logs));
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Verdict;

    fn look(patterns: &[&str], log: &[u8]) -> Findings {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let (patterns, mut looked) = (LogPatterns { patterns }, LogPatterns::default().begin());
        patterns.look(&mut looked, "n1", log).expect("memory is read");
        looked.end()
    }

    #[test]
    fn a_line_with_a_pattern_is_told_once_with_its_number() {
        let found = look(&["panicked", "corrupt"], b"fine\nit panicked: corrupt\xff\nfine");
        let Verdict::Invalid(anomalies) = found.verdict() else { panic!("{found:?}") };
        assert_eq!(anomalies.len(), 1);
        assert!(
            anomalies[0].text.starts_with("log-pattern: n1, line 2 has `panicked`: it panicked")
        );
        assert_eq!(found.get("lines"), Some(3));
        assert_eq!(look(&["Panicked"], b"it panicked\n").verdict(), Verdict::Valid);
    }

    #[test]
    fn a_pattern_across_two_pieces_of_a_long_line_is_found() {
        for before in (PIECE_MAX as usize - 9)..=(PIECE_MAX as usize + 1) {
            let mut line = vec![b'.'; before];
            line.extend(b"panicked at noon");
            line.extend(vec![b'.'; 100]);
            assert_eq!(look(&["panicked"], &line).counts()["log-pattern"], 1, "{before}");
        }
        let mut line = vec![b'.'; PIECE_MAX as usize - 1];
        line.extend(b"no");
        assert_eq!(look(&["no"], &line).counts()["log-pattern"], 1);
    }

    #[test]
    fn every_log_is_counted() {
        let (patterns, mut looked) = (LogPatterns::default(), LogPatterns::default().begin());
        for log in ["one\n", "two\nthree\n"] {
            patterns.look(&mut looked, "n1", log.as_bytes()).expect("memory is read");
        }
        let found = looked.end();
        assert_eq!((found.get("logs"), found.get("lines")), (Some(2), Some(3)));
    }

    #[test]
    fn logs_that_are_empty_say_nothing() {
        assert!(matches!(look(&["panicked"], b"").verdict(), Verdict::Unknown(_)));
    }
}
