//! What `set` and `show` tell: one line of `name=value` words, in this order, for people and for programs.
//!
//! `offset_ms=5000 drift_ppm=0 strobe=200,50 reads=123 skewed_reads=17 running=yes`; no strobe is `strobe=-`.

use crate::setting::{Setting, Strobe};
use std::fmt;
use std::str::FromStr;

/// A clock and its supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far the clock is off, with what drift has gained, without the strobe; towards zero.
    pub offset_ms: i64,
    /// What it gains.
    pub drift_ppm: i32,
    /// How it goes to and fro.
    pub strobe: Option<Strobe>,
    /// Looks at a wall clock that were answered since this run of the program began; earlier runs are not counted.
    pub reads: u64,
    /// Those of them whose answer was not true time.
    pub skewed_reads: u64,
    /// Whether a supervisor has this setting in force.
    pub running: bool,
}

impl Status {
    /// Of a clock that nobody reads.
    pub fn idle(setting: &Setting, now_ns: i64) -> Status {
        Status {
            offset_ms: setting.offset_ms(now_ns),
            drift_ppm: setting.drift_ppm(),
            strobe: setting.strobe(),
            reads: 0,
            skewed_reads: 0,
            running: false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { offset_ms, drift_ppm, strobe, reads, skewed_reads, running } = self;
        write!(f, "offset_ms={offset_ms} drift_ppm={drift_ppm} strobe=")?;
        match strobe {
            Some(Strobe { delta_ms, period_ms }) => write!(f, "{delta_ms},{period_ms}")?,
            None => write!(f, "-")?,
        }
        let running = if *running { "yes" } else { "no" };
        write!(f, " reads={reads} skewed_reads={skewed_reads} running={running}")
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(line: &str) -> Result<Status, String> {
        let mut words = line.split_whitespace();
        let mut next = |name: &str| {
            let value = words.next().and_then(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.ok_or_else(|| format!("no `{name}=` where it belongs in the status `{line}`"))
        };
        let status = Status {
            offset_ms: number(next("offset_ms")?)?,
            drift_ppm: number(next("drift_ppm")?)?,
            strobe: Some(next("strobe")?)
                .filter(|text| *text != "-")
                .map(str::parse)
                .transpose()?,
            reads: number(next("reads")?)?,
            skewed_reads: number(next("skewed_reads")?)?,
            running: next("running")? == "yes",
        };
        match words.next() {
            Some(word) => Err(format!("`{word}` is no word of a status")),
            None => Ok(status),
        }
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` in a status is not such a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Change;

    #[test]
    fn the_line_is_golden_and_reads_back() {
        let true_clock = Status::idle(&Setting::default(), 5);
        let line = "offset_ms=0 drift_ppm=0 strobe=- reads=0 skewed_reads=0 running=no";
        assert_eq!(true_clock.to_string(), line);
        assert_eq!(line.parse(), Ok(true_clock));

        let strobe = Change::Strobe("-200,50".parse().unwrap());
        let setting = Setting::default().changed(strobe, 0).unwrap();
        let setting = setting.changed(Change::OffsetMs(5_000), 0).unwrap();
        let busy =
            Status { reads: 123, skewed_reads: 17, running: true, ..Status::idle(&setting, 5) };
        let line =
            "offset_ms=5000 drift_ppm=0 strobe=-200,50 reads=123 skewed_reads=17 running=yes";
        assert_eq!(busy.to_string(), line);
        assert_eq!(line.parse(), Ok(busy));
    }

    #[test]
    fn what_is_no_status_is_refused() {
        let said = "offset_ms=1 strobe=-".parse::<Status>().unwrap_err();
        assert_eq!(said, "no `drift_ppm=` where it belongs in the status `offset_ms=1 strobe=-`");
        let line = "offset_ms=x drift_ppm=0 strobe=- reads=0 skewed_reads=0 running=no";
        assert_eq!(line.parse::<Status>().unwrap_err(), "`x` in a status is not such a number");
    }
}
