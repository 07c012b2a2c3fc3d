//! Results read back, a run at a time.
//!
//! Promises: a run is given only if it is the one that belongs there, of that test and the next seed; an end only if the runs
//! before it are the ones that it counted. A last line without its end is left out.

use super::{End, EndLine, FORMAT, Head, HeadLine, ResultsError, Why, io_error};
use crate::sweep::digest::Digest;
use crate::sweep::seeds::Seeds;
use harness::record::Record;
use serde_json::from_slice;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Far more than any line of results has: what is longer is something else.
const LINE_MAX: u64 = 16 << 20;

/// A file of results, read as far as [`Reader::run`] was called.
pub struct Reader {
    /// What was swept.
    pub head: Head,
    /// What the file says at its end, once that was read.
    pub end: Option<End>,
    path: PathBuf,
    seeds: Seeds,
    lines: BufReader<File>,
    line: u64,
    runs: u64,
    runs_end: u64,
    digest: Digest,
}

impl Reader {
    /// Opens a file; `None` if not even its first line is whole.
    pub fn open(path: &Path) -> Result<Option<Reader>, ResultsError> {
        Reader::of(path, File::open(path).map_err(|error| io_error(path, error))?)
    }

    /// Reads a file from its beginning.
    pub(super) fn of(path: &Path, mut file: File) -> Result<Option<Reader>, ResultsError> {
        file.seek(SeekFrom::Start(0)).map_err(|error| io_error(path, error))?;
        let mut lines = BufReader::new(file);
        let Some(first) = whole_line(path, &mut lines)? else { return Ok(None) };
        let wrong = |why: String| ResultsError::Line { path: path.to_owned(), line: 1, why };
        let head: HeadLine =
            from_slice(&first).map_err(|error| wrong(format!("no results of a sweep: {error}")))?;
        let head = head.sweep;
        if head.format != FORMAT {
            return Err(wrong(format!("format {} is not {FORMAT}", head.format)));
        }
        let seeds = head.range().map_err(wrong)?;
        let runs_end = first.len() as u64;
        let (path, digest) = (path.to_owned(), Digest::default());
        Ok(Some(Reader { head, end: None, path, seeds, lines, line: 1, runs: 0, runs_end, digest }))
    }

    /// The next run.
    pub fn run(&mut self) -> Result<Option<Record>, ResultsError> {
        let Some(line) = whole_line(&self.path, &mut self.lines)? else { return Ok(None) };
        self.line += 1;
        if self.end.is_some() {
            return Err(self.wrong("something follows the end".to_owned()));
        }
        if line.starts_with(b"{\"end\":") {
            self.read_end(&line)?;
            return self.run();
        }
        let record: Record =
            from_slice(&line).map_err(|error| self.wrong(format!("no run: {error}")))?;
        if self.runs >= self.seeds.len() {
            return Err(self.wrong(format!("a run follows the last of {}", self.runs)));
        }
        let (test, seed) = (&self.head.test, self.seeds.seed(self.runs).to_string());
        if record.test != *test || record.seed != seed {
            let Record { test: their_test, seed: their_seed, .. } = &record;
            return Err(self.wrong(format!(
                "a run of {their_test} {their_seed} where that of {test} {seed} belongs"
            )));
        }
        self.runs += 1;
        self.runs_end += line.len() as u64;
        self.digest.add(&record);
        Ok(Some(record))
    }

    fn read_end(&mut self, line: &[u8]) -> Result<(), ResultsError> {
        let end: EndLine =
            from_slice(line).map_err(|error| self.wrong(format!("no end: {error}")))?;
        let End { runs, digest, why } = &end.end;
        if *why == Why::Seeds && *runs < self.seeds.len() {
            return Err(self.wrong(format!("{runs} runs are not all {}", self.seeds.len())));
        }
        if *runs != self.runs || *digest != self.digest.to_string() {
            return Err(self.wrong(format!(
                "the end counts {runs} runs with digest {digest} where there are {} with {}",
                self.runs, self.digest
            )));
        }
        self.end = Some(end.end);
        Ok(())
    }

    /// How many runs were read.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Over the runs that were read.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The seeds that were to be run.
    pub fn seeds(&self) -> Seeds {
        self.seeds
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes up to and with the last run that was read.
    pub(super) fn runs_end(&self) -> u64 {
        self.runs_end
    }

    fn wrong(&self, why: String) -> ResultsError {
        ResultsError::Line { path: self.path.clone(), line: self.line, why }
    }
}

/// A line with its end, or nothing.
fn whole_line(path: &Path, lines: &mut BufReader<File>) -> Result<Option<Vec<u8>>, ResultsError> {
    let mut line = Vec::new();
    let read = lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
    read.map_err(|error| io_error(path, error))?;
    if line.len() as u64 == LINE_MAX && !line.ends_with(b"\n") {
        let error =
            io::Error::other("a line has more than 16 MiB: no results of a sweep have that");
        return Err(io_error(path, error));
    }
    Ok(Some(line).filter(|line| line.ends_with(b"\n")))
}
