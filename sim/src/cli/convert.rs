//! `convert`: a history of transactions over lists, from words to columns.

use super::lists::{self, Lists};
use anyhow::Context;
use harness::cli::output::Output;
use harness::columns::Columns;
use harness::columns::file::{Kept, Writer};
use harness::interchange::Format;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

/// Writes a list-append history as columns, which are checked much faster than words are read
#[derive(clap::Args)]
#[command(after_help = "\
What checkers look at is kept; faults, reasons of failures and what was asked but for what came back are not.

Examples:
  cargo sim convert history.edn history.columns
  zcat history.edn.gz | cargo sim convert - history.columns
  cargo sim check list-append history.columns --jobs 2")]
pub struct Convert {
    /// The history; - reads what is piped in
    from: PathBuf,
    /// The file to write, which must not be there yet
    to: PathBuf,
    /// How the history is written: edn or json-lines; otherwise its first characters say
    #[arg(long)]
    format: Option<String>,
}

fn write(file: File, kept: &Kept) -> anyhow::Result<()> {
    let written = Writer::new(BufWriter::new(file))?.finish(kept)?;
    let file = written.into_inner().map_err(|error| error.into_error())?;
    Ok(file.sync_all()?)
}

impl Convert {
    pub fn act(self) -> anyhow::Result<u8> {
        let format: Option<Format> =
            self.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
        let kept = match lists::read(&self.from, format)? {
            Lists::Columns(kept) => *kept,
            Lists::Events(imported) => {
                let name = || self.from.display().to_string();
                let columns = Columns::of(&imported.history).map_err(anyhow::Error::msg);
                Kept { columns: columns.with_context(name)?, key_names: imported.key_names }
            }
        };
        let name = || self.to.display().to_string();
        let file = File::create_new(&self.to).with_context(name)?;
        if let Err(error) = write(file, &kept) {
            // Half a file is of no use, and would be in the way of the next attempt.
            let _ = fs::remove_file(&self.to);
            return Err(error).with_context(name);
        }
        let (count, to) = (kept.columns.len(), self.to.display());
        Output::default().text(format_args!("{count} transactions   {to}\n"))?;
        Ok(0)
    }
}
