//! Elastickv as the guest of a simulated node.

use crate::cluster::{Guest, PostMortem};
use crate::disk::{DiskImage, Volume};
use crate::env::SimEnv;
use crate::operator::Desk;
use bytes::Bytes;
use elastickv::admin::{self, Order, SinceByGroup};
use elastickv::env::{GroupId, NodeId};
use elastickv::files::Format;
use elastickv::mvcc::journal;
use elastickv::options::Options;
use elastickv::raft::{Message, wal};
use elastickv::{group, node};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Runs `elastickv::node` on every node of the cluster, with options that may differ from node to node.
pub struct Elastickv {
    options: Box<dyn Fn(u16) -> Options>,
    /// How often each node has started over, and where the group stood then.
    joins: RefCell<BTreeMap<u16, (u16, SinceByGroup)>>,
}

impl Elastickv {
    /// The same options everywhere.
    pub fn new(options: Options) -> Elastickv {
        Elastickv::each(move |_| options.clone())
    }

    /// Options by node number.
    pub fn each(options: impl Fn(u16) -> Options + 'static) -> Elastickv {
        Elastickv { options: Box::new(options), joins: RefCell::default() }
    }

    fn options_of(&self, node: u16) -> Options {
        let (joins, since) = self.joins.borrow().get(&node).cloned().unwrap_or_default();
        Options { joins, since, ..(self.options)(node) }
    }
}

impl Guest for Elastickv {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        let options = self.options_of(env.node);
        async move {
            if let Err(error) = node::run(env, options).await {
                env.gives_up(&error);
            }
        }
        .boxed_local()
    }

    /// The newest segments of each group's log and store, and what the node knows of itself.
    fn read_at_start(&self, volume: &Volume) -> Vec<String> {
        let newest = |group: &GroupId, format: Format| {
            let folder = group::folder(*group);
            let number = |path: &&str| format.segment_number(path.strip_prefix(&folder)?);
            volume.cached_paths().filter(|path| number(path).is_some()).max_by_key(number)
        };
        let groups = self.groups();
        let logs = groups
            .iter()
            .flat_map(|group| [wal::FORMAT, journal::FORMAT].map(|format| newest(group, format)));
        let own = volume.cached_paths().filter(|path| node::OWN_FILES.contains(path));
        logs.flatten().chain(own).map(str::to_owned).collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        (self.options)(1).shards.groups()
    }

    fn post_mortem(&self, node: u16, disk: DiskImage) -> Result<PostMortem, String> {
        let rebuilt = node::rebuild(&disk, &self.options_of(node), NodeId(node)).now_or_never();
        rebuilt.expect("a disk in memory answers at once").map_err(|error| error.to_string())
    }

    fn has_operator(&self) -> bool {
        true
    }

    fn operate(&self, desk: Desk, order: Order) -> LocalBoxFuture<'static, Result<u64, String>> {
        async move { admin::carry_out(&desk, order).await }.boxed_local()
    }

    fn read_datagram(&self, message: &Bytes) -> Option<(String, String)> {
        let (group, message) = match self.groups().len() {
            0 | 1 => (GroupId::DEFAULT, message.clone()),
            _ => group::addressee(message.clone())?,
        };
        let read = Message::decode(&message).ok()?;
        let Message { kind, term, index, commit, reject, .. } = read;
        let mut about = format!("{group} term {term} index {index} commit {commit}");
        if !read.entries.is_empty() {
            about.push_str(&format!(", {} entries", read.entries.len()));
        }
        if reject {
            about.push_str(", refused");
        }
        Some((format!("{kind:?}"), about))
    }

    fn starts_over(&self, node: u16, since: SinceByGroup) {
        let mut joins = self.joins.borrow_mut();
        let (count, last) = joins.entry(node).or_default();
        (*count, *last) = (*count + 1, since);
    }
}
