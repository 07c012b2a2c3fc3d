//! The command line of `elastickv-node`, checked as a whole before anything is touched.

use super::parent::Parent;
use crate::env::{Place, Ports};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use elastickv::admin::Since;
use elastickv::bug::{Bug, Bugs, Profile};
use elastickv::env::{GroupId, NodeId};
use elastickv::kv::routes::Shards;
use elastickv::options::{Options, Wiring};
use harness::options::GROUPS_MAX;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

/// One node of Elastickv, the system under test, on real sockets, files and clocks.
#[derive(Debug, Parser)]
#[command(name = "elastickv-node", version)]
pub(super) struct Flags {
    /// Number of this node in its cluster, from 1.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    id: u16,
    /// Its data directory; made at the first start, and then only for this node.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Another node and its host name or address; once for each. None: a cluster of one.
    #[arg(long = "peer", value_name = "ID=ADDR", value_parser = peer)]
    peers: Vec<(NodeId, String)>,
    /// Address to listen on.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port for Redis clients, here and at the peers.
    #[arg(long, value_name = "PORT", default_value_t = 6379)]
    redis_port: u16,
    /// Port for forwarded transactions, here and at the peers.
    #[arg(long, value_name = "PORT", default_value_t = 50051)]
    internal_port: u16,
    /// Port for Raft messages, here and at the peers.
    #[arg(long, value_name = "PORT", default_value_t = 50050)]
    raft_port: u16,
    /// Port of http://LISTEN:PORT/metrics.
    #[arg(long, value_name = "PORT", default_value_t = 9464)]
    metrics_port: u16,
    /// A planted bug to switch on; may be repeated.
    #[arg(long = "bug", value_name = "NAME")]
    bugs: Vec<Bug>,
    /// What is wrong beside planted bugs: `fixed` is nothing, `head` is all that upstream's head is suspected of.
    #[arg(long, value_name = "NAME", default_value_t = Profile::Fixed)]
    profile: Profile,
    /// How writes reach Raft: `verified` asks for a quorum first, `direct` does not.
    #[arg(long, value_enum, default_value_t = Wired::Verified)]
    wiring: Wired,
    /// Applied entries between snapshots.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    snapshot_entries: Option<u64>,
    /// Start with nothing and wait to be added to the group that the peers are; N counts how often this node has.
    #[arg(long, value_name = "N", default_value_t = 0)]
    join: u16,
    /// With --join, once for each group: the term of the leader that said that this node is no member, and how far it had applied
    /// its log. Earlier leaders are not heard, older snapshots are refused.
    #[arg(long = "join-since", value_name = "GROUP:TERM:INDEX", value_parser = since)]
    join_since: Vec<(GroupId, Since)>,
    /// Raft groups, among which keys are parted by the first two digits of a number; the same on every node.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(GROUPS_MAX)), default_value_t = 1)]
    groups: u16,
    /// The ranges that each group holds at first, in place of --groups: `:m=1,m:=2`; the same on every node.
    #[arg(long, value_name = "RANGES", conflicts_with = "groups")]
    shard_ranges: Option<Shards>,
    /// Be killed when the process that started this one ends; with PID, only start if that is the one.
    #[arg(long, value_name = "PID", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    die_with_parent: Option<i32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wired {
    Verified,
    Direct,
}

fn peer(text: &str) -> Result<(NodeId, String), String> {
    let parts = text.split_once('=').and_then(|(id, host)| Some((id.parse().ok()?, host)));
    match parts {
        Some((id, host)) if id > 0 && !host.is_empty() => Ok((NodeId(id), host.to_owned())),
        _ => Err(format!("`{text}` is not a peer: write `2=127.0.0.2` or `2=host.name`")),
    }
}

fn since(text: &str) -> Result<(GroupId, Since), String> {
    let numbers: Option<Vec<u64>> = text.split(':').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[group, term, index]) if (1..=u64::from(GROUPS_MAX)).contains(&group) => {
            Ok((GroupId(group as u16), Since { term, index }))
        }
        _ => Err(format!(
            "`{text}` is no place of a group: write GROUP:TERM:INDEX, such as `1:7:120`"
        )),
    }
}

