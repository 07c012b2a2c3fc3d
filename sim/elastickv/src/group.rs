//! The world as one of a node's Raft groups sees it: facts are of this group, files lie in its own folder, and its messages do not mix
//! with other groups' (upstream: an address, a data directory and a transport for each, `--raftGroups`).
//!
//! Where a node has one group, nothing is added to what `Env` gives: no prefix, no task, no byte. Where it has several, the default
//! group's files lie where they lay, the others' under `g2/`; a message begins with the number of its group, and one task
//! hands what arrives to the group that it is for. Cannot see: which group a lost message was for.

use crate::env::{Disk, Env, Fact, GroupId, Lane, Level, NodeId};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, select_biased};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Messages that a group keeps while it is busy; the oldest go first.
const INBOX_MAX: usize = 4096;

/// `Env` from inside a group.
pub struct GroupEnv<E: Env> {
    env: E,
    group: GroupId,
    wire: Option<Rc<Wire>>,
}

impl<E: Env> Clone for GroupEnv<E> {
    fn clone(&self) -> Self {
        GroupEnv { env: self.env.clone(), group: self.group, wire: self.wire.clone() }
    }
}

impl<E: Env> Deref for GroupEnv<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.env
    }
}

impl<E: Env> GroupEnv<E> {
    /// Of a node's only group.
    pub fn alone(env: E) -> GroupEnv<E> {
        GroupEnv { env, group: GroupId::DEFAULT, wire: None }
    }

    /// Of one of several, which share a wire.
    pub fn shared(env: E, group: GroupId, wire: &Rc<Wire>) -> GroupEnv<E> {
        GroupEnv { env, group, wire: Some(wire.clone()) }
    }

    /// Which group.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// [`Env::observe`], of this group.
    pub fn observe(&self, fact: Fact) {
        self.env.observe(self.group, fact);
    }

    /// [`Env::log`], of this group: it is named unless it is the default one, as in logs of facts.
    pub fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        match self.group {
            GroupId::DEFAULT => self.env.log(level, text),
            group => self.env.log(level, format_args!("{group}: {text}")),
        }
    }

    /// [`Env::send`], to the same group.
    pub fn send(&self, to: NodeId, lane: Lane, message: Bytes) {
        match self.wire {
            None => self.env.send(to, lane, message),
            Some(_) => self.env.send(to, lane, addressed(self.group, &message)),
        }
    }

    /// [`Env::poll_receive`], of what is for this group.
    pub fn poll_receive(&self, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)> {
        match &self.wire {
            None => self.env.poll_receive(lane, cx),
            Some(wire) => wire.poll_take(self.group, lane, cx),
        }
    }

    /// [`Env::try_receive`], of what is for this group.
    pub fn try_receive(&self, lane: Lane) -> Option<(NodeId, Bytes)> {
        match &self.wire {
            None => self.env.try_receive(lane),
            Some(wire) => wire.take(self.group, lane),
        }
    }

    /// [`Env::disk`], the group's own folder of it.
    pub fn disk(&self) -> Folder<E::Disk> {
        Folder::of(self.env.disk(), self.group)
    }
}

fn addressed(group: GroupId, message: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(message.len() + 2);
    bytes.put_u16_le(group.0);
    bytes.extend_from_slice(message);
    bytes.freeze()
}

/// The group that a message is for, and what it is told; `None` if it is too short to say. Of a node with several groups.
pub fn addressee(mut message: Bytes) -> Option<(GroupId, Bytes)> {
    (message.len() >= 2).then(|| (GroupId(message.get_u16_le()), message))
}

/// What arrived for each group of a node and was not taken yet.
#[derive(Default)]
pub struct Wire {
    inboxes: RefCell<BTreeMap<(GroupId, Lane), Inbox>>,
}

#[derive(Default)]
struct Inbox {
    queue: VecDeque<(NodeId, Bytes)>,
    reader: Option<Waker>,
}

impl Wire {
    /// With an inbox for each of these groups; what is for others is dropped.
    pub fn new(groups: impl IntoIterator<Item = GroupId>) -> Rc<Wire> {
        let lanes = [Lane::Heartbeat, Lane::Normal, Lane::Snapshot];
        let inboxes = groups.into_iter().flat_map(|group| lanes.map(|lane| (group, lane)));
        let inboxes = inboxes.map(|place| (place, Inbox::default())).collect();
        Rc::new(Wire { inboxes: RefCell::new(inboxes) })
    }

