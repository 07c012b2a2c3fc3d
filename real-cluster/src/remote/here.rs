//! This machine as a remote: the same lines through the same shell, without SSH. For tests of what runs on hosts, and for
//! whoever controls a cluster on the machine that it stands on.

use super::trailer::{parted, with_trailer};
use super::{Command, Input, Output, Remote, RemoteError, Sink};
use futures_util::future::LocalBoxFuture;
use std::fs::File;
use std::io;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// This machine, under a name.
pub struct Here(String);

impl Here {
    /// Called so in messages.
    pub fn named(name: impl Into<String>) -> Here {
        Here(name.into())
    }

    async fn execute(&self, command: &Command) -> io::Result<Output> {
        let mut shell = tokio::process::Command::new("sh");
        shell.arg("-c").arg(with_trailer(&command.line())).kill_on_drop(true);
        shell.stderr(Stdio::piped()).stdout(match &command.output {
            Sink::Memory => Stdio::piped(),
            Sink::File(path) => File::create(path)?.into(),
        });
        shell.stdin(match &command.input {
            Input::None => Stdio::null(),
            Input::Bytes(_) => Stdio::piped(),
            Input::File(path) => File::open(path)?.into(),
        });
        let mut child = shell.spawn()?;
        let pipe = child.stdin.take();
        let feed = async {
            if let (Some(mut pipe), Input::Bytes(bytes)) = (pipe, &command.input) {
                // Err: it ended, or closed its input, without reading all of it.
                let _ = pipe.write_all(bytes).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output?;
        let (status, stderr) = parted(&output.stderr)
            .ok_or_else(|| io::Error::other("the shell that ran it was killed"))?;
        Ok(Output { status, stdout: output.stdout, stderr })
    }
}

impl Remote for Here {
    fn name(&self) -> &str {
        &self.0
    }

    fn run<'a>(&'a self, command: &'a Command) -> LocalBoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(async move {
            match timeout(command.deadline, self.execute(command)).await {
                Ok(Ok(output)) => Ok(output),
                Ok(Err(error)) => Err(RemoteError::unknown(&self.0, command, error)),
                Err(_) => {
                    let why = format!("it did not end within {:?}", command.deadline);
                    Err(RemoteError::unknown(&self.0, command, why))
                }
            }
        })
    }
}
