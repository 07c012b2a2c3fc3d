//! The sending half: dials one peer for one lane, again and again, and writes what waits.

use super::outbox::Outbox;
use super::wire::{HELLO_LEN, Hello, broken, write_frame};
use crate::metrics::{Dropped, Metrics, lane_name};
use elastickv::env::{Lane, NodeId};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// For the connection and the hello together.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// Frames are gathered up to here before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// Where messages go.
pub(super) struct Link {
    pub(super) me: NodeId,
    pub(super) to: NodeId,
    pub(super) lane: Lane,
    /// Host and port.
    pub(super) address: (String, u16),
}

impl Link {
    /// Sends what is put into the outbox, for ever.
    pub(super) async fn deliver(self, outbox: Rc<Outbox>, metrics: Rc<Metrics>) {
        let (to, lane) = (self.to, lane_name(self.lane));
        let mut backoff = BACKOFF_FIRST;
        let mut told = false;
        loop {
            outbox.filled().await;
            match self.dial().await {
                Ok(stream) => {
                    metrics.connected(self.lane);
                    tracing::info!("connected to {to}, {lane}");
                    (backoff, told) = (BACKOFF_FIRST, false);
                    let lost = self.write(stream, &outbox, &metrics).await;
                    tracing::info!("lost {to}, {lane}: {lost}");
                }
                Err(error) => {
                    // Once per outage: a peer that is down for long must not fill the log.
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!("cannot reach {to}, {lane}: {error}");
                    }
                    metrics.dropped(Dropped::Unreachable, outbox.clear());
                }
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let greeted = timeout(DIAL_WITHIN, async {
            let (host, port) = &self.address;
            let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
            super::receiver::tune(&stream)?;
            let hello = Hello { from: self.me, to: self.to, lane: self.lane };
            stream.write_all(&hello.encode()).await?;
            let mut answer = [0; HELLO_LEN];
            stream.read_exact(&mut answer).await?;
            let answer = Hello::decode(&answer)?;
            if answer != hello.answer() {
                return Err(broken(format!("{} answers there, not {}", answer.from, self.to)));
            }
            Ok(stream)
        });
        greeted.await.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {DIAL_WITHIN:?}"),
            ))
        })
    }

    /// Returns why the connection is of no more use.
    async fn write(&self, mut stream: TcpStream, outbox: &Outbox, metrics: &Metrics) -> io::Error {
        let sent = metrics.traffic("sent", self.lane);
        let (mut reader, mut writer) = stream.split();
        let mut buffer = Vec::new();
        let mut byte = [0; 1];
        loop {
            buffer.clear();
            let mut messages = 0;
            while buffer.len() < WRITE_BYTES {
                let Some(message) = outbox.pop() else { break };
                write_frame(&mut buffer, &message);
                messages += 1;
            }
            if messages > 0 {
                if let Err(error) = writer.write_all(&buffer).await {
                    metrics.dropped(Dropped::Unreachable, messages);
                    return error;
                }
                sent.count(messages, buffer.len() as u64);
                buffer.shrink_to(4 * WRITE_BYTES);
                continue;
            }
            tokio::select! {
                biased;
                () = outbox.filled() => {}
                // Nothing is ever sent this way: it ends, or it is not a node.
                read = reader.read(&mut byte) => return match read {
                    Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                    Ok(_) => broken("it sent more than a hello".into()),
                    Err(error) => error,
                },
            }
        }
    }
}
