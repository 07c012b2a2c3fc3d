//! The run folder: `<store>/<test>/<seed>[-n]/`.
//!
//! | file              | what                                                                            |
//! |-------------------|---------------------------------------------------------------------------------|
//! | `history.jsonl`   | one event a line, Jepsen's op map: for people and other tools                   |
//! | `history.columns` | its transactions over lists, if it has any, as [`crate::columns`]: for checkers |
//! | `history.bin`     | the whole [`Run`], through [`crate::codec`]: for this program                   |
//! | `params.json`     | test, seed, options, what the world drew                                        |
//! | `run.plan`        | its decisions, a [`Plan`]: what a replay needs                                  |
//! | `verdict.json`    | the [`Judgement`]                                                               |
//! | `report.txt`      | the words                                                                       |
//! | `timeline.html`   | of an invalid run: all of it to look at, [`crate::explain`]                     |
//! | `anomalies/`      | of an invalid run: each in words, as a picture and as a smaller history         |
//!
//! Promises: an existing folder is never replaced: a second run of the same seed gets `-2`, a third `-3`. [`save`] makes a
//! folder whole or not at all. A real run's folder grows while the run goes on ([`log`]); until it is over it
//! has a `history.log` in place of `history.bin`, and no verdict.

use crate::checker::Verdict;
use crate::codec::{self, CodecError};
use crate::columns::{self, Columns};
use crate::explain::TIMELINE;
use crate::history::{Event, History, Kind, Process};
use crate::interchange::{bank_json, call_json, register_parts};
use crate::judge::Judgement;
use crate::op::{Mop, Op, RegisterMop};
use crate::options::Options;
use crate::plan::{Plan, PlanError};
use crate::run::Run;
use crate::seed::Seed;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub mod adopt;
pub mod explained;
pub mod log;

/// A folder that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A binary file.
    #[error("{path}: {error}")]
    Codec {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: CodecError,
    },
    /// Neither a plan nor a run's folder.
    #[error("`{0}` is neither a plan nor a run's folder, which has a {PLAN}")]
    NoPlan(PathBuf),
    /// A plan.
    #[error("{path}: {error}")]
    Plan {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: PlanError,
    },
    /// A JSON file.
    #[error("{path}: {error}")]
    Json {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// The history of a run in words, in its folder.
pub const LINES: &str = "history.jsonl";
/// The history of a run as columns, in its folder.
pub const COLUMNS: &str = "history.columns";
/// The decisions of a run, in its folder.
pub const PLAN: &str = "run.plan";

/// Runs of one seed that are kept side by side.
const ATTEMPTS: u32 = 10_000;

/// Which kind of world a run was in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// One process; the seed decides everything.
    #[default]
    Simulated,
    /// Processes; the seed decides what is asked and what is broken.
    Real,
}

impl World {
    /// The word for it, as in `41.2 s simulated`.
    pub fn name(self) -> &'static str {
        match self {
            World::Simulated => "simulated",
            World::Real => "real",
        }
    }
}

/// What it takes to run it again: the content of `params.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// The world that it ran in.
    #[serde(default)]
    pub world: World,
    /// The test's name.
    pub test: String,
    /// The seed, as it is written on a command line.
    pub seed: String,
    /// All options, defaults too: defaults change.
    pub options: Options,
    /// What the world was told beyond the options: a planted bug.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
    /// What the world drew from the seed.
    pub drawn: BTreeMap<String, String>,
}

/// What a run folder is made of.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The world that it ran in.
    pub world: World,
    /// All options.
    pub options: &'a Options,
    /// What the world was told beyond the options.
    pub extra: &'a BTreeMap<String, String>,
    /// What happened.
    pub run: &'a Run,
    /// Its decisions.
    pub plan: &'a Plan,
    /// What was made of it.
    pub judgement: &'a Judgement,
    /// The words.
    pub report: &'a str,
}

/// A run folder read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it was made of.
    pub params: Params,
    /// What happened, as far as it was kept.
    pub run: Run,
    /// What was made of it then; `None` if the run did not come to its end.
    pub judgement: Option<Judgement>,
    /// Bytes at the end of the log of such a run that are no whole chunk.
    pub torn: usize,
}

