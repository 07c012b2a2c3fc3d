//! A machine on which commands can be run. Whatever a run does to a host, it does through [`Remote::run`], so that a recorded
//! remote shows every word of it, and a lost link has one meaning: nobody knows.
//!
//! Promises of every implementation: a command has a deadline; its words reach the host as they are, whatever characters
//! they hold; it runs as root; and a command whose end was not seen is [`RemoteError::Unknown`], never a success and never a
//! failure. None is ever repeated by a remote itself.

use futures_util::future::LocalBoxFuture;
use std::fmt;
use std::io;
use std::process::ExitStatus;

pub mod command;
pub mod files;
pub mod here;
pub mod openssh;
pub mod recorded;
mod trailer;

pub use command::{Command, Input, Sink, quoted, unquoted};

/// A machine.
pub trait Remote {
    /// Who and where, for people: `n1 (root@10.0.0.1:22)`.
    fn name(&self) -> &str;

    /// Runs a command as root and waits for its end, which may be a failure of its own.
    fn run<'a>(&'a self, command: &'a Command) -> LocalBoxFuture<'a, Result<Output, RemoteError>>;
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 and the signal's number if it was killed.
    pub status: i32,
    /// What it wrote to standard output, unless that went to a file.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as text, without the white space at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// The last line of standard error that is not empty.
    pub fn complaint(&self) -> &str {
        let mut lines = self.stderr.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or("it said nothing")
    }
}

/// Why a command did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It was not run.
    #[error("{host}: {why}")]
    Unreachable {
        /// [`Remote::name`].
        host: String,
        /// What was in the way, and what would mend it.
        why: String,
    },
    /// It was not run: there is a connection, but no way to be root.
    #[error("{host}: {why}")]
    NotRoot {
        /// [`Remote::name`].
        host: String,
        /// What was in the way, and what would mend it.
        why: String,
    },
    /// It may have run or not, and may still be running.
    #[error("{host}: nobody knows whether `{command}` was done: {why}")]
    Unknown {
        /// [`Remote::name`].
        host: String,
        /// [`Command::title`].
        command: String,
        /// What was in the way.
        why: String,
    },
    /// It ran and failed.
    #[error("{host}: `{command}` ended with {status}: {complaint}")]
    Failed {
        /// [`Remote::name`].
        host: String,
        /// [`Command::title`].
        command: String,
        /// Its exit status.
        status: i32,
        /// The last line that it wrote to standard error.
        complaint: String,
    },
}

impl RemoteError {
    pub(crate) fn unknown(host: &str, command: &Command, why: impl fmt::Display) -> RemoteError {
        RemoteError::Unknown {
            host: host.to_owned(),
            command: command.title(),
            why: why.to_string(),
        }
    }
}

impl From<RemoteError> for io::Error {
    fn from(error: RemoteError) -> io::Error {
        io::Error::other(error.to_string())
    }
}

/// Runs a command that must succeed.
pub async fn done(remote: &dyn Remote, command: &Command) -> Result<Output, RemoteError> {
    let output = remote.run(command).await?;
    match output.status {
        0 => Ok(output),
        status => Err(RemoteError::Failed {
            host: remote.name().to_owned(),
            command: command.title(),
            status,
            complaint: output.complaint().to_owned(),
        }),
    }
}

/// A status as shells tell it.
fn status_of(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| Some(128 + status.signal()?))
}
