//! Pub/Sub within a node (`adapter/redis_pubsub.go`): who is subscribed to what, and messages to them while they wait for input.
//!
//! At most once: a message goes to who is subscribed when it arrives, and nothing is kept. What is published before a connection's
//! command was handled stands before the reply to it, so that after UNSUBSCRIBE's reply no message comes. Who takes so little that
//! [`QUEUE_MAX`] bytes would wait for him is disconnected, as Redis' `client-output-buffer-limit pubsub` does.
//!
//! Differs from upstream: UNSUBSCRIBE is a command everywhere, and after the last channel a connection takes all commands
//! again: both as Redis; a slow subscriber holds nobody up. No patterns, as upstream.

use super::command::{Command, Name, is};
use super::connection::Connection;
use super::generic::matches;
use super::resp::Reply;
use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_util::{FutureExt, select_biased};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::mem::take;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes that may wait for one connection. Redis' hard limit.
pub const QUEUE_MAX: usize = 32 << 20;

/// What the connections of a node are subscribed to, by their numbers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Channels(Rc<RefCell<BTreeMap<Bytes, BTreeMap<u64, Rc<Inbox>>>>>);

impl Channels {
    /// Hands a message to all who are subscribed here; how many they are.
    pub fn publish(&self, channel: &Bytes, message: &Bytes) -> i64 {
        let mut push = Vec::new();
        let words = [Bytes::from_static(b"message"), channel.clone(), message.clone()];
        Reply::Array(words.map(Reply::Bulk).to_vec()).write(&mut push);
        let channels = self.0.borrow();
        let subscribed = channels.get(channel).into_iter().flat_map(BTreeMap::values);
        subscribed.filter(|inbox| inbox.push(&push)).count() as i64
    }

    /// `PUBSUB CHANNELS [pattern]`, `PUBSUB NUMSUB [channel …]`, `PUBSUB NUMPAT`: of this node alone, as upstream.
    fn about(&self, args: &[Bytes]) -> Reply {
        let channels = self.0.borrow();
        match &args[1..] {
            [sub, rest @ ..] if is(sub, "CHANNELS") => {
                let pattern = rest.first().map_or(&b"*"[..], |pattern| pattern);
                let named = channels.keys().filter(|channel| matches(pattern, channel));
                Reply::Array(named.cloned().map(Reply::Bulk).collect())
            }
            [sub, rest @ ..] if is(sub, "NUMSUB") => {
                let count = |channel: &Bytes| channels.get(channel).map_or(0, BTreeMap::len) as i64;
                let one = |channel: &Bytes| {
                    [Reply::Bulk(channel.clone()), Reply::Integer(count(channel))]
                };
                Reply::Array(rest.iter().flat_map(one).collect())
            }
            [sub, ..] if is(sub, "NUMPAT") => Reply::Integer(0),
            _ => {
                let sub = String::from_utf8_lossy(&args[1]);
                Reply::Error(format!("ERR unsupported PUBSUB subcommand '{sub}'"))
            }
        }
    }
}

