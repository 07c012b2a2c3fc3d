//! Proxying Redis commands to the leader (`adapter/redis_proxy_leader.go`).
//!
//! One attempt per command, never a second one: the command may have been executed although its reply was lost. (Upstream leaves
//! go-redis' three retries on, suspicion S5.) Idle connections are checked before use, as go-redis does, and up
//! to 64 are kept per node, so that nobody waits for one (upstream: four). No hop limit, as upstream: who is asked may proxy again.

use super::resp::{Reply, read_reply, write_command};
use crate::bug::{Bug, Bugs};
use crate::env::{Env, NodeId, Port};
use crate::kv::error::KvError;
use crate::pool::Pool;
use bytes::{Bytes, BytesMut};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use futures_util::{FutureExt, select_biased};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::time::Duration;

const POOL: usize = 64;
/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// go-redis' `MaxRetries` and `MinRetryBackoff`, without its jitter.
const MAX_RETRIES: u32 = 3;
const MIN_RETRY_BACKOFF: Duration = Duration::from_millis(8);

/// Clients to the other nodes' Redis ports.
pub struct Proxy<E: Env> {
    env: E,
    bugs: Bugs,
    idle: Pool<E::Socket>,
    /// What a reply is read into, unless another one is being read.
    chunk: Cell<Vec<u8>>,
}

impl<E: Env> Proxy<E> {
    /// With no connection open.
    pub fn new(env: E, bugs: Bugs) -> Proxy<E> {
        Proxy { env, bugs, idle: Pool::new(POOL), chunk: Cell::default() }
    }

    /// One command; status replies come back as bulk strings (`writeGoRedisValue`).
    /// Of one that waits, the leader may take so much longer.
    pub async fn command(
        &self,
        to: NodeId,
        args: &[Bytes],
        patience: Duration,
    ) -> Result<Reply, KvError> {
        let mut request = Vec::new();
        write_command(&mut request, args);
        let reply = self.exchange_again(to, request, READ_TIMEOUT + patience).await?;
        Ok(match reply.strip_prefix(b"+") {
            Some(status) => Reply::Bulk(Bytes::copy_from_slice(status.trim_ascii_end())),
            None => Reply::Verbatim(reply),
        })
    }

    /// A queue as MULTI … EXEC in one write (`TxPipelined`); the reply to EXEC.
    pub async fn transaction(&self, to: NodeId, queue: &[Vec<Bytes>]) -> Result<Reply, KvError> {
        let mut request = Vec::new();
        write_command(&mut request, &[Bytes::from_static(b"MULTI")]);
        for args in queue {
            write_command(&mut request, args);
        }
        write_command(&mut request, &[Bytes::from_static(b"EXEC")]);
        self.exchange(to, request, queue.len() + 2, READ_TIMEOUT).await.map(Reply::Verbatim)
    }

    /// Sends a command once. (With go-redis' retries up to four times: it takes a broken connection and a late reply for a
    /// command that was not executed.)
    async fn exchange_again(
        &self,
        to: NodeId,
        request: Vec<u8>,
        read_within: Duration,
    ) -> Result<Bytes, KvError> {
        let retries = if self.bugs.has(Bug::ProxyClientRetries) { MAX_RETRIES } else { 0 };
        for _ in 0..retries {
            if let Ok(reply) = self.exchange(to, request.clone(), 1, read_within).await {
                return Ok(reply);
            }
            self.env.sleep(MIN_RETRY_BACKOFF).await;
        }
        self.exchange(to, request, 1, read_within).await
    }

    /// Sends a request and returns the last of so many replies.
    async fn exchange(
        &self,
        to: NodeId,
        request: Vec<u8>,
        replies: usize,
        read_within: Duration,
    ) -> Result<Bytes, KvError> {
        sometimes!(self.env, "redis proxy");
        let me = self.env.id();
        let dialed =
            |e: io::Error| KvError::Rpc(format!("dial tcp {me}->{to}: connect: {}", words(&e)));
        let broken = |e: io::Error| KvError::Rpc(format!("read tcp {me}->{to}: {}", words(&e)));
        let mut socket = match self.idle.take_quiet(to) {
            Some(socket) => socket,
            None => self
                .within(DIAL_TIMEOUT, self.env.connect(to, Port::REDIS))
                .await
                .map_err(dialed)?,
        };
        let work = async {
            socket.write_all(&request).await?;
            socket.flush().await?;
            let mut chunk = self.chunk.take();
            chunk.resize(CHUNK, 0);
            let answers = read_replies(&mut socket, &mut chunk, replies).await;
            self.chunk.set(chunk);
            answers
        };
        let answers = self.within(read_within, work).await.map_err(broken)?;
        self.idle.put(to, socket);
        Ok(answers)
    }

    async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut work = std::pin::pin!(work.fuse());
        let mut timer = std::pin::pin!(self.env.sleep(time).fuse());
        select_biased! {
            result = work => result,
            () = timer => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The last of so many replies.
async fn read_replies<S: AsyncReadExt + Unpin>(
    socket: &mut S,
    chunk: &mut [u8],
    count: usize,
) -> io::Result<Bytes> {
    let mut buffer = BytesMut::new();
    let mut last = Bytes::new();
    let mut missing = count;
    while missing > 0 {
        match read_reply(&mut buffer) {
            Ok(Some(reply)) => {
                last = reply;
                missing -= 1;
            }
            Ok(None) => {
                let read = socket.read(chunk).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                buffer.extend_from_slice(&chunk[..read]);
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.0)),
        }
    }
    Ok(last)
}

/// The error in Go's words.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "EOF".into(),
        io::ErrorKind::TimedOut => "i/o timeout".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        io::ErrorKind::BrokenPipe => "broken pipe".into(),
        _ => error.to_string(),
    }
}
