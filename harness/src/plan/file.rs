//! A plan as a file: bincode through [`crate::codec`], with everything that may change its place kept by name.
//!
//! Options, faults and operations are text inside: an option that is new takes its test's default, one that is gone is
//! refused by its name, and a fault that this build does not know is named too. So a plan outlives a build whose enums have
//! grown.

use super::{Ask, Look, Override, Plan, Taken, Told};
use crate::catalog;
use crate::codec::{self, CodecError};
use crate::options::Options;
use crate::seed::Seed;
use crate::test::Test;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// Bytes of a plan's file, at most.
pub const LIMIT: u64 = codec::PLAN.limit;

/// A plan that cannot be read: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Its bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What they say.
    #[error("{0}")]
    Content(String),
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Written {
    test: String,
    seed: u64,
    options: Vec<(String, String)>,
    extra: BTreeMap<String, String>,
    world: BTreeMap<String, u64>,
    overrides: Vec<String>,
    asks: Vec<WrittenAsk>,
    next_ask: Option<u64>,
    looks: Vec<(u64, Option<String>)>,
    until: u64,
    commit: String,
    build: u64,
    trace_hash: u64,
}

#[derive(Serialize, Deserialize)]
struct WrittenAsk {
    due: u64,
    at: u64,
    thread: u16,
    op: String,
}

impl Plan {
    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>, PlanError> {
        let ask = |ask: &Ask| {
            let (due, at) = (nanos(ask.due), nanos(ask.at));
            Ok::<_, PlanError>(WrittenAsk { due, at, thread: ask.thread, op: text(&ask.op)? })
        };
        let look = |look: &Look| {
            let fault = look.fault.as_ref().map(text).transpose()?;
            Ok::<_, PlanError>((nanos(look.due), fault))
        };
        let options = self.options.words_and_values().into_iter();
        let written = Written {
            test: self.test.clone(),
            seed: self.seed.0,
            options: options.map(|(word, value)| (word.to_owned(), value)).collect(),
            extra: self.told.extra.clone(),
            world: self.told.world.clone(),
            overrides: self.told.overrides.iter().map(ToString::to_string).collect(),
            asks: self.asks.iter().map(ask).collect::<Result<_, _>>()?,
            next_ask: self.next_ask.map(nanos),
            looks: self.looks.iter().map(look).collect::<Result<_, _>>()?,
            until: nanos(self.until),
            commit: self.taken.commit.clone(),
            build: self.taken.build,
            trace_hash: self.taken.trace_hash,
        };
        Ok(codec::PLAN.encode(&written)?)
    }

    /// From bytes. Its test is one of the catalog's.
    pub fn decode(bytes: &[u8]) -> Result<Plan, PlanError> {
        let written: Written = codec::PLAN.decode(bytes)?;
        written.read().map_err(PlanError::Content)
    }

    /// From a file, of which no more is read than a plan can be long.
    pub fn load(path: &Path) -> Result<Plan, PlanError> {
        let mut bytes = Vec::new();
        let most = codec::PLAN.file_limit();
        let found = File::open(path)?.take(most + 1).read_to_end(&mut bytes)? as u64;
        if found > most {
            let found = path.metadata().map_or(found, |metadata| metadata.len());
            return Err(CodecError::Large { found, limit: most }.into());
        }
        Plan::decode(&bytes)
    }
}

impl Written {
    fn read(self) -> Result<Plan, String> {
        let test = catalog::find(&self.test)?;
        let plan = Plan {
            options: options(&test, &self.options)?,
            test: self.test,
            seed: Seed(self.seed),
            told: Told {
                extra: self.extra,
                world: self.world,
                overrides: self
                    .overrides
                    .iter()
                    .map(|text| text.parse())
                    .collect::<Result<Vec<Override>, String>>()?,
            },
            asks: self.asks.into_iter().map(WrittenAsk::read).collect::<Result<_, _>>()?,
            next_ask: self.next_ask.map(Duration::from_nanos),
            looks: self.looks.into_iter().map(look).collect::<Result<_, _>>()?,
            until: Duration::from_nanos(self.until),
            taken: Taken { commit: self.commit, build: self.build, trace_hash: self.trace_hash },
        };
        plan.check(&test)?;
        Ok(plan)
    }
}

impl WrittenAsk {
    fn read(self) -> Result<Ask, String> {
        let (due, at) = (Duration::from_nanos(self.due), Duration::from_nanos(self.at));
        Ok(Ask { due, at, thread: self.thread, op: value("operation", &self.op)? })
    }
}

fn look((due, fault): (u64, Option<String>)) -> Result<Look, String> {
    let fault = fault.map(|text| value("fault", &text)).transpose()?;
    Ok(Look { due: Duration::from_nanos(due), fault })
}

fn options(test: &Test, written: &[(String, String)]) -> Result<Options, String> {
    let mut options = Options::defaults_of(test);
    for (word, value) in written {
        options.set(word, value)?;
    }
    Ok(options)
}

fn text<T: Serialize>(value: &T) -> Result<String, PlanError> {
    serde_json::to_string(value).map_err(|error| PlanError::Content(error.to_string()))
}

fn value<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("it has the {what} {text}, which this build does not know: {error}")
    })
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
