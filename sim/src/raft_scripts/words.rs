//! What the words of a command mean.

use super::script::Command;
use elastickv::raft::{ConfChangeKind, ReadOnlyOption};
use std::fmt::Display;
use std::str::FromStr;

pub(super) fn first_word(command: &Command) -> Result<&str, String> {
    command.words().next().ok_or_else(|| format!("{} wants an argument", command.name))
}

pub(super) fn number<T: FromStr<Err: Display>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number that fits here"))
}

pub(super) fn numbers<T: FromStr<Err: Display>>(words: &[String]) -> Result<Vec<T>, String> {
    words.iter().map(|word| number(word)).collect()
}

pub(super) fn flag(word: &str) -> Result<bool, String> {
    word.parse().map_err(|_| format!("`{word}` is not true or false"))
}

pub(super) fn read_only(word: &str) -> Result<ReadOnlyOption, String> {
    match word {
        "safe" => Ok(ReadOnlyOption::Safe),
        "lease-based" => Ok(ReadOnlyOption::LeaseBased),
        _ => Err(format!("`{word}` is no read-only option: it is safe or lease-based")),
    }
}

pub(super) fn steps(text: &str) -> Result<Vec<(ConfChangeKind, u64)>, String> {
    let step = |word: &str| {
        let unknown = || format!("`{word}` is no step: it is v, l or r and the id of a node");
        let mut chars = word.chars();
        let kind = match chars.next() {
            Some('v') => ConfChangeKind::AddVoter,
            Some('l') => ConfChangeKind::AddLearner,
            Some('r') => ConfChangeKind::Remove,
            _ => return Err(unknown()),
        };
        Ok((kind, chars.as_str().parse().map_err(|_| unknown())?))
    };
    text.split_whitespace().map(step).collect()
}
