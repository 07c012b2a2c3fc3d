//! Where a database's program is, and how it comes to a host: by being there, or from here.

use super::{DbError, architecture};
use crate::remote::{Command, files};
use crate::site::Site;
use std::io;
use std::path::PathBuf;

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file of this machine, brought to each host.
    Here(PathBuf),
    /// On each host: a path, or a name to be looked up in its PATH.
    There(String),
}

impl Program {
    /// What runs it on a host.
    pub fn word(&self, at: &Site) -> String {
        match self {
            Program::Here(file) => {
                at.program(&file.file_name().unwrap_or_default().to_string_lossy())
            }
            Program::There(word) => word.clone(),
        }
    }

    /// Sees that it is there: brings it, or looks for it. `mend` is what helps where it is missing: `apt-get install redis-server`.
    pub async fn provide(&self, at: &Site, mend: &str) -> Result<(), DbError> {
        self.preflight(at, mend).await?;
        if let Program::Here(file) = self {
            files::upload(&*at.remote, file, &self.word(at), 0o755).await?;
        }
        Ok(())
    }

    /// Whether it is there, or could run there if it was brought.
    pub async fn preflight(&self, at: &Site, mend: &str) -> Result<(), DbError> {
        match self {
            Program::Here(file) => architecture::fits(at, file).await,
            Program::There(word) => {
                let look = Command::script("look for", "command -v -- \"$1\"").arg(word);
                match at.remote.run(&look).await?.status {
                    0 => Ok(()),
                    _ => Err(io::Error::other(format!(
                        "{word} is not installed on {}: {mend}",
                        at.remote.name()
                    ))
                    .into()),
                }
            }
        }
    }
}
