//! The results of a sweep of one test, as they come: `sweep-<what is swept>.jsonl`.
//!
//! ```text
//! {"sweep":{"format":1,"test":"redis-append",…,"start":"0x1","seeds":50,"shard":"1/1"}}      what is swept
//! {"test":"redis-append",…,"seed":"0x1","verdict":"valid",…}                                a run a line, in the order of seeds
//! {"end":{"runs":50,"why":"seeds","digest":"0x…"}}                                          there is no more to come
//! ```
//!
//! Promises: a line is handed to the system when its run is told, so a process that is killed loses no run that it told; a
//! file that is there is never replaced (a second one gets `-2`); a sweep goes on only with a file of its own words and its
//! own build; two processes never write one file. A last line that was cut off is left out.
//! Cannot see: what a machine loses that loses power; only the end is synced.

use super::digest::Digest;
use super::seeds::Seeds;
use super::shard::Shard;
use crate::execute::Case;
use crate::trace::digest_bytes;
use elastickv::bug::{Bug, Profile};
use harness::catalog;
use harness::locked::Locked;
use harness::options::Options;
use harness::record::Record;
use harness::seed::Seed;
use reader::Reader;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub mod merge;
pub mod reader;

/// What a line means may change: the number changes with it.
const FORMAT: u32 = 1;
/// Files of one name that are kept side by side.
const ATTEMPTS: u32 = 10_000;

/// Results that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file system.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Something else than results.
    #[error("{path}, line {line}: {why}")]
    Line {
        /// Where.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Results that are not what was asked for.
    #[error("{0}")]
    Unfit(String),
}

/// What is swept: the first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    format: u32,
    /// The test's name.
    pub test: String,
    /// All tests of the sweep, in order; each has a file of its own.
    pub tests: Vec<String>,
    /// The planted bug.
    pub bug: Option<String>,
    /// What is wrong beside it, if it is not the clean profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How writes reach Raft, if it is not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiring: Option<String>,
    /// All options, defaults too.
    pub options: Options,
    /// Whether it goes on after the first finding of a planted bug.
    pub all: bool,
    /// What was built.
    pub commit: Option<String>,
    /// The program itself, by a hash.
    pub build: String,
    /// The first seed of all shards.
    pub start: String,
    /// How many seeds all shards have.
    pub seeds: u64,
    /// Which part of them this is: `2/4`.
    pub shard: String,
}

/// What program this is.
#[derive(Clone, Debug)]
pub struct Build {
    /// The commit, if known.
    pub commit: Option<String>,
    /// A hash of the program.
    pub id: String,
}

/// Why no run follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Every seed was run.
    Seeds,
    /// What the sweep looked for was found.
    Finding,
    /// The time for it was over.
    Time,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Runs in the file.
    pub runs: u64,
    /// Why there are no more.
    pub why: Why,
    /// Over the runs of the file.
    pub digest: String,
}

#[derive(Serialize, Deserialize)]
struct HeadLine {
    sweep: Head,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: End,
}

impl Head {
    /// Of a sweep over these seeds with everything else as in the case.
    pub fn new(case: &Case, tests: &[&str], seeds: Seeds, all: bool, build: &Build) -> Head {
        Head {
            format: FORMAT,
            test: case.test.name.to_owned(),
            tests: tests.iter().map(|test| (*test).to_owned()).collect(),
            bug: case.bug.map(|bug| bug.to_string()),
            profile: case.other_profile(),
            wiring: case.other_wiring(),
            options: case.options.clone(),
            all,
            commit: build.commit.clone(),
            build: build.id.clone(),
            start: seeds.start().to_string(),
            seeds: seeds.count(),
            shard: seeds.shard().to_string(),
        }
    }

