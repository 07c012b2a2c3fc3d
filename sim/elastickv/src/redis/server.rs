//! The Redis port (`adapter/redis.go`, `redis_txn.go`, `redis_retry.go`): one task a connection, one command at a time.
//!
//! A node that does not lead the groups of a command's keys proxies to the one that does; where there is none, it refuses, as upstream
//! does in EXEC. The leader reads behind a fence: everything acknowledged before is applied here, then the snapshot
//! is chosen. It writes optimistically: snapshot, write set, dispatch; a conflict is tried again from a new
//! snapshot, under a new identity, up to fifty times. A command that is refused while MULTI queues does not abort EXEC, as upstream.

use super::command::{Command, CommandError, Name, kv_error};
use super::connection::{Connection, Standing};
use super::proxy::Proxy;
use super::pubsub::{self, Channels, Subscriber};
use super::relay::Relay;
use super::resp::{Reply, read_command};
use super::scripts::Scripts;
use crate::bug::Bug;
use crate::env::{Env, GroupId, Listener, NodeId};
use crate::kv::coordinator::Coordinator;
use crate::kv::error::KvError;
use crate::kv::forward::ACCEPT_AGAIN;
use crate::kv::leader_proxy::{LeaderProxy, deadline};
use crate::options::Options;
use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use transact::{Fence, LOCK_BACKOFF_MIN, Snapshot};

mod transact;

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
    scripts: Scripts,
    channels: Channels,
    relay: Relay<E>,
    /// How many there were.
    connections: Cell<u64>,
}

impl<E: Env> Server<E> {
    /// On the node's coordinator and its channels.
    pub fn new(
        env: E,
        options: Rc<Options>,
        coordinator: Coordinator<E>,
        channels: Channels,
    ) -> Server<E> {
        let proxy = Proxy::new(env.clone(), options.bugs);
        let relay = Relay::new(env.clone(), &options.nodes, channels.clone());
        let (scripts, connections) = (Scripts::default(), Cell::default());
        Server(Rc::new(Inner {
            env,
            options,
            coordinator,
            proxy,
            scripts,
            channels,
            relay,
            connections,
        }))
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
            if !out.is_empty() && pubsub::write(&connection, &mut socket, &out).await.is_err() {
                return;
            }
            if broken {
                return;
            }
            match pubsub::read(&connection, &mut socket, &mut chunk).await {
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
                    out.extend(connection.subscriber.iter().flat_map(Subscriber::pushed));
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
        if connection.queue.is_none()
            && let Some(reply) = pubsub::answer(&self.0.channels, connection, &command)
        {
            return reply;
        }
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
            (Name::Publish, None) => {
                Reply::Integer(self.0.relay.publish(&command.args[1], &command.args[2]).await)
            }
            (_, None) => match connection.answer(&command, &self.standing()) {
                Some(reply) => reply,
                None => self.within(self.single(command)).await,
            },
        }
    }

    fn standing(&self) -> Standing {
        let coordinator = &self.0.coordinator;
        let leader = coordinator.leader(&[GroupId::DEFAULT]);
        let leader = leader.map_or(String::new(), |leader| leader.to_string());
        Standing { leads: coordinator.leads(&[GroupId::DEFAULT]), leader }
    }

    async fn within(&self, work: impl Future<Output = Result<Reply, KvError>>) -> Reply {
        let result = deadline(&self.0.env, self.0.options.dispatch_timeout, work).await;
        self.0.env.yield_point("before the reply").await;
        result.unwrap_or_else(|error| kv_error(&error))
    }

    async fn single(&self, command: Command) -> Result<Reply, KvError> {
        let inner = &self.0;
        let groups = self.groups(std::slice::from_ref(&command));
        if !inner.coordinator.leads(&groups) {
            if command.name == Name::Lrange && inner.options.bugs.has(Bug::LrangeLocalOnFollower) {
                return Ok(self.run(&[command], Snapshot::OfWhatIsApplied)?.replies.remove(0));
            }
            let leader = self.leader(&groups)?;
            let patience = command.patience().map_or(Duration::ZERO, |time| self.at_most(time));
            return inner.proxy.command(leader, &command.args, patience).await;
        }
        match command.patience() {
            Some(patience) => self.wait_for(command, patience, groups).await,
            None => self.lead(command, groups).await,
        }
    }

