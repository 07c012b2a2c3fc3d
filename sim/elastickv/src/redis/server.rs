//! The Redis port (`adapter/redis.go`, `redis_txn.go`, `redis_retry.go`): one task a connection, one command at a time.
//!
//! A node that does not lead proxies. The leader reads behind a fence: everything acknowledged before is applied here, then the snapshot
//! is chosen. It writes optimistically: snapshot, write set, dispatch; a conflict is tried again from a new
//! snapshot, under a new identity, up to fifty times. A command that is refused while MULTI queues does not abort EXEC, as upstream.

use super::command::{Command, CommandError, Name, kv_error};
use super::connection::{Connection, Standing};
use super::context::Context;
use super::proxy::Proxy;
use super::resp::{Reply, read_command};
use crate::bug::Bug;
use crate::env::{Draw, Env, Listener, NodeId};
use crate::kv::coordinator::{Coordinator, deadline};
use crate::kv::error::KvError;
use crate::kv::forward::ACCEPT_AGAIN;
use crate::kv::request::TxnRequest;
use crate::options::Options;
use bytes::{Bytes, BytesMut};
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

const ATTEMPTS: u32 = 50;
const BACKOFF_MIN: Duration = Duration::from_millis(1);
const BACKOFF_MAX: Duration = Duration::from_millis(10);

/// Between two looks of a command that waits.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Serves Redis clients. Cheap to clone.
pub struct Server<E: Env>(Rc<Inner<E>>);

impl<E: Env> Clone for Server<E> {
    fn clone(&self) -> Self {
        Server(self.0.clone())
    }
}

struct Inner<E: Env> {
    env: E,
    options: Rc<Options>,
    coordinator: Coordinator<E>,
    proxy: Proxy<E>,
    /// How many there were.
    connections: Cell<u64>,
}

impl<E: Env> Server<E> {
    /// On the node's coordinator.
    pub fn new(env: E, options: Rc<Options>, coordinator: Coordinator<E>) -> Server<E> {
        let (proxy, connections) = (Proxy::new(env.clone()), Cell::default());
        Server(Rc::new(Inner { env, options, coordinator, proxy, connections }))
    }

