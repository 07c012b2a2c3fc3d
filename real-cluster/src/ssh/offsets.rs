//! How far a host's clock is from this machine's: what NTP measures, by commands. Clocks are read here, and never set.

use crate::remote::{Command, Remote, RemoteError, done};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Of so many looks the quickest counts.
const LOOKS: usize = 3;

/// An offset, in milliseconds: positive if the host is ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// The most likely one.
    pub ms: f64,
    /// How far from it the true one may be: half of the way there and back.
    pub within_ms: f64,
}

impl Offset {
    /// Measures.
    pub async fn of(remote: &dyn Remote) -> Result<Offset, RemoteError> {
        let command = Command::new("date").arg("+%s%N");
        let mut best: Option<Offset> = None;
        for _ in 0..LOOKS {
            let before = now_ms();
            let text = done(remote, &command).await?.text();
            let after = now_ms();
            let told: f64 = text.parse().map_err(|_| {
                RemoteError::unknown(remote.name(), &command, format_args!("it said `{text}`"))
            })?;
            let look = Offset::between(before, told / 1e6, after);
            best = best.filter(|best| best.within_ms <= look.within_ms).or(Some(look));
        }
        Ok(best.expect("there was a look"))
    }

    /// What the host said between two looks at the clock here.
    fn between(before_ms: f64, told_ms: f64, after_ms: f64) -> Offset {
        Offset {
            ms: told_ms - f64::midpoint(before_ms, after_ms),
            within_ms: (after_ms - before_ms).abs() / 2.0,
        }
    }

    /// At least so far off, whatever the way cost.
    pub fn at_least_ms(&self) -> f64 {
        (self.ms.abs() - self.within_ms).max(0.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ms < 0.0 { "behind" } else { "ahead" };
        write!(f, "{:.1} ms {side} (within {:.1} ms)", self.ms.abs(), self.within_ms)
    }
}

fn now_ms() -> f64 {
    // A clock before 1970 is as far off as one can be.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_no_surer_than_the_way_was_long() {
        let offset = Offset::between(1000.0, 1120.0, 1040.0);
        assert_eq!(offset, Offset { ms: 100.0, within_ms: 20.0 });
        assert_eq!(offset.at_least_ms(), 80.0);
        assert_eq!(offset.to_string(), "100.0 ms ahead (within 20.0 ms)");
        let offset = Offset::between(1000.0, 1010.0, 1040.0);
        assert_eq!(offset.at_least_ms(), 0.0, "it may be none at all");
        assert!(offset.to_string().contains("10.0 ms behind"));
    }
}