/// Writes a run and returns its folder.
pub fn save(store: &Path, kept: Kept) -> Result<PathBuf, StoreError> {
    let run = kept.run;
    let tests = store.join(&run.test);
    fs::create_dir_all(&tests).map_err(|error| io_error(&tests, error))?;
    for attempt in 1..=ATTEMPTS {
        let name = name(run.seed, attempt);
        let (folder, draft) = (tests.join(&name), tests.join(format!(".{name}.part")));
        // Whoever makes the draft owns the name; a folder that is there already keeps it.
        if !folder.exists() && fs::create_dir(&draft).is_ok() {
            if let Err(error) = fill(&draft, kept) {
                // It would hold the name for ever. If it cannot go either, the first error says why.
                let _ = fs::remove_dir_all(&draft);
                return Err(error);
            }
            if fs::rename(&draft, &folder).is_ok() {
                return Ok(folder);
            }
            fs::remove_dir_all(&draft).map_err(|error| io_error(&draft, error))?;
        }
    }
    Err(too_many(&tests.join(run.seed.to_string())))
}

fn name(seed: Seed, attempt: u32) -> String {
    match attempt {
        1 => seed.to_string(),
        _ => format!("{seed}-{attempt}"),
    }
}

fn too_many(folder: &Path) -> StoreError {
    let error = io::Error::other(format!("{ATTEMPTS} runs of this seed are there: remove some"));
    io_error(folder, error)
}

/// Reads what a run was told, whatever became of the run.
pub fn read_params(folder: &Path) -> Result<Params, StoreError> {
    json(&folder.join("params.json"))
}

/// Reads a run folder back, also one of a run that did not come to its end.
pub fn load(folder: &Path) -> Result<Stored, StoreError> {
    let params = read_params(folder)?;
    let (whole, log) = (folder.join("history.bin"), folder.join(log::LOG));
    if !whole.exists() && log.exists() {
        let (run, torn) = log::read(&log)?;
        return Ok(Stored { params, run, judgement: None, torn });
    }
    let run: Run = codec::RUN.decode(&read(&whole)?).map_err(|error| codec_error(&whole, error))?;
    let judgement = Some(json(&folder.join("verdict.json"))?);
    Ok(Stored { params, run, judgement, torn: 0 })
}

fn fill(folder: &Path, kept: Kept) -> Result<(), StoreError> {
    write_params(folder, &Params::of(kept))?;
    complete(folder, kept)
}

impl Params {
    fn of(kept: Kept) -> Params {
        Params {
            world: kept.world,
            test: kept.run.test.clone(),
            seed: kept.run.seed.to_string(),
            options: kept.options.clone(),
            extra: kept.extra.clone(),
            drawn: kept.run.artifacts.params.clone(),
        }
    }
}

fn write_params(folder: &Path, params: &Params) -> Result<(), StoreError> {
    replace(&folder.join("params.json"), |file| Ok(serde_json::to_writer_pretty(file, params)?))
}

/// Everything but the params, `history.bin` last: whoever finds it finds the rest.
fn complete(folder: &Path, kept: Kept) -> Result<(), StoreError> {
    let Kept { run, plan, judgement, report, .. } = kept;
    write(&folder.join(LINES), |file| write_lines(&run.history, file))?;
    write_columns(&folder.join(COLUMNS), &run.history)?;
    write(&folder.join("verdict.json"), |file| Ok(serde_json::to_writer_pretty(file, judgement)?))?;
    let is_invalid = matches!(judgement.verdict, Verdict::Invalid(_));
    if is_invalid {
        explained::write_into(folder, &explained::of_run(run, judgement))?;
    }
    write(&folder.join("report.txt"), |file| {
        file.write_all(report.as_bytes())?;
        if is_invalid { writeln!(file, "  timeline:    {TIMELINE}") } else { Ok(()) }
    })?;
    write_plan(&folder.join(PLAN), plan)?;
    let path = folder.join("history.bin");
    let bytes = codec::RUN.encode(run).map_err(|error| codec_error(&path, error))?;
    replace(&path, |file| file.write_all(&bytes))
}

/// Writes the columns of a history of transactions over lists. Without one, and without the rare history that does not fit into
/// columns, the folder has all that is known all the same.
fn write_columns(path: &Path, history: &History) -> Result<(), StoreError> {
    let has_lists = history.client_events().any(|(_, event)| matches!(event.op, Op::Txn(_)));
    match Columns::of(history) {
        Ok(columns) if has_lists => write(path, |file| {
            let kept = columns::file::Kept { columns, key_names: BTreeMap::new() };
            columns::file::Writer::new(file)?.finish(&kept).map(|_| ())
        }),
        _ => Ok(()),
    }
}

