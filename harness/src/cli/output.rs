//! Standard output and standard error, which may be closed at any time.
//!
//! A reader that goes away (`| head`) is no error of ours: what follows is not written. Any other failure to write
//! is one, since a result would be lost.

use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Standard output.
#[derive(Default)]
pub struct Output {
    closed: bool,
}

impl Output {
    /// Writes text as it is.
    pub fn text(&mut self, text: impl Display) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match write!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }

    /// Writes every line of a text two columns further in.
    pub fn indented(&mut self, text: impl Display) -> io::Result<()> {
        text.to_string().lines().try_for_each(|line| self.text(format_args!("  {line}\n")))
    }

    /// Writes one JSON object as a line.
    pub fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(object).map_err(io::Error::from)?;
        self.text(format_args!("{line}\n"))
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

/// A line on standard error. If nobody reads that, nobody misses it.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