/// What waits for one connection.
#[derive(Default)]
struct Inbox {
    bytes: RefCell<Vec<u8>>,
    overflows: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Inbox {
    /// Whether it still takes any.
    fn push(&self, push: &[u8]) -> bool {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.len() + push.len() > QUEUE_MAX {
            self.overflows.set(true);
            bytes.clear();
        }
        if !self.overflows.get() {
            bytes.extend_from_slice(push);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        !self.overflows.get()
    }

    fn poll_overflow(&self, cx: &Context<'_>) -> Poll<io::Error> {
        if self.overflows.get() {
            let text = "the client takes too little of what is published";
            return Poll::Ready(io::Error::other(text));
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn poll_pushed(&self, cx: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        match self.poll_overflow(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending if self.bytes.borrow().is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(take(&mut *self.bytes.borrow_mut()))),
        }
    }
}

/// A connection that is subscribed. It is no more when this is dropped.
pub struct Subscriber {
    id: u64,
    channels: Channels,
    inbox: Rc<Inbox>,
    to: BTreeSet<Bytes>,
}

impl Subscriber {
    /// Not subscribed to anything yet.
    fn new(channels: &Channels, id: u64) -> Subscriber {
        let (inbox, to) = (Rc::default(), BTreeSet::new());
        Subscriber { id, channels: channels.clone(), inbox, to }
    }

    /// What was pushed and is not written yet.
    pub fn pushed(&self) -> Vec<u8> {
        take(&mut *self.inbox.bytes.borrow_mut())
    }

    fn subscribe(&mut self, channel: &Bytes) -> Reply {
        let mut channels = self.channels.0.borrow_mut();
        channels.entry(channel.clone()).or_default().insert(self.id, self.inbox.clone());
        self.to.insert(channel.clone());
        told("subscribe", Some(channel), self.to.len())
    }

    fn unsubscribe(&mut self, channel: &Bytes) -> Reply {
        self.to.remove(channel);
        self.leave(channel);
        told("unsubscribe", Some(channel), self.to.len())
    }

    fn leave(&self, channel: &Bytes) {
        let mut channels = self.channels.0.borrow_mut();
        if let Some(subscribed) = channels.get_mut(channel) {
            subscribed.remove(&self.id);
            if subscribed.is_empty() {
                channels.remove(channel);
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for channel in &self.to {
            self.leave(channel);
        }
    }
}

/// The reply, if the command is about subscriptions, or none that a subscribed connection may ask.
pub fn answer(
    channels: &Channels,
    connection: &mut Connection,
    command: &Command,
) -> Option<Reply> {
    let (args, id) = (&command.args, connection.id);
    match (command.name, &mut connection.subscriber) {
        (Name::Subscribe, subscriber) => {
            let subscriber = subscriber.get_or_insert_with(|| Subscriber::new(channels, id));
            Some(in_a_row(args[1..].iter().map(|channel| subscriber.subscribe(channel))))
        }
        (Name::Unsubscribe, subscriber) => {
            let reply = unsubscribe(subscriber.as_mut(), &args[1..]);
            if subscriber.as_ref().is_some_and(|subscriber| subscriber.to.is_empty()) {
                *subscriber = None;
            }
            Some(reply)
        }
        (Name::Pubsub, None) => Some(channels.about(args)),
        (_, None) | (Name::Quit, Some(_)) => None,
        (Name::Ping, Some(_)) => {
            let message = args.get(1).cloned().unwrap_or_default();
            Some(Reply::Array(vec![Reply::Bulk("pong".into()), Reply::Bulk(message)]))
        }
        (_, Some(_)) => {
            let name = String::from_utf8_lossy(&args[0]);
            Some(Reply::Error(format!(
                "ERR Can't execute '{name}': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT are allowed in this context"
            )))
        }
    }
}

/// From these channels; from all, if none is named.
fn unsubscribe(subscriber: Option<&mut Subscriber>, named: &[Bytes]) -> Reply {
    let Some(subscriber) = subscriber else {
        return match named {
            [] => told("unsubscribe", None, 0),
            _ => in_a_row(named.iter().map(|channel| told("unsubscribe", Some(channel), 0))),
        };
    };
    let all: Vec<Bytes> = subscriber.to.iter().cloned().collect();
    let channels = if named.is_empty() { &all } else { named };
    in_a_row(channels.iter().map(|channel| subscriber.unsubscribe(channel)))
}

fn told(what: &'static str, channel: Option<&Bytes>, count: usize) -> Reply {
    let channel = channel.map_or(Reply::NullBulk, |channel| Reply::Bulk(channel.clone()));
    Reply::Array(vec![Reply::Bulk(what.into()), channel, Reply::Integer(count as i64)])
}

/// Several replies to one command.
fn in_a_row(replies: impl Iterator<Item = Reply>) -> Reply {
    let mut bytes = Vec::new();
    replies.for_each(|reply| reply.write(&mut bytes));
    Reply::Verbatim(bytes.into())
}

/// Reads what the client sends. Who is subscribed gets what is published while nothing comes.
pub async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &Connection,
    socket: &mut S,
    chunk: &mut [u8],
) -> io::Result<usize> {
    let Some(subscriber) = &connection.subscriber else { return socket.read(chunk).await };
    loop {
        let pushed = {
            let mut read = socket.read(chunk).fuse();
            let mut pushed = poll_fn(|cx| subscriber.inbox.poll_pushed(cx)).fuse();
            select_biased! {
                read = read => return read,
                pushed = pushed => pushed?,
            }
        };
        write(connection, socket, &pushed).await?;
    }
}

/// Writes all of it. Not to who is subscribed and takes too little: that is an error.
pub async fn write<S: AsyncWrite + Unpin>(
    connection: &Connection,
    socket: &mut S,
    bytes: &[u8],
) -> io::Result<()> {
    let work = async {
        socket.write_all(bytes).await?;
        socket.flush().await
    };
    let Some(subscriber) = &connection.subscriber else { return work.await };
    let mut work = pin!(work.fuse());
    let mut overflow = poll_fn(|cx| subscriber.inbox.poll_overflow(cx)).fuse();
    select_biased! {
        written = work => written,
        error = overflow => Err(error),
    }
}

#[cfg(test)]
mod tests;