    /// Hands out what arrives, until the node dies.
    pub async fn run<E: Env>(self: Rc<Wire>, env: E) {
        loop {
            let (lane, (from, message)) = select_biased! {
                came = pin!(env.receive(Lane::Heartbeat).fuse()) => (Lane::Heartbeat, came),
                came = pin!(env.receive(Lane::Normal).fuse()) => (Lane::Normal, came),
                came = pin!(env.receive(Lane::Snapshot).fuse()) => (Lane::Snapshot, came),
            };
            if let Some((group, message)) = addressee(message) {
                self.put((group, lane), from, message);
            }
        }
    }

    fn put(&self, place: (GroupId, Lane), from: NodeId, message: Bytes) {
        let mut inboxes = self.inboxes.borrow_mut();
        let Some(inbox) = inboxes.get_mut(&place) else { return };
        if inbox.queue.len() == INBOX_MAX {
            inbox.queue.pop_front();
        }
        inbox.queue.push_back((from, message));
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }

    fn take(&self, group: GroupId, lane: Lane) -> Option<(NodeId, Bytes)> {
        let mut inboxes = self.inboxes.borrow_mut();
        let inbox = inboxes.get_mut(&(group, lane))?;
        inbox.queue.pop_front().or_else(|| {
            inbox.reader = None;
            None
        })
    }

    fn poll_take(&self, group: GroupId, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)> {
        let mut inboxes = self.inboxes.borrow_mut();
        let inbox = inboxes.entry((group, lane)).or_default();
        match inbox.queue.pop_front() {
            Some(came) => Poll::Ready(came),
            None => {
                inbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A group's folder of a disk. Paths inside it are as if there were no other.
#[derive(Clone)]
pub struct Folder<D> {
    disk: D,
    prefix: String,
}

/// What the paths of a group's files begin with.
pub fn folder(group: GroupId) -> String {
    if group == GroupId::DEFAULT { String::new() } else { format!("{group}/") }
}

impl<D> Folder<D> {
    /// The group's.
    pub fn of(disk: D, group: GroupId) -> Folder<D> {
        Folder { disk, prefix: folder(group) }
    }

    fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match self.prefix.as_str() {
            "" => Cow::Borrowed(path),
            prefix => Cow::Owned(format!("{prefix}{path}")),
        }
    }
}

impl<D: Disk> Disk for Folder<D> {
    async fn create(&self, path: &str) -> io::Result<()> {
        self.disk.create(&self.path(path)).await
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        self.disk.len(&self.path(path)).await
    }

    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(&self.path(path), bytes).await
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        self.disk.read_at(&self.path(path), offset, len).await
    }

    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(&self.path(path), offset, bytes).await
    }

    async fn truncate(&self, path: &str, len: u64) -> io::Result<()> {
        self.disk.truncate(&self.path(path), len).await
    }

    async fn sync(&self, path: &str) -> io::Result<()> {
        self.disk.sync(&self.path(path)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.path(from), &self.path(to)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(&self.path(path)).await
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut files = self.disk.list(&self.path(folder)).await?;
        files.iter_mut().for_each(|file| drop(file.drain(..self.prefix.len())));
        Ok(files)
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.sync_dir(&self.path(folder)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_which_group_it_is_for() {
        let message = Bytes::from_static(b"vote");
        assert_eq!(addressee(addressed(GroupId(7), &message)), Some((GroupId(7), message)));
        assert_eq!(addressee(Bytes::from_static(b"x")), None);
    }

    #[test]
    fn each_group_receives_its_own_in_order_and_nobody_what_is_for_none() {
        let wire = Wire::new([GroupId(1), GroupId(2)]);
        for (group, text) in [(1, "a"), (2, "b"), (1, "c"), (9, "d")] {
            wire.put((GroupId(group), Lane::Normal), NodeId(3), Bytes::from(text));
        }
        let take = |group| wire.take(GroupId(group), Lane::Normal);
        assert_eq!(take(2), Some((NodeId(3), Bytes::from("b"))));
        assert_eq!(take(1), Some((NodeId(3), Bytes::from("a"))));
        assert_eq!(take(1), Some((NodeId(3), Bytes::from("c"))));
        assert_eq!((take(1), take(2), take(9)), (None, None, None));
    }

    #[test]
    fn a_full_inbox_forgets_the_oldest() {
        let wire = Wire::new([GroupId(1)]);
        for n in 0..=INBOX_MAX {
            wire.put((GroupId(1), Lane::Normal), NodeId(1), Bytes::from(n.to_string()));
        }
        let first = wire.take(GroupId(1), Lane::Normal);
        assert_eq!(first, Some((NodeId(1), Bytes::from("1"))));
    }
}