    /// Everything but the seed.
    pub fn case(&self) -> Result<Case, String> {
        let case = Case::new(catalog::find(&self.test)?, self.start.parse()?);
        let bug: Option<Bug> = self.bug.as_deref().map(str::parse).transpose()?;
        let case = match bug {
            Some(bug) => case.with_bug(bug)?,
            None => case,
        };
        let profile = self.profile.as_deref().map_or(Ok(Profile::Fixed), str::parse)?;
        let wiring = self.wiring.as_deref().map_or(Ok(case.wiring), str::parse)?;
        Ok(Case { options: self.options.clone(), profile, wiring, ..case })
    }

    /// The seeds.
    pub fn range(&self) -> Result<Seeds, String> {
        let (start, shard): (Seed, Shard) = (self.start.parse()?, self.shard.parse()?);
        Seeds::new(start, self.seeds, shard)
    }

    /// The options that differ from those of the test or of its bug, as words.
    pub fn words(&self) -> Result<String, String> {
        let case = self.case()?;
        let words = case.options.replay_args(&case.base());
        Ok(if words.is_empty() { "the test's own options".to_owned() } else { words.join(" ") })
    }

    /// `sweep-redis-append-0x1-50`: start and number of seeds, the bug, the profile, the wiring, the shard, a hash of the options that were said.
    fn name(&self) -> Result<String, String> {
        let mut name = format!("sweep-{}-{}-{}", self.test, self.start, self.seeds);
        for word in [&self.bug, &self.profile, &self.wiring].into_iter().flatten() {
            name.push_str(&format!("-{word}"));
        }
        let case = self.case()?;
        let mut words = case.options.replay_args(&case.base());
        if self.all && self.bug.is_some() {
            words.push("--all".to_owned());
        }
        if !words.is_empty() {
            let hash = digest_bytes(0, words.join(" ").as_bytes());
            name.push_str(&format!("-{:08x}", hash as u32));
        }
        if self.shard != Shard::WHOLE.to_string() {
            name.push_str(&format!("-{}", self.shard.replace('/', "of")));
        }
        Ok(name)
    }

    fn is_of_another_build(&self, ours: &Head) -> bool {
        let (commit, build) = (ours.commit.clone(), ours.build.clone());
        *self != *ours && Head { commit, build, ..self.clone() } == *ours
    }

    /// Commit and build in words.
    pub fn built(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("unknown");
        format!("commit {commit}, build {}", self.build)
    }
}

/// Results that are being written. Nobody else writes them.
pub struct Results {
    path: PathBuf,
    file: Locked,
    runs: u64,
    digest: Digest,
}

/// Results that were there, read to where they end.
pub struct Resumed {
    /// To go on with.
    pub results: Results,
    /// There is nothing to go on with: they are complete.
    pub end: Option<End>,
}

