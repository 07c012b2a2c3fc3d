//! How many operations a second are asked, over the time in which clients ask: always as many, in steps, or on a ramp.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Operations a second, all clients together; each number is above 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Rate {
    /// `100`
    Constant(u32),
    /// `50,100,200`: each for an equal part of the time.
    Steps(Vec<u32>),
    /// `10-200`: rising, or falling, evenly.
    Ramp {
        /// At first.
        from: u32,
        /// In the end.
        to: u32,
    },
}

/// As it stands in files: a number where it is one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Words(String),
}

impl TryFrom<Written> for Rate {
    type Error = String;

    fn try_from(written: Written) -> Result<Rate, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Words(words) => words.parse(),
        }
    }
}

impl From<Rate> for Written {
    fn from(rate: Rate) -> Written {
        match rate {
            Rate::Constant(number) => Written::Number(number),
            rate => Written::Words(rate.to_string()),
        }
    }
}

impl Rate {
    /// From one operation to the next on average, so far into a time.
    pub fn interval(&self, since: Duration, of: Duration) -> Duration {
        let second = Duration::from_secs(1);
        match self {
            Rate::Constant(rate) => second / *rate,
            Rate::Steps(steps) => second / steps[part(since, of, steps.len())],
            Rate::Ramp { from, to } => {
                let (from, to) = (i128::from(*from), i128::from(*to));
                let of = i128::try_from(of.as_nanos().max(1)).unwrap_or(i128::MAX);
                let since = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX).min(of);
                let thousandths = 1000 * from + 1000 * (to - from) * since / of;
                let nanos = 1_000_000_000_000 / thousandths.max(1);
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }

    /// Into how many equal parts of the time it is best told.
    pub fn parts(&self) -> usize {
        match self {
            Rate::Constant(_) => 1,
            Rate::Steps(steps) => steps.len(),
            Rate::Ramp { .. } => 4,
        }
    }

    /// On average over the whole time.
    pub fn mean(&self) -> f64 {
        match self {
            Rate::Constant(rate) => f64::from(*rate),
            Rate::Steps(steps) => {
                steps.iter().copied().map(f64::from).sum::<f64>() / steps.len() as f64
            }
            Rate::Ramp { from, to } => (f64::from(*from) + f64::from(*to)) / 2.0,
        }
    }
}

/// Which of so many equal parts of a time.
pub fn part(since: Duration, of: Duration, parts: usize) -> usize {
    let at = since.as_nanos() * parts as u128 / of.as_nanos().max(1);
    usize::try_from(at).unwrap_or(usize::MAX).min(parts - 1)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Constant(rate) => write!(f, "{rate}"),
            Rate::Steps(steps) => {
                let steps: Vec<String> = steps.iter().map(u32::to_string).collect();
                f.write_str(&steps.join(","))
            }
            Rate::Ramp { from, to } => write!(f, "{from}-{to}"),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let rate = match text.split_once('-') {
            Some((from, to)) => {
                number(from).zip(number(to)).map(|(from, to)| Rate::Ramp { from, to })
            }
            None => text.split(',').map(number).collect::<Option<Vec<u32>>>().map(|steps| {
                match steps[..] {
                    [rate] => Rate::Constant(rate),
                    _ => Rate::Steps(steps),
                }
            }),
        };
        rate.ok_or_else(|| {
            format!(
                "`{text}` does not fit --rate: a whole number above 0 such as 100, steps such as 50,100,200, or a ramp such as 10-200"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(rate: &str, since: u64) -> Result<u128, String> {
        let rate: Rate = rate.parse()?;
        Ok(rate.interval(Duration::from_secs(since), Duration::from_secs(60)).as_millis())
    }

    #[test]
    fn a_rate_is_constant_or_in_steps_or_on_a_ramp() -> Result<(), String> {
        for since in [0, 30, 60, 90] {
            assert_eq!(milliseconds("100", since)?, 10);
        }
        let steps = [0, 19, 20, 40, 60, 99].map(|since| milliseconds("50,100,200", since));
        assert_eq!(steps, [20, 20, 10, 5, 5, 5].map(Ok));
        let ramp = [0, 30, 60, 90].map(|since| milliseconds("10-90", since));
        assert_eq!(ramp, [100, 20, 11, 11].map(Ok));
        assert_eq!(milliseconds("90-10", 60)?, 100);
        Ok(())
    }

    #[test]
    fn its_words_are_read_back_and_others_are_refused_with_what_would_be_right() {
        for words in ["100", "50,100", "10-200"] {
            let rate: Rate = words.parse().expect("a rate");
            assert_eq!(rate.to_string(), words);
            let json = serde_json::to_string(&rate).expect("it can be written");
            assert_eq!(serde_json::from_str::<Rate>(&json).expect("and read"), rate);
        }
        assert_eq!(serde_json::to_string(&Rate::Constant(5)).expect("a number"), "5");
        for words in ["", "0", "-1", "5-", "1,,2", "1-2-3", "10-0", "1.5", "many"] {
            let sentence = words.parse::<Rate>().expect_err(words);
            assert!(sentence.contains("10-200") && sentence.contains('`'), "{sentence}");
        }
    }
}
