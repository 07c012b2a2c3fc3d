//! A program on a host that outlives the connection which started it. Jepsen's `start-daemon!` and `stop-daemon!`, with every
//! effect awaited: what was started runs, what was killed is gone, what was stopped stands.
//!
//! What does it is a POSIX shell script (`daemon.sh`), so nothing has to be installed on the host for it.

use super::{End, Started};
use crate::remote::{Command, Remote, RemoteError, done, quoted};
use std::time::Duration;

/// `daemon VERB FOLDER …`.
const SCRIPT: &str = include_str!("daemon.sh");
/// How long it may take to end well.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long a look at it may take.
const LOOKS_WITHIN: Duration = Duration::from_secs(10);
/// What a killed process may take to go, and the way there and back.
const WITHIN: Duration = Duration::from_secs(30);

/// What is to run, and where its state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// On the host: whether and as what it runs.
    pub folder: String,
    /// On the host: what it writes is appended.
    pub log: String,
    /// The program and its words.
    pub words: Vec<String>,
}

impl Daemon {
    /// Starts it, if it does not run.
    pub async fn start(&self, on: &dyn Remote) -> Result<Started, RemoteError> {
        let words = self.words.iter().map(String::as_str);
        let start = self.command("start").arg(&self.log).args(words);
        match done(on, &start).await?.text().as_str() {
            "already running" => Ok(Started::AlreadyRunning),
            _ => Ok(Started::Started),
        }
    }

    /// Ends it, by force if it has to be. `false` if it had to be.
    pub async fn stop(&self, on: &dyn Remote) -> Result<bool, RemoteError> {
        let stop = self.command("stop").arg(ENDS_WITHIN.as_secs().to_string());
        Ok(done(on, &stop).await?.text() != "killed")
    }

    /// Kills it; returns when it is gone: how many processes there were.
    pub async fn kill(&self, on: &dyn Remote) -> Result<u64, RemoteError> {
        self.number(on, "kill").await
    }

    /// Stops it; returns when it stands: how many processes did not stand before.
    pub async fn pause(&self, on: &dyn Remote) -> Result<u64, RemoteError> {
        self.number(on, "pause").await
    }

    /// Continues it.
    pub async fn resume(&self, on: &dyn Remote) -> Result<(), RemoteError> {
        done(on, &self.command("resume")).await.map(drop)
    }

    /// The leader of its session, as long as it runs.
    pub async fn running(&self, on: &dyn Remote) -> Result<Option<u32>, RemoteError> {
        let text = done(on, &self.command("status").within(LOOKS_WITHIN)).await?.text();
        Ok(text.strip_prefix("running ").and_then(|number| number.parse().ok()))
    }

    /// Ends that nobody asked for since the last call, each with the last line of the log that has one of these words.
    pub async fn ends(&self, on: &dyn Remote, words: &[&str]) -> Result<Vec<End>, RemoteError> {
        let text = done(on, &self.command("ends")).await?.text();
        let mut ends = Vec::new();
        for line in text.lines() {
            let status = line.split(' ').next().and_then(|status| status.parse().ok());
            let Some(status) = status else { continue };
            ends.push(End { status, line: self.last_line(on, words).await? });
        }
        Ok(ends)
    }

    /// The last line of the log that has one of these words, or else the last one.
    async fn last_line(&self, on: &dyn Remote, words: &[&str]) -> Result<String, RemoteError> {
        let look = Command::new("tail").args(["-c", "65536", "--", &self.log]);
        let text = on.run(&look).await?.text();
        let said = |line: &&str| words.iter().any(|word| line.contains(word));
        let line = text.lines().rev().find(said).or_else(|| text.lines().next_back());
        Ok(line.unwrap_or("its log is empty").trim().to_owned())
    }

    /// The line for a shell of the host that ends it, however it was left.
    pub fn undo(&self) -> String {
        self.command("stop").arg(ENDS_WITHIN.as_secs().to_string()).line()
    }

    async fn number(&self, on: &dyn Remote, verb: &str) -> Result<u64, RemoteError> {
        let command = self.command(verb);
        let output = done(on, &command).await?;
        output.text().parse().map_err(|_| {
            RemoteError::unknown(
                on.name(),
                &command,
                format_args!("it said {}", quoted(&output.text())),
            )
        })
    }

    fn command(&self, verb: &str) -> Command {
        Command::script("daemon", SCRIPT).args([verb, &self.folder]).within(WITHIN)
    }
}
