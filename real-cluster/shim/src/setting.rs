//! What a host's wall clock is told to do, and what that makes of an instant: arithmetic, without a look at any clock.
//!
//! A clock differs from true time by its *skew*: an offset, the drift since the offset was set, and every other period of a
//! strobe (Jepsen's word for a clock that goes to and fro) its delta.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// No clock is further off: ten years.
pub const OFFSET_MS_MAX: i64 = 315_576_000_000;
/// A clock runs at half to one and a half times the pace of monotonic time.
pub const DRIFT_PPM_MAX: i32 = 500_000;
/// The longest half of a strobe: an hour.
pub const PERIOD_MS_MAX: u32 = 3_600_000;

const NS_PER_MS: i64 = 1_000_000;

/// How the clock of a host differs from true time. The default does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    offset_ns: i64,
    drift_ppm: i32,
    /// When the clock was off by `offset_ns` exactly; monotonic time.
    drifts_since_ns: i64,
    strobe: Option<Running>,
}

/// A strobe since it began, in monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    delta_ms: i64,
    period_ms: NonZeroU32,
    since_ns: i64,
}

/// A strobe: the clock goes ahead by `delta_ms` (back, if negative) and returns, every `period_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strobe {
    /// How far it goes.
    pub delta_ms: i64,
    /// How long it stays on either side.
    pub period_ms: NonZeroU32,
}

/// One change of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Moves the clock from where it is. Its drift and strobe go on.
    JumpMs(i64),
    /// Puts the clock so far from true time. Its drift and strobe go on.
    OffsetMs(i64),
    /// The clock gains so many microseconds a second from now on, or loses them; 0 keeps what it has gained.
    DriftPpm(i32),
    /// The clock goes to and fro, beginning ahead; a delta of 0 ends that.
    Strobe(Strobe),
    /// True time.
    Reset,
}

/// A change that would lead out of the range of clocks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock would be {offset_ms} ms off: at most {OFFSET_MS_MAX} ms (ten years) either way")]
pub struct TooFar {
    offset_ms: i64,
}

impl Setting {
    /// By how much the clock differs from true time at an instant of monotonic time.
    pub fn skew_ns(&self, now_ns: i64) -> i64 {
        let strobe = self.strobe.map_or(0, |strobe| strobe.skew_ns(now_ns));
        self.offset_ns(now_ns).saturating_add(strobe)
    }

    /// The same without the strobe.
    pub fn offset_ns(&self, now_ns: i64) -> i64 {
        let passed = i128::from(now_ns) - i128::from(self.drifts_since_ns);
        let offset = i128::from(self.offset_ns) + passed * i128::from(self.drift_ppm) / 1_000_000;
        let far = i128::from(OFFSET_MS_MAX * NS_PER_MS);
        // It ends where clocks end, ten years off.
        i64::try_from(offset.clamp(-far, far)).expect("ten years are few nanoseconds")
    }

    /// The same in milliseconds, towards zero.
    pub fn offset_ms(&self, now_ns: i64) -> i64 {
        self.offset_ns(now_ns) / NS_PER_MS
    }

    /// What the clock gains.
    pub fn drift_ppm(&self) -> i32 {
        self.drift_ppm
    }

    /// Its strobe, if there is one.
    pub fn strobe(&self) -> Option<Strobe> {
        self.strobe.map(|Running { delta_ms, period_ms, .. }| Strobe { delta_ms, period_ms })
    }

    /// The setting after a change at an instant of monotonic time. What the clock has gained by then is part of its offset.
    pub fn changed(self, change: Change, now_ns: i64) -> Result<Setting, TooFar> {
        let gained = Setting { offset_ns: self.offset_ns(now_ns), drifts_since_ns: now_ns, ..self };
        Ok(match change {
            Change::JumpMs(by_ms) => {
                let offset_ns = gained.offset_ns.saturating_add(by_ms.saturating_mul(NS_PER_MS));
                let offset_ms = offset_ns / NS_PER_MS;
                if offset_ms.abs() > OFFSET_MS_MAX {
                    return Err(TooFar { offset_ms });
                }
                Setting { offset_ns, ..gained }
            }
            Change::OffsetMs(offset_ms) => {
                Setting { offset_ns: offset_ms.saturating_mul(NS_PER_MS), ..gained }
            }
            Change::DriftPpm(drift_ppm) => Setting { drift_ppm, ..gained },
            Change::Strobe(Strobe { delta_ms: 0, .. }) => Setting { strobe: None, ..self },
            Change::Strobe(Strobe { delta_ms, period_ms }) => {
                Setting { strobe: Some(Running { delta_ms, period_ms, since_ns: now_ns }), ..self }
            }
            Change::Reset => Setting::default(),
        })
    }

    /// The setting in another boot of the machine, whose monotonic time is another: what had been gained since the last
    /// change cannot be known, so that drift and strobe begin anew.
    pub fn rebooted(self, now_ns: i64) -> Setting {
        let strobe = self.strobe.map(|strobe| Running { since_ns: now_ns, ..strobe });
        Setting { drifts_since_ns: now_ns, strobe, ..self }
    }
}

impl Running {
    fn skew_ns(&self, now_ns: i64) -> i64 {
        let period_ns = i64::from(self.period_ms.get()) * NS_PER_MS;
        match now_ns.saturating_sub(self.since_ns).div_euclid(period_ns).rem_euclid(2) {
            0 => self.delta_ms.saturating_mul(NS_PER_MS),
            _ => 0,
        }
    }
}

impl FromStr for Strobe {
    type Err = String;

    /// `DELTA,PERIOD`
    fn from_str(text: &str) -> Result<Strobe, String> {
        let Some((delta, period)) = text.split_once(',') else {
            return Err("not DELTA,PERIOD, such as 200,50".to_owned());
        };
        let period_ms = within(period, 1..=i64::from(PERIOD_MS_MAX), "ms")?;
        let period_ms = u32::try_from(period_ms).ok().and_then(NonZeroU32::new);
        Ok(Strobe {
            delta_ms: offset_ms(delta)?,
            period_ms: period_ms.expect("it is within 1 and an hour"),
        })
    }
}

/// Reads a distance from true time, in milliseconds.
pub fn offset_ms(text: &str) -> Result<i64, String> {
    within(text, -OFFSET_MS_MAX..=OFFSET_MS_MAX, "ms")
}

/// Reads a drift, in millionths.
pub fn drift_ppm(text: &str) -> Result<i32, String> {
    let max = i64::from(DRIFT_PPM_MAX);
    within(text, -max..=max, "ppm").map(|ppm| i32::try_from(ppm).expect("it is in the range"))
}

fn within(text: &str, range: RangeInclusive<i64>, unit: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is not a whole number from {} to {} {unit}",
            range.start(),
            range.end()
        )),
    }
}

#[cfg(test)]
mod tests;
