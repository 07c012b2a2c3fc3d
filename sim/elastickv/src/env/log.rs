//! What a node's log says: facts in words, and the rest through [`Env::log`](super::Env::log). The same words in both worlds.

use super::Fact;
use std::fmt;
use std::str::FromStr;

/// How much a line of a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For who looks for a mistake in the layers.
    Debug,
    /// What an operator wants to know afterwards.
    Info,
    /// What an operator wants to know at once.
    Warn,
}

impl Level {
    /// As logs write it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(word: &str) -> Result<Level, String> {
        match word.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Ok(Level::Debug),
            "info" => Ok(Level::Info),
            "warn" | "error" => Ok(Level::Warn),
            _ => Err(format!("`{word}` is no level of a log: warn, info or debug")),
        }
    }
}

impl Fact {
    /// How much it matters to who reads the log.
    pub fn level(&self) -> Level {
        match self {
            Fact::Recovered { .. }
            | Fact::Leads { .. }
            | Fact::Follows { .. }
            | Fact::Installed { .. } => Level::Info,
            _ => Level::Debug,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Recovered { boot, applied, .. } => {
                write!(f, "boot {boot}, entries up to {applied} are in the store")
            }
            Fact::Leads { term } => write!(f, "leads in term {term}"),
            Fact::Follows { term } => write!(f, "follows in term {term}"),
            Fact::Installed { index, .. } => write!(f, "took a snapshot up to entry {index}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_told_in_words_at_its_level() {
        let leads = Fact::Leads { term: 7 };
        assert_eq!((leads.level(), leads.to_string().as_str()), (Level::Info, "leads in term 7"));
        let read = Fact::LeaseRead { term: 7, applied: 9 };
        assert_eq!(read.level(), Level::Debug);
        assert_eq!(read.to_string(), "LeaseRead { term: 7, applied: 9 }");
    }

    #[test]
    fn levels_are_ordered_and_read_as_rust_log_writes_them() {
        assert!(Level::Debug < Level::Info && Level::Info < Level::Warn);
        assert_eq!("TRACE".parse(), Ok(Level::Debug));
        assert_eq!("error".parse(), Ok(Level::Warn));
        assert!("loud".parse::<Level>().is_err_and(|why| why.contains("`loud`")));
    }
}
