//! What becomes of one message, against what its link's stream would say.
//!
//! A message is named by its link and its number on it, from 0: `n1-n2:17`, `clients-n3:0`. Datagrams and the packets of byte
//! streams of a link are counted together.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a link does to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives so many nanoseconds later than it would; what was lost arrives then, too.
    Late(u64),
    /// A datagram arrives twice; a packet of a stream once, since kernels take a repetition for one.
    Twice,
}

/// One message and its fate. Hosts by number: 0 is the clients' machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Its sender.
    pub from: u16,
    /// Its receiver.
    pub to: u16,
    /// Its number on this link, from 0.
    pub number: u64,
    /// What becomes of it.
    pub fate: Fate,
}

impl Override {
    /// Which message, in words: `n1-n2:17`.
    pub fn message(&self) -> String {
        let Override { from, to, number, .. } = self;
        format!("{}-{}:{number}", host(*from), host(*to))
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.message())?;
        match &self.fate {
            Fate::Lost => write!(f, "lost"),
            Fate::Late(nanos) => write!(f, "{:?}", Duration::from_nanos(*nanos)),
            Fate::Twice => write!(f, "twice"),
        }
    }
}

fn host(number: u16) -> String {
    if number == 0 { "clients".to_owned() } else { format!("n{number}") }
}

impl FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Override, String> {
        let parsed = || {
            let (link, rest) = text.split_once(':')?;
            let (from, to) = link.split_once('-')?;
            let (number, fate) = rest.split_once('=')?;
            let (from, to) = (numbered(from)?, numbered(to)?);
            Some(Override { from, to, number: number.parse().ok()?, fate: read_fate(fate)? })
        };
        parsed().filter(|o| o.from != o.to).ok_or_else(|| {
            format!(
                "`{text}` is not the fate of a message: it is written n1-n2:17=lost, n1-n2:17=twice or clients-n2:0=5ms"
            )
        })
    }
}

fn numbered(text: &str) -> Option<u16> {
    match text {
        "clients" => Some(0),
        _ => text.strip_prefix('n')?.parse().ok().filter(|number| *number > 0),
    }
}

fn read_fate(text: &str) -> Option<Fate> {
    let late = |digits: &str, nanos: f64| {
        let number: f64 = digits.parse().ok().filter(|number| (0.0..1e9).contains(number))?;
        Some(Fate::Late((number * nanos).round() as u64))
    };
    match text {
        "lost" => Some(Fate::Lost),
        "twice" => Some(Fate::Twice),
        _ => [("ns", 1.0), ("µs", 1e3), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
            .into_iter()
            .find_map(|(unit, nanos)| late(text.strip_suffix(unit)?, nanos)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_reads_back_as_it_is_written() {
        for text in [
            "n1-n2:17=lost",
            "n5-n1:0=twice",
            "clients-n2:3=5ms",
            "n1-clients:9=1ns",
            "n1-n2:1=1.5s",
        ] {
            let read: Override = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_message_is_refused_with_examples() {
        for text in [
            "",
            "n1-n2",
            "n1-n2:17",
            "n1-n1:1=lost",
            "n0-n1:1=lost",
            "n1-n2:x=lost",
            "n1-n2:1=soon",
            "n1-n2:1=-1ms",
        ] {
            let sentence = text.parse::<Override>().unwrap_err();
            assert!(sentence.contains("n1-n2:17=lost"), "{sentence}");
        }
    }
}
