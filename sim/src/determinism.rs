//! Where two runs that should be one part ways.
//!
//! Equal trace hashes say that two runs are the same; when they differ, the hashes say nothing more. Then both are run
//! again with their events recorded, and the first event that differs is shown with what led to it.
//!
//! Cannot see: a difference that leaves no event (memory, CPU time). A run that differs only now and then may agree
//! when it is recorded.

use crate::execute::{Case, Outcome};
use crate::trace::Window;
use harness::run::RunError;
use std::fmt;

/// All events of a run, up to ten million.
pub const EVERYTHING: Window = Window { from: 0, limit: 10_000_000 };

/// Events shown before the first that differs.
const CONTEXT: usize = 5;

/// The first event in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Its number, from 0.
    pub number: usize,
    /// The last events that both have.
    pub before: Vec<String>,
    /// What the first run did then; `None` where it had ended.
    pub first: Option<String>,
    /// What the second did.
    pub second: Option<String>,
}

/// Compares the recorded events of two runs.
pub fn compare(first: &[String], second: &[String]) -> Option<Divergence> {
    let shared = first.iter().zip(second).take_while(|(a, b)| a == b).count();
    if shared == first.len() && shared == second.len() {
        return None;
    }
    Some(Divergence {
        number: shared,
        before: first[shared.saturating_sub(CONTEXT)..shared].to_vec(),
        first: first.get(shared).cloned(),
        second: second.get(shared).cloned(),
    })
}

/// Runs a case twice in this process. The outcome is the first run's.
pub fn first_divergence(case: &Case) -> Result<(Outcome, Option<Divergence>), RunError> {
    let (outcome, first) = case.clone().execute_recorded(EVERYTHING)?;
    let (_, second) = case.clone().execute_recorded(EVERYTHING)?;
    Ok((outcome, compare(&first, &second)))
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = "the run had ended";
        writeln!(f, "the runs differ at event {}:", self.number)?;
        for line in &self.before {
            writeln!(f, "    both  {line}")?;
        }
        writeln!(f, "   first  {}", self.first.as_deref().unwrap_or(ended))?;
        write!(f, "  second  {}", self.second.as_deref().unwrap_or(ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_first_difference_is_shown_with_what_led_to_it() {
        assert_eq!(compare(&lines("a b c"), &lines("a b c")), None);
        let divergence = compare(&lines("1 2 3 4 5 6 7 x"), &lines("1 2 3 4 5 6 7 y")).unwrap();
        assert_eq!((divergence.number, &divergence.before), (7, &lines("3 4 5 6 7")));
        assert_eq!(
            (divergence.first.as_deref(), divergence.second.as_deref()),
            (Some("x"), Some("y"))
        );
        let longer = compare(&lines("a"), &lines("a b")).unwrap();
        assert!(longer.to_string().contains("first  the run had ended"), "{longer}");
    }
}