    /// The groups that commands concern, as far as they say: in order.
    fn groups(&self, commands: &[Command]) -> Vec<GroupId> {
        let coordinator = &self.0.coordinator;
        let all = || coordinator.shards().iter().map(LeaderProxy::group);
        if !coordinator.is_sharded() || commands.iter().any(Command::looks_at_all) {
            return all().collect();
        }
        let routes = coordinator.routes().borrow();
        let keys = commands.iter().flat_map(Command::routing_keys);
        let mut groups: Vec<GroupId> = keys.map(|key| routes.route(&key).group).collect();
        groups.sort_unstable();
        groups.dedup();
        if groups.is_empty() { vec![GroupId::DEFAULT] } else { groups }
    }

    /// A command that waits asks again and again (upstream: woken by writes, and every tenth of a second). It gives up a little before
    /// the dispatch would, also if it was to wait for ever.
    async fn wait_for(
        &self,
        command: Command,
        patience: Duration,
        groups: Vec<GroupId>,
    ) -> Result<Reply, KvError> {
        let inner = &self.0;
        let until = inner.env.monotonic() + self.at_most(patience);
        let command = match self.pinned(command, &groups).await? {
            Ok(command) => command,
            Err(error) => return Ok(error_reply(error)),
        };
        loop {
            let reply = self.lead(command.clone(), groups.clone()).await?;
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

    async fn pinned(
        &self,
        command: Command,
        groups: &[GroupId],
    ) -> Result<Result<Command, CommandError>, KvError> {
        let mut backoff = LOCK_BACKOFF_MIN;
        loop {
            self.fence(groups).await?;
            self.0.env.yield_point("between fence and snapshot").await;
            let now = Snapshot::OfWhatIsApplied;
            let (pinned, held_up_by) = self.on_snapshot(now, |mut context| {
                (command.pinned(&mut context), context.held_up_by())
            })?;
            self.fence(groups).await?;
            match held_up_by {
                None => return Ok(pinned),
                Some(held) => self.settle(held.group, held.lock, &mut backoff).await,
            }
        }
    }

    /// A command where this node leads.
    async fn lead(&self, command: Command, groups: Vec<GroupId>) -> Result<Reply, KvError> {
        let command = match self.0.scripts.prepared(command) {
            Ok(command) => command,
            Err(reply) => return Ok(reply),
        };
        if !command.writes() {
            return Ok(self.read(&[command], groups).await?.remove(0));
        }
        let fence = match command.writes_what_it_finds() {
            true => Fence::Always,
            false => Fence::OnlyForReads,
        };
        Ok(self.write(vec![command], fence, groups).await?.remove(0))
    }

    async fn exec(&self, queue: Vec<Command>) -> Result<Reply, KvError> {
        let inner = &self.0;
        let groups = self.groups(&queue);
        let leads = inner.coordinator.leads(&groups);
        if !leads && !inner.options.bugs.has(Bug::ExecOnFollower) {
            let leader = self.leader(&groups)?;
            let queue: Vec<Vec<Bytes>> = queue.into_iter().map(|command| command.args).collect();
            return inner.proxy.transaction(leader, &queue).await;
        }
        if let Some(command) = queue.iter().find(|command| !command.runs_in_multi()) {
            let name = String::from_utf8_lossy(&command.args[0]).into_owned();
            return Ok(Reply::Error(CommandError::Unsupported(name).to_string()));
        }
        let fence = if leads { Fence::Always } else { Fence::Never };
        self.write(queue, fence, groups).await.map(Reply::Array)
    }

    fn leader(&self, groups: &[GroupId]) -> Result<NodeId, KvError> {
        let me = self.0.env.id();
        let leader = self.0.coordinator.leader(groups)?;
        if leader == me { Err(KvError::LeaderNotFound) } else { Ok(leader) }
    }
}

fn error_reply(error: CommandError) -> Reply {
    Reply::Error(error.to_string())
}
