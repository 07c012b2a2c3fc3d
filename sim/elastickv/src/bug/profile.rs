//! Sets of bugs by name: what is wrong with a node before any bug is planted in it.
//!
//! `fixed` has every repair that this port made. `head` takes out those that we believe upstream's head lacks: each is a
//! suspicion, and its bug by itself is the way to look at it.

use super::{Bug, Bugs};
use std::fmt;
use std::str::FromStr;

/// What a run's folder and a plan call the profile, where it is not `fixed`.
pub const PROFILE: &str = "profile";

/// One set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// None: the clean profile.
    #[default]
    Fixed,
    /// All that are suspected at upstream's head.
    Head,
}

impl Profile {
    /// Both.
    pub const ALL: [Profile; 2] = [Profile::Fixed, Profile::Head];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Fixed => "fixed",
            Profile::Head => "head",
        }
    }

    /// Its bugs.
    pub fn bugs(self) -> Bugs {
        let in_it = |bug: &Bug| self == Profile::Head && bug.is_suspected();
        Bug::ALL.into_iter().filter(in_it).fold(Bugs::NONE, Bugs::with)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Profile, String> {
        Profile::ALL.into_iter().find(|profile| profile.name() == text).ok_or_else(|| {
            format!(
                "`{text}` is not a profile: the profiles are {}",
                Profile::ALL.map(Profile::name).join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_has_the_suspicions_and_nothing_that_was_fixed() {
        assert_eq!(Profile::Fixed.bugs(), Bugs::NONE);
        let head = Profile::Head.bugs();
        assert!(head.has(Bug::ProposalIdProcessCounter) && head.has(Bug::ProxyClientRetries));
        assert!(!head.has(Bug::ReadKeysNotInLog) && !head.has(Bug::AckBeforeFsync));
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("tail".parse::<Profile>().unwrap_err().contains("fixed, head"));
    }
}