impl Flags {
    /// From the words of the command line, the program's name first.
    pub(super) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Flags, clap::Error> {
        let flags = Flags::try_parse_from(words)?;
        match flags.contradiction() {
            None => Ok(flags),
            Some(text) => Err(Flags::command().error(ErrorKind::ValueValidation, text)),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let me = self.id();
        for (at, (peer, _)) in self.peers.iter().enumerate() {
            if *peer == me {
                return Some(format!("--peer names {me}, which is this node"));
            }
            if self.peers[..at].iter().any(|(earlier, _)| earlier == peer) {
                return Some(format!("--peer names {peer} twice"));
            }
        }
        let mut ports = [self.redis_port, self.internal_port, self.raft_port, self.metrics_port];
        ports.sort_unstable();
        let same = ports.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(format!("port {} is given twice: the four ports differ", same[0]))
    }

    pub(super) fn id(&self) -> NodeId {
        NodeId(self.id)
    }

    pub(super) fn place(&self) -> Place {
        Place {
            id: self.id(),
            listen: self.listen,
            peers: self.peers.iter().cloned().collect::<BTreeMap<_, _>>(),
            ports: Ports {
                redis: self.redis_port,
                internal: self.internal_port,
                raft: self.raft_port,
            },
            data: self.data.clone(),
        }
    }

    pub(super) fn metrics_port(&self) -> u16 {
        self.metrics_port
    }

    pub(super) fn options(&self) -> Options {
        let mut nodes: Vec<NodeId> = self.peers.iter().map(|(peer, _)| *peer).collect();
        nodes.push(self.id());
        nodes.sort_unstable();
        let mut options = Options::new(nodes);
        options.bugs = self.bugs.iter().copied().fold(self.profile.bugs(), Bugs::with);
        options.wiring = match self.wiring {
            Wired::Verified => Wiring::Verified,
            Wired::Direct => Wiring::Direct,
        };
        options.joins = self.join;
        options.since = self.join_since.iter().copied().collect();
        options.shards = self.shard_ranges.clone().unwrap_or_else(|| Shards::among(self.groups));
        options.snapshot_entries = self.snapshot_entries.unwrap_or(options.snapshot_entries);
        options
    }

    pub(super) fn parent(&self) -> Option<Parent> {
        self.die_with_parent.map(|id| match id {
            0 => Parent::Present,
            id => Parent::Named(id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Flags, String> {
        let words = format!("elastickv-node --data d {words}");
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        Flags::read(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_voters_are_this_node_and_its_peers() {
        let flags = read("--id 2 --peer 3=127.0.0.3 --peer 1=one.example").unwrap();
        let options = flags.options();
        assert_eq!(options.nodes, [NodeId(1), NodeId(2), NodeId(3)]);
        assert_eq!(flags.place().peers[&NodeId(1)], "one.example");
        assert_eq!(options.bugs, Bugs::NONE);
    }

    #[test]
    fn a_command_line_that_contradicts_itself_is_refused_with_a_sentence() {
        for (words, sentence) in [
            ("--id 1 --peer 1=127.0.0.2", "--peer names n1, which is this node"),
            ("--id 1 --peer 2=a --peer 2=b", "--peer names n2 twice"),
            ("--id 1 --raft-port 9464", "port 9464 is given twice"),
            ("--id 1 --peer two=a", "`two=a` is not a peer"),
            ("--id 1 --bug nonsense", "`nonsense` is not a planted bug"),
            ("--id 1 --profile nonsense", "`nonsense` is not a profile"),
            ("--id 0", "0 is not in 1..=65535"),
        ] {
            let told = read(words).map(drop).unwrap_err();
            assert!(told.contains(sentence), "{words}: {told}");
        }
    }

    #[test]
    fn bugs_wiring_and_snapshots_reach_the_options() {
        let words = "--id 1 --bug ack_before_fsync --bug exec_on_follower --wiring direct --snapshot-entries 7";
        let options = read(words).unwrap().options();
        assert!(options.bugs.has(Bug::AckBeforeFsync) && options.bugs.has(Bug::ExecOnFollower));
        assert_eq!((options.wiring, options.snapshot_entries), (Wiring::Direct, 7));
        assert_eq!(options.joins, 0);
        let head = read("--id 1 --profile head --bug ack_before_fsync").unwrap().options();
        assert!(head.bugs.has(Bug::AckBeforeFsync) && head.bugs.has(Bug::ProxyClientRetries));
        assert_eq!(read("--id 1 --join 3").unwrap().options().joins, 3);
        let joins =
            read("--id 1 --join 3 --join-since 1:9:8 --join-since 2:3:4").unwrap().options();
        assert_eq!(joins.since[&GroupId(2)], Since { term: 3, index: 4 });
        assert!(read("--id 1 --join 3 --join-since 1:9").is_err());
    }

    #[test]
    fn the_parent_may_be_named() {
        assert_eq!(read("--id 1").unwrap().parent(), None);
        assert_eq!(read("--id 1 --die-with-parent").unwrap().parent(), Some(Parent::Present));
        assert_eq!(read("--id 1 --die-with-parent=7").unwrap().parent(), Some(Parent::Named(7)));
    }
}
