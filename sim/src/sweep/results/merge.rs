//! The results of all shards of a sweep, as if they had been one.
//!
//! Promises: what is joined is one sweep of one build, each shard of it once and to its end; or a sentence says what is
//! missing, double or different. Where a sweep with a planted bug ends at the first finding, so does the whole: each shard
//! ended at its own, and the smallest counts. What a shard had no time for is counted and not run.

use super::reader::Reader;
use super::{Head, ResultsError, io_error};
use crate::execute::Case;
use crate::sweep::{Seeds, Shard, Stop};
use harness::record::Record;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// All results of one sweep.
pub struct Shards {
    /// Of the whole sweep.
    pub seeds: Seeds,
    /// When it ended early.
    pub stop: Stop,
    /// The first line of some file: what they all have in common.
    pub head: Head,
    files: Vec<(PathBuf, Head)>,
}

/// What became of the seeds of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// No shard had the time for so many seeds.
    pub not_run: u64,
    /// The sweep ends with this test: what it looked for was found.
    pub found: bool,
}

impl Shards {
    /// The results in these directories (files named `sweep-….jsonl`) and files.
    pub fn open(places: &[PathBuf]) -> Result<Shards, ResultsError> {
        let mut paths = Vec::new();
        for place in places {
            paths.append(&mut files_of(place)?);
        }
        let mut files: Vec<(PathBuf, Head)> = Vec::new();
        for path in paths {
            let reader = Reader::open(&path)?.ok_or_else(|| cut_short(&path, 0))?;
            files.push((path, reader.head));
        }
        let Some((first, head)) = files.first() else {
            return Err(ResultsError::Unfit("there are no results to merge".to_owned()));
        };
        for (path, other) in &files {
            one_sweep((first, head), (path, other))?;
        }
        let unfit = ResultsError::Unfit;
        let seeds = head.range().map_err(unfit)?;
        let seeds = Seeds::new(seeds.start(), seeds.count(), Shard::WHOLE).map_err(unfit)?;
        let stop = Stop::of(head.case().map_err(unfit)?.bug, head.all);
        Ok(Shards { seeds, stop, head: head.clone(), files })
    }

    /// Where they are, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// The case of one test of the sweep.
    pub fn case(&self, test: &str) -> Result<Case, ResultsError> {
        let head = self.files.iter().map(|(_, head)| head).find(|head| head.test == test);
        let head = head.ok_or_else(|| self.gap(test, 1))?;
        head.case().map_err(ResultsError::Unfit)
    }

    /// The runs of one test in the order of seeds.
    pub fn runs(&self, test: &str, mut told: impl FnMut(Record)) -> Result<Joined, ResultsError> {
        let mut readers = self.readers(test)?;
        let (mut runs, mut found, mut index) = (0, false, 0);
        let mut silent = 0;
        // The shards take turns, so their runs do; a whole round in which none has one is the end.
        while index < self.seeds.count() && silent < readers.len() && !found {
            let turn = (index % readers.len() as u64) as usize;
            index += 1;
            let Some(record) = readers[turn].run()? else {
                silent += 1;
                continue;
            };
            (silent, runs) = (0, runs + 1);
            found = self.stop.at(&record);
            told(record);
        }
        for reader in &mut readers {
            while reader.run()?.is_some() {}
            if reader.end.is_none() {
                return Err(cut_short(reader.path(), reader.runs()));
            }
        }
        let last = if found { index } else { self.seeds.count() };
        Ok(Joined { not_run: last - runs, found })
    }

    /// One for each shard, in order.
    fn readers(&self, test: &str) -> Result<Vec<Reader>, ResultsError> {
        let of = shard(&self.head)?.of();
        let mut places: Vec<Option<&Path>> = Vec::new();
        let files = self.files.iter().filter(|(_, head)| head.test == test);
        for (path, head) in files {
            let at = (shard(head)?.number() - 1) as usize;
            // No more places than files are needed to see a gap.
            if at >= self.files.len() {
                continue;
            }
            places.resize(places.len().max(at + 1), None);
            if let Some(other) = places[at].replace(path) {
                let (a, b) = (other.display(), path.display());
                return Err(ResultsError::Unfit(format!(
                    "{a} and {b} overlap: both are shard {} of {test}",
                    head.shard
                )));
            }
        }
        let have = places.len() as u64;
        let gap = places.iter().position(Option::is_none).map(|at| at as u64 + 1);
        if let Some(number) = gap.or((have < of).then_some(have + 1)) {
            return Err(self.gap(test, number));
        }
        let open = |path: &Path| Reader::open(path)?.ok_or_else(|| cut_short(path, 0));
        places.into_iter().flatten().map(open).collect()
    }

    fn gap(&self, test: &str, number: u64) -> ResultsError {
        let of = self.head.shard.split_once('/').map_or("1", |(_, of)| of);
        ResultsError::Unfit(format!(
            "there is a gap: the results of shard {number}/{of} of {test} are missing"
        ))
    }
}

fn shard(head: &Head) -> Result<Shard, ResultsError> {
    head.shard.parse().map_err(ResultsError::Unfit)
}

fn cut_short(path: &Path, runs: u64) -> ResultsError {
    ResultsError::Unfit(format!(
        "{} was cut short after {runs} runs: go on with the sweep's own words and --resume",
        path.display()
    ))
}

/// The results in a directory, by name; or the one file.
fn files_of(place: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let wrong = |error| io_error(place, error);
    if !fs::metadata(place).map_err(wrong)?.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("sweep-") && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        let place = place.display();
        return Err(ResultsError::Unfit(format!(
            "{place} has no results of a sweep: sweep-….jsonl"
        )));
    }
    Ok(files)
}

/// Refuses two files that are not of one sweep, with what differs.
fn one_sweep(a: (&Path, &Head), b: (&Path, &Head)) -> Result<(), ResultsError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let seeds = |head: &Head| format!("{} from {}", head.seeds, head.start);
    let of = |head: &Head| head.shard.split_once('/').map_or("", |(_, of)| of).to_owned();
    let (ours, theirs) = (a.1, b.1);
    let mut told = vec![
        ("build", ours.built(), theirs.built()),
        ("tests", ours.tests.join(", "), theirs.tests.join(", ")),
        ("planted bug", text(&ours.bug), text(&theirs.bug)),
        ("profile", text(&ours.profile), text(&theirs.profile)),
        ("wiring", text(&ours.wiring), text(&theirs.wiring)),
        ("--all", ours.all.to_string(), theirs.all.to_string()),
        ("seeds", seeds(ours), seeds(theirs)),
        ("number of shards", of(ours), of(theirs)),
    ];
    if ours.test == theirs.test && ours.options != theirs.options {
        let words = |head: &Head| head.words().map_err(ResultsError::Unfit);
        told.push(("options", words(ours)?, words(theirs)?));
    }
    let differs = told.into_iter().find(|(_, ours, theirs)| ours != theirs);
    let Some((what, ours, theirs)) = differs else { return Ok(()) };
    let (a, b) = (a.0.display(), b.0.display());
    Err(ResultsError::Unfit(format!(
        "{a} and {b} are not of one sweep: the {what} of the one: {ours}, of the other: {theirs}"
    )))
}