/// Writes a plan, whole or not at all.
pub fn write_plan(path: &Path, plan: &Plan) -> Result<(), StoreError> {
    let wrong = |error| StoreError::Plan { path: path.to_owned(), error };
    let bytes = plan.encode().map_err(wrong)?;
    replace(path, |file| file.write_all(&bytes))
}

/// Reads a plan.
pub fn read_plan(path: &Path) -> Result<Plan, StoreError> {
    Plan::load(path).map_err(|error| StoreError::Plan { path: path.to_owned(), error })
}

/// Reads the plan that a command line names: a file, or the folder of a run.
pub fn plan_of(place: &Path) -> Result<Plan, StoreError> {
    let file = if place.is_dir() { place.join(PLAN) } else { place.to_owned() };
    if !file.exists() {
        return Err(StoreError::NoPlan(place.to_owned()));
    }
    read_plan(&file)
}

/// Writes a file beside its place and then moves it there, so that it is there whole or as it was.
fn replace(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    let draft = path.with_added_extension("part");
    write(&draft, content)?;
    fs::rename(&draft, path).map_err(|error| io_error(path, error))
}

fn write(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    let file = fs::File::create(path).map_err(|error| io_error(path, error))?;
    let mut file = io::BufWriter::new(file);
    content(&mut file).and_then(|()| file.flush()).map_err(|error| io_error(path, error))
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| io_error(path, error))
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| StoreError::Json { path: path.to_owned(), error })
}

fn codec_error(path: &Path, error: CodecError) -> StoreError {
    StoreError::Codec { path: path.to_owned(), error }
}

fn io_error(path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), error }
}

/// Writes a history as JSON lines, one event a line:
/// `{"index":0,"type":"invoke","process":0,"f":"txn","value":[["append",3,7],["r",3,null]],"time":123,"node":"n1"}`.
/// A fault has process `nemesis`, its family as `f` (`mend` for an undoing), its words as `value` and all of it as `fault`.
pub fn write_lines(history: &History, mut to: impl Write) -> io::Result<()> {
    for (index, event) in history.events.iter().enumerate() {
        serde_json::to_writer(&mut to, &Line { index, event })?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

struct Line<'a> {
    index: usize,
    event: &'a Event,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("type", &event.kind)?;
        match event.process {
            Process::Client(number) => map.serialize_entry("process", &number)?,
            Process::Nemesis => map.serialize_entry("process", "nemesis")?,
        }
        match &event.op {
            Op::Txn(mops) => {
                map.serialize_entry("f", "txn")?;
                map.serialize_entry("value", &Mops(mops))?;
            }
            Op::Registers(mops) => {
                map.serialize_entry("f", "txn")?;
                map.serialize_entry("value", &RegisterMops(mops, event.kind))?;
            }
            Op::Fault(fault) => {
                map.serialize_entry("f", fault.kind().map_or("mend", |kind| kind.name()))?;
                map.serialize_entry("value", &fault.to_string())?;
                map.serialize_entry("fault", fault)?;
            }
            Op::Bank(bank) => {
                let (f, value) = bank_json(bank);
                map.serialize_entry("f", f)?;
                map.serialize_entry("value", &value)?;
            }
            Op::Call(call) => {
                let (f, value, answer) = call_json(call, event.kind);
                map.serialize_entry("f", f)?;
                map.serialize_entry("value", &value)?;
                if let Some(answer) = answer {
                    map.serialize_entry("answer", &answer)?;
                }
            }
        }
        map.serialize_entry("time", &(event.time.as_nanos() as u64))?;
        if let Some(node) = event.node {
            map.serialize_entry("node", &node.to_string())?;
        }
        if let Some(error) = &event.error {
            map.serialize_entry("error", error)?;
        }
        map.end()
    }
}

struct Mops<'a>(&'a [Mop]);

impl Serialize for Mops<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for mop in self.0 {
            match mop {
                Mop::Append { key, value } => list.serialize_element(&("append", key, value))?,
                Mop::Read { key, values } => list.serialize_element(&("r", key, values))?,
            }
        }
        list.end()
    }
}

struct RegisterMops<'a>(&'a [RegisterMop], Kind);

impl Serialize for RegisterMops<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for mop in self.0 {
            match register_parts(mop, self.1) {
                (word, None) => list.serialize_element(&(word, mop.key()))?,
                (word, Some(value)) => list.serialize_element(&(word, mop.key(), value))?,
            }
        }
        list.end()
    }
}
