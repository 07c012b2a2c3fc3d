//! Histories of transactions over lists, from wherever they are kept: op maps in words, or columns.

use anyhow::{Context, bail};
use harness::columns::file::{self, Kept, MAGIC};
use harness::interchange::{self, Alphabet, Format, Imported};
use harness::store;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// A history as it was found.
pub enum Lists {
    /// As columns.
    Columns(Box<Kept>),
    /// In words.
    Events(Imported),
}

/// Reads a history; without a format, in the one that its first bytes show. Errors name the file.
pub fn read(path: &Path, format: Option<Format>) -> anyhow::Result<Lists> {
    let columns = path.join(store::COLUMNS);
    let path = if format.is_none() && columns.is_file() { &columns } else { path };
    let (name, mut input) = open(path)?;
    // A pipe may give less at first.
    let mut begins = Vec::new();
    let head = input.by_ref().take(MAGIC.len() as u64).read_to_end(&mut begins);
    head.with_context(|| name.clone())?;
    let is_columns = format.is_none() && begins == MAGIC;
    let input = Cursor::new(begins).chain(input);
    if is_columns {
        return Ok(Lists::Columns(Box::new(file::read(input).with_context(|| name)?)));
    }
    let bytes = interchange::input(input).with_context(|| name.clone())?;
    let imported = interchange::read_strictly(&bytes, format, Alphabet::Lists);
    let imported = imported.with_context(|| name)?;
    Ok(Lists::Events(imported))
}

/// A history's bytes, and what to call where they came from; - is what is piped in, a folder stands for its run's history.
pub fn open(path: &Path) -> anyhow::Result<(String, Box<dyn BufRead>)> {
    if path == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(std::io::stdin().lock())));
    }
    let lines = path.join(store::LINES);
    if path.is_dir() && !lines.is_file() {
        bail!(
            "{}: there is no {} in this folder, which a run that was kept whole has",
            path.display(),
            store::LINES
        );
    }
    let path = if path.is_dir() { &lines } else { path };
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| name.clone())?;
    Ok((name, Box::new(BufReader::with_capacity(1 << 16, file))))
}