    /// Accepts connections until the node dies.
    pub async fn serve(self, mut listener: E::Listener) {
        loop {
            match listener.accept().await {
                Ok(socket) => self.0.env.spawn(self.clone().serve_connection(socket)),
                // Of one connection, or for want of descriptors: the port itself goes on.
                Err(_) => self.0.env.sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    async fn serve_connection(self, mut socket: E::Socket) {
        self.0.connections.set(self.0.connections.get() + 1);
        let mut connection = Connection::new(self.0.connections.get());
        let mut buffer = BytesMut::new();
        let mut chunk = vec![0; 4 << 10];
        loop {
            // Replies to what came in one piece leave in one piece.
            let mut out = Vec::new();
            let broken = self.serve_buffered(&mut connection, &mut buffer, &mut out).await;
            if !out.is_empty()
                && (socket.write_all(&out).await.is_err() || socket.flush().await.is_err())
            {
                return;
            }
            if broken {
                return;
            }
            match socket.read(&mut chunk).await {
                Ok(read) if read > 0 => buffer.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        }
    }

    /// Whether the connection is of no more use.
    async fn serve_buffered(
        &self,
        connection: &mut Connection,
        buffer: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> bool {
        loop {
            match read_command(buffer) {
                Ok(Some(args)) if args.is_empty() => {}
                Ok(Some(args)) => {
                    self.handle(connection, args).await.write(out);
                    if connection.ends {
                        return true;
                    }
                }
                Ok(None) => return false,
                Err(error) => {
                    Reply::Error(error.0).write(out);
                    return true;
                }
            }
        }
    }

    async fn handle(&self, connection: &mut Connection, args: Vec<Bytes>) -> Reply {
        let command = match Command::parse(args) {
            Ok(command) => command,
            Err(error) => return Reply::Error(error.to_string()),
        };
        match (command.name, &mut connection.queue) {
            (Name::Multi, Some(_)) => Reply::Error("ERR MULTI calls can not be nested".into()),
            (Name::Multi, queue) => {
                *queue = Some(Vec::new());
                Reply::ok()
            }
            (Name::Discard, None) => Reply::Error("ERR DISCARD without MULTI".into()),
            (Name::Discard, queue) => {
                *queue = None;
                Reply::ok()
            }
            (Name::Exec, None) => Reply::Error("ERR EXEC without MULTI".into()),
            (Name::Exec, queue) => {
                let queue = queue.take().unwrap_or_default();
                self.within(self.exec(queue)).await
            }
            (_, Some(queue)) => {
                queue.push(command);
                Reply::Simple("QUEUED".into())
            }
            (_, None) => match connection.answer(&command, &self.standing()) {
                Some(reply) => reply,
                None => self.within(self.single(command)).await,
            },
        }
    }

    fn standing(&self) -> Standing {
        let leader = self.0.coordinator.leader().map_or(String::new(), |leader| leader.to_string());
        Standing { leads: self.0.coordinator.is_leader(), leader }
    }

    async fn within(&self, work: impl Future<Output = Result<Reply, KvError>>) -> Reply {
        let result = deadline(&self.0.env, self.0.options.dispatch_timeout, work).await;
        self.0.env.yield_point("before the reply").await;
        result.unwrap_or_else(|error| kv_error(&error))
    }

    async fn single(&self, command: Command) -> Result<Reply, KvError> {
        let inner = &self.0;
        if !inner.coordinator.is_leader() {
            if command.name == Name::Lrange && inner.options.bugs.has(Bug::LrangeLocalOnFollower) {
                return Ok(self.run(&[command], self.read_ts()).replies.remove(0));
            }
            let leader = self.leader()?;
            let patience = command.patience().map_or(Duration::ZERO, |time| self.at_most(time));
            return inner.proxy.command(leader, &command.args, patience).await;
        }
        match command.patience() {
            Some(patience) => self.wait_for(command, patience).await,
            None => self.lead(command).await,
        }
    }

    /// A command that waits asks again and again (upstream: woken by writes, and every tenth of a second). It gives up a little before
    /// the dispatch would, also if it was to wait for ever.
    async fn wait_for(&self, command: Command, patience: Duration) -> Result<Reply, KvError> {
        let inner = &self.0;
        let until = inner.env.monotonic() + self.at_most(patience);
        let command = match self.pinned(command).await? {
            Ok(command) => command,
            Err(error) => return Ok(error_reply(error)),
        };
        loop {
            let reply = self.lead(command.clone()).await?;
            let left = until.saturating_sub(inner.env.monotonic());
            if reply != Reply::NullArray || left.is_zero() {
                return Ok(reply);
            }
            inner.env.sleep(left.min(ASK_AGAIN)).await;
        }
    }

    /// Zero is for ever, which nobody waits.
    fn at_most(&self, patience: Duration) -> Duration {
        let most = self.0.options.dispatch_timeout * 4 / 5;
        if patience.is_zero() { most } else { patience.min(most) }
    }

    async fn pinned(&self, command: Command) -> Result<Result<Command, CommandError>, KvError> {
        let ts = self.fenced_ts().await?;
        let fsm = self.0.coordinator.engine().fsm().borrow();
        Ok(command.pinned(&mut Context::new(&fsm.store, ts, self.0.env.wall_ms())))
    }

    /// A command where this node leads.
    async fn lead(&self, command: Command) -> Result<Reply, KvError> {
        if !command.writes() {
            let ts = self.fenced_ts().await?;
            return Ok(self.run(&[command], ts).replies.remove(0));
        }
        let fence = match command.writes_what_it_finds() {
            true => Fence::Always,
            false => Fence::OnlyForReads,
        };
        Ok(self.write(vec![command], fence).await?.remove(0))
    }

    async fn exec(&self, queue: Vec<Command>) -> Result<Reply, KvError> {
        let inner = &self.0;
        let leads = inner.coordinator.is_leader();
        if !leads && !inner.options.bugs.has(Bug::ExecOnFollower) {
            let leader = self.leader()?;
            let queue: Vec<Vec<Bytes>> = queue.into_iter().map(|command| command.args).collect();
            return inner.proxy.transaction(leader, &queue).await;
        }
        if let Some(command) = queue.iter().find(|command| !command.runs_in_multi()) {
            let name = String::from_utf8_lossy(&command.args[0]).into_owned();
            return Ok(Reply::Error(CommandError::Unsupported(name).to_string()));
        }
        let fence = if leads { Fence::Always } else { Fence::Never };
        self.write(queue, fence).await.map(Reply::Array)
    }

    /// `retryRedisWrite`: snapshot, run, dispatch; again on a conflict.
    async fn write(&self, commands: Vec<Command>, fence: Fence) -> Result<Vec<Reply>, KvError> {
        let mut fence = fence;
        let mut backoff = BACKOFF_MIN;
        let mut attempt = 0;
        loop {
            let start_ts = match fence {
                Fence::Always => self.start_ts(self.fenced_ts().await?),
                Fence::Never | Fence::OnlyForReads => self.start_ts(self.read_ts()),
            };
            let Ran { replies, txn } = self.run(&commands, start_ts);
            let Some(txn) = txn else {
                if fence == Fence::OnlyForReads {
                    // Nothing to write after all: then this was a read, and no conflict check will tell if it was stale.
                    fence = Fence::Always;
                    continue;
                }
                return Ok(replies);
            };
            self.0.env.yield_point("between snapshot and dispatch").await;
            match self.0.coordinator.dispatch(txn).await {
                Ok(_) => return Ok(replies),
                Err(KvError::WriteConflict(_)) if attempt < ATTEMPTS => {
                    self.0.env.reached("write conflict")
                }
                Err(error) => return Err(error),
            }
            attempt += 1;
            self.back_off(&mut backoff).await;
        }
    }

    /// Runs commands one after the other on the snapshot at `ts`. A mistake of the client's is its own reply: in EXEC an element
    /// of the array.
    fn run(&self, commands: &[Command], ts: u64) -> Ran {
        let engine = self.0.coordinator.engine();
        let fsm = engine.fsm().borrow();
        let mut context = Context::new(&fsm.store, ts, self.0.env.wall_ms());
        let mut apply = |command: &Command| command.apply(&mut context).unwrap_or_else(error_reply);
        let replies = commands.iter().map(&mut apply).collect();
        let writes = !context.is_read_only();
        let txn = writes.then(|| context.into_txn(self.0.coordinator.new_request(), ts));
        Ran { replies, txn }
    }

    /// `redisReadFencedTimestamp`: fence, timestamp, fence.
    async fn fenced_ts(&self) -> Result<u64, KvError> {
        self.0.coordinator.lease_read().await?;
        self.0.env.yield_point("between fence and snapshot").await;
        let ts = self.read_ts();
        self.0.coordinator.lease_read().await?;
        Ok(ts)
    }

    /// The newest snapshot of what is applied here; an empty store has one, too.
    fn read_ts(&self) -> u64 {
        self.0.coordinator.engine().last_commit_ts().max(1)
    }

    fn start_ts(&self, snapshot: u64) -> u64 {
        if self.0.options.bugs.has(Bug::StartTsFromHlcNext) {
            let wall_ms = self.0.env.wall_ms();
            return self.0.coordinator.engine().fsm().borrow().hlc.next(wall_ms);
        }
        snapshot
    }

    fn leader(&self) -> Result<NodeId, KvError> {
        let me = self.0.env.id();
        self.0.coordinator.leader().filter(|leader| *leader != me).ok_or(KvError::LeaderNotFound)
    }

    async fn back_off(&self, delay: &mut Duration) {
        let jitter = self.0.env.draw(Draw::Backoff) % (delay.as_nanos() as u64 / 2).max(1);
        self.0.env.sleep(*delay + Duration::from_nanos(jitter)).await;
        *delay = (*delay * 2).min(BACKOFF_MAX);
    }
}

/// What commands came to on a snapshot.
struct Ran {
    /// One each.
    replies: Vec<Reply>,
    /// Their writes, if there are any.
    txn: Option<TxnRequest>,
}

/// When a write asks for a fence before its snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fence {
    /// EXEC: it may only read.
    Always,
    /// A single command: the conflict check at apply guards what it writes.
    OnlyForReads,
    /// A follower that executes by itself (F6).
    Never,
}

fn error_reply(error: CommandError) -> Reply {
    Reply::Error(error.to_string())
}
