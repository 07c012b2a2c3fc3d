//! Time as people wait for it: how long a sweep may take. Nothing of a run depends on it.

use harness::options::Options;
use std::time::{Duration, Instant};

/// Reads `90s`, `5m`, `500ms` or a number of seconds, as the options of a run are read.
pub fn time(word: &str, text: &str) -> Result<Duration, String> {
    let mut options = Options::default();
    let read = options.set("time", text).map(|()| options.time);
    let read = read.ok().filter(|time| *time > Duration::ZERO);
    read.ok_or_else(|| format!("`{text}` does not fit --{word}: a time, such as 5m, 90s or 500ms"))
}

/// A moment after which nothing more is begun, or never.
#[derive(Clone, Copy)]
pub struct Until(Option<Instant>);

impl Until {
    /// So long from now.
    pub fn after(time: Option<Duration>) -> Until {
        Until(time.and_then(|time| now().checked_add(time)))
    }

    /// Whether it is not yet there.
    pub fn is_ahead(self) -> bool {
        self.0.is_none_or(|end| now() < end)
    }

    /// A part of what is left, for the first of so many that share it.
    pub fn share(self, of: usize) -> Until {
        let left = self.0.map(|end| end.saturating_duration_since(now()));
        Until::after(left.map(|left| left / u32::try_from(of.max(1)).unwrap_or(u32::MAX)))
    }
}

#[expect(clippy::disallowed_methods, reason = "people wait by the machine's clock; no run sees it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_and_refused_with_a_sentence() {
        assert_eq!(time("for", "5m"), Ok(Duration::from_secs(300)));
        assert_eq!(time("for", "90"), Ok(Duration::from_secs(90)));
        for text in ["soon", "0", "-5", "5h", ""] {
            let sentence = time("for", text).unwrap_err();
            assert!(
                sentence.contains(&format!("`{text}`")) && sentence.contains("--for"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn those_who_share_the_time_that_is_left_get_equal_parts() {
        let hour = Until::after(Some(Duration::from_secs(3600)));
        let third = hour.share(3).0.unwrap().saturating_duration_since(now());
        assert!((1190..=1200).contains(&third.as_secs()), "{third:?}");
        assert!(hour.is_ahead() && Until::after(None).share(2).is_ahead());
        assert!(!Until::after(Some(Duration::ZERO)).is_ahead());
    }
}