impl Results {
    /// A new file in a directory.
    pub fn create(dir: &Path, head: &Head) -> Result<Results, ResultsError> {
        fs::create_dir_all(dir).map_err(|error| io_error(dir, error))?;
        let name = head.name().map_err(ResultsError::Unfit)?;
        for path in paths(dir, &name) {
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => match lock(&path, file) {
                    Ok(file) => return Results::begin(path, file, head),
                    // Somebody who goes on with blank results was quicker.
                    Err(ResultsError::Unfit(_)) => {}
                    Err(error) => return Err(error),
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io_error(&path, error)),
            }
        }
        let why = format!("{ATTEMPTS} results of this name are there: remove some");
        Err(io_error(&dir.join(name), io::Error::other(why)))
    }

    /// The last file of the same words, or a new one. `told` hears of every run that it has, in the order of seeds.
    pub fn resume(
        dir: &Path,
        head: &Head,
        told: impl FnMut(Record),
    ) -> Result<Resumed, ResultsError> {
        let name = head.name().map_err(ResultsError::Unfit)?;
        let there: Vec<PathBuf> = paths(dir, &name).take_while(|path| path.exists()).collect();
        let (mut blank, mut other) = (None, None);
        for path in there.into_iter().rev() {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            let file = file.map_err(|error| io_error(&path, error))?;
            let copy = file.try_clone().map_err(|error| io_error(&path, error))?;
            match Reader::of(&path, copy)? {
                None => blank = blank.or(Some((path, file))),
                Some(reader) if reader.head == *head => {
                    return Results::go_on(path, file, reader, told);
                }
                Some(reader) if reader.head.is_of_another_build(head) => {
                    other = other.or(Some((path, reader.head)));
                }
                Some(_) => {}
            }
        }
        if let Some((path, theirs)) = other {
            return Err(ResultsError::Unfit(format!(
                "{} was begun by {} and this is {}: go on with that one, or leave out --resume",
                path.display(),
                theirs.built(),
                head.built()
            )));
        }
        let results = match blank {
            Some((path, file)) => {
                let file = lock(&path, file)?;
                Results::begin(path, file, head)?
            }
            None => Results::create(dir, head)?,
        };
        Ok(Resumed { results, end: None })
    }

    fn begin(path: PathBuf, file: Locked, head: &Head) -> Result<Results, ResultsError> {
        let mut results = Results { path, file, runs: 0, digest: Digest::default() };
        results.cut(0)?;
        results.line(&HeadLine { sweep: head.clone() })?;
        Ok(results)
    }

    fn go_on(
        path: PathBuf,
        file: File,
        reader: Reader,
        mut told: impl FnMut(Record),
    ) -> Result<Resumed, ResultsError> {
        let file = lock(&path, file)?;
        // Whoever held it may have written since its head was read.
        drop(reader);
        let copy = file.try_clone().map_err(|error| io_error(&path, error))?;
        let reader = Reader::of(&path, copy)?;
        let mut reader =
            reader.ok_or_else(|| io_error(&path, io::Error::other("its head is gone")))?;
        while let Some(record) = reader.run()? {
            told(record);
        }
        let mut results = Results { path, file, runs: reader.runs(), digest: reader.digest() };
        let end = reader.end.clone().filter(|end| end.why != Why::Time);
        if end.is_none() {
            results.cut(reader.runs_end())?;
        }
        Ok(Resumed { results, end })
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many runs they have.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Keeps a run.
    pub fn add(&mut self, record: &Record) -> Result<(), ResultsError> {
        self.line(record)?;
        self.runs += 1;
        self.digest.add(record);
        Ok(())
    }

    /// Says that no run follows.
    pub fn end(mut self, why: Why) -> Result<(), ResultsError> {
        let end = End { runs: self.runs, why, digest: self.digest.to_string() };
        self.line(&EndLine { end })?;
        self.file.sync_all().map_err(|error| io_error(&self.path, error))
    }

    /// One call of the system a line: nothing of it stays in this process.
    fn line(&mut self, line: &impl Serialize) -> Result<(), ResultsError> {
        let text = serde_json::to_string(line).map_err(io::Error::from);
        let written = text.and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|error| io_error(&self.path, error))
    }

    fn cut(&mut self, at: u64) -> Result<(), ResultsError> {
        let cut = self.file.set_len(at).and_then(|()| self.file.seek(SeekFrom::Start(at)));
        cut.map(|_| ()).map_err(|error| io_error(&self.path, error))
    }
}

fn paths(dir: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    (1..=ATTEMPTS).map(move |attempt| match attempt {
        1 => dir.join(format!("{name}.jsonl")),
        _ => dir.join(format!("{name}-{attempt}.jsonl")),
    })
}

fn lock(path: &Path, file: File) -> Result<Locked, ResultsError> {
    Locked::try_new(file).map_err(|error| match error {
        TryLockError::WouldBlock => {
            let path = path.display();
            ResultsError::Unfit(format!("{path} is being written by another sweep: let it end"))
        }
        TryLockError::Error(error) => io_error(path, error),
    })
}

fn io_error(path: &Path, error: io::Error) -> ResultsError {
    ResultsError::Io { path: path.to_owned(), error }
}
