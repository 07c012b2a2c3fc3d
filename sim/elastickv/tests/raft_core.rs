//! The Raft core told as exact stories: a handful of nodes, messages delivered by hand, drivers that persist
//! what they are given. Nodes time out in the order of their ids.

use bytes::Bytes;
use elastickv::raft::{
    CompactError, ConfChange, ConfChangeError, ConfChangeKind, ConfState, Config, Entry, EntryKind,
    HardState, InitialState, Message, MessageKind, ProgressState, ProposeError, Raft, ReadState,
    Ready, Role, Snapshot, SnapshotMeta, StateError, StepError,
};
use std::collections::{BTreeSet, VecDeque};

const ELECTION: u32 = 10;

#[derive(Clone, Default)]
struct Disk {
    hard_state: HardState,
    snapshot: Snapshot,
    conf: ConfState,
    entries: Vec<Entry>,
}

struct Node {
    config: Config,
    raft: Raft,
    disk: Disk,
    applied: Vec<Entry>,
    reads: Vec<ReadState>,
}

fn config(id: u64) -> Config {
    Config {
        id,
        election_tick: ELECTION,
        heartbeat_tick: 2,
        pre_vote: true,
        check_quorum: true,
        max_size_per_msg: 1 << 20,
        max_committed_size_per_ready: 1 << 20,
        max_inflight: 256,
        applied: 0,
        ..Config::new(id)
    }
}

impl Node {
    fn start(config: Config, disk: Disk) -> Node {
        let state = InitialState {
            hard_state: disk.hard_state,
            snapshot: disk.snapshot.meta.clone(),
            conf: disk.conf.clone(),
            entries: disk.entries.clone(),
        };
        let own = config.id;
        let mut raft = Raft::new(config.clone(), state, Box::new(move |n| (own - 1).min(n - 1)));
        if disk.snapshot.meta.index > 0 {
            raft.compact(disk.snapshot.clone()).expect("a snapshot on disk is the log's start");
        }
        Node { config, raft, disk, applied: Vec::new(), reads: Vec::new() }
    }

    fn persist(&mut self, ready: &Ready) {
        if let Some(snapshot) = &ready.snapshot {
            self.disk.snapshot = snapshot.clone();
            self.disk.conf = snapshot.meta.conf.clone();
            self.disk.entries.clear();
        }
        if let Some(first) = ready.entries.first() {
            let keep = first.index - self.disk.snapshot.meta.index - 1;
            self.disk.entries.truncate(keep as usize);
            self.disk.entries.extend_from_slice(&ready.entries);
        }
        self.disk.hard_state = ready.hard_state.unwrap_or(self.disk.hard_state);
    }

    fn apply(&mut self, ready: &mut Ready) {
        for entry in ready.committed.drain(..) {
            if entry.kind == EntryKind::ConfChange {
                let change = ConfChange::decode(&entry.data).expect("we encoded it");
                self.disk.conf = self.raft.apply_conf_change(&change);
            }
            self.applied.push(entry);
        }
        self.reads.append(&mut ready.read_states);
    }

    /// One round of the driver; what it sends.
    fn drain(&mut self) -> Vec<Message> {
        let mut ready = self.raft.ready();
        self.persist(&ready);
        self.apply(&mut ready);
        self.raft.advance();
        ready.messages
    }

    fn commands(&self) -> Vec<&str> {
        let normal = self.applied.iter().filter(|entry| !entry.data.is_empty());
        normal.map(|entry| std::str::from_utf8(&entry.data).unwrap_or("conf change")).collect()
    }
}

struct Group {
    nodes: Vec<Node>,
    wire: VecDeque<Message>,
    cut: BTreeSet<(u64, u64)>,
}

impl Group {
    fn new(size: u64) -> Group {
        Group::with(size, |_| {})
    }

    fn with(size: u64, adjust: impl Fn(&mut Config)) -> Group {
        let conf = ConfState::voters((1..=size).collect::<Vec<_>>());
        let nodes = (1..=size).map(|id| {
            let mut config = config(id);
            adjust(&mut config);
            Node::start(config, Disk { conf: conf.clone(), ..Disk::default() })
        });
        Group { nodes: nodes.collect(), wire: VecDeque::new(), cut: BTreeSet::new() }
    }

    /// With node 1 as leader in term 1 and its no-op committed everywhere.
    fn led(size: u64) -> Group {
        let mut group = Group::new(size);
        group.elect(1);
        group
    }

    fn elect(&mut self, id: u64) {
        self.raft(id).campaign();
        self.settle();
        assert_eq!(self.raft(id).role(), Role::Leader);
    }

    fn node(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[id as usize - 1]
    }

    fn raft(&mut self, id: u64) -> &mut Raft {
        &mut self.node(id).raft
    }

    fn propose(&mut self, id: u64, data: &'static str) -> u64 {
        self.raft(id).propose(Bytes::from_static(data.as_bytes())).expect("it leads")
    }

    fn isolate(&mut self, id: u64) {
        for other in 1..=self.nodes.len() as u64 {
            self.cut.extend([(id, other), (other, id)]);
        }
    }

    fn heal(&mut self) {
        self.cut.clear();
    }

    /// Each driver runs until it has nothing to do; messages wait on the wire.
    fn drain(&mut self) {
        for node in &mut self.nodes {
            while node.raft.has_ready() {
                self.wire.extend(node.drain());
            }
        }
    }

    /// Delivers until nobody has anything to say; what crosses a cut is lost.
    fn settle(&mut self) {
        loop {
            self.drain();
            let Some(message) = self.wire.pop_front() else { return };
            if !self.cut.contains(&(message.from, message.to)) {
                let to = message.to;
                let _ = self.raft(to).step(message);
            }
        }
    }

    /// All clocks tick together, and messages are instant.
    fn tick(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.nodes.iter_mut().for_each(|node| node.raft.tick());
            self.settle();
        }
    }

    fn restart(&mut self, id: u64) {
        let node = self.node(id);
        *node = Node::start(node.config.clone(), node.disk.clone());
    }

    fn snapshot(&mut self, id: u64) -> Snapshot {
        let node = self.node(id);
        let index = node.raft.applied();
        let term = node.raft.term_of(index).expect("applied entries are in the log");
        let meta = SnapshotMeta { index, term, conf: node.raft.conf_state() };
        Snapshot { meta, data: Bytes::from_static(b"state") }
    }

    fn compact(&mut self, id: u64) -> u64 {
        let snapshot = self.snapshot(id);
        let node = self.node(id);
        node.disk.entries.drain(..(snapshot.meta.index - node.disk.snapshot.meta.index) as usize);
        node.disk.snapshot = snapshot.clone();
        node.raft.compact(snapshot.clone()).expect("it was applied");
        snapshot.meta.index
    }
}

fn message(kind: MessageKind, from: u64, to: u64, term: u64) -> Message {
    Message { from, term, ..Message::new(kind, to) }
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, kind: EntryKind::Normal, data: Bytes::from(format!("{term}/{index}")) }
}

/// A node of 1..=3 with these terms in its log, in the newest of them, and that commit index.
fn with_log(id: u64, terms: &[u64], commit: u64) -> Node {
    let entries = (1..).zip(terms).map(|(index, term)| entry(*term, index)).collect();
    let hard_state = HardState { term: terms.last().copied().unwrap_or_default(), vote: 0, commit };
    let conf = ConfState::voters([1, 2, 3]);
    Node::start(config(id), Disk { hard_state, conf, entries, ..Disk::default() })
}

fn group_of(nodes: Vec<Node>) -> Group {
    Group { nodes, wire: VecDeque::new(), cut: BTreeSet::new() }
}

fn terms(node: &Node) -> Vec<u64> {
    node.disk.entries.iter().map(|entry| entry.term).collect()
}

#[test]
fn first_to_time_out_leads_and_commits_its_no_op() {
    let mut group = Group::new(3);
    assert!(!group.raft(1).has_committed_in_term());
    group.tick(ELECTION);
    for id in 1..=3 {
        let status = group.raft(id).status();
        assert_eq!((status.term, status.leader, status.commit), (1, 1, 1));
        assert_eq!(group.node(id).applied, [Entry { term: 1, index: 1, ..Entry::default() }]);
    }
    assert!(group.raft(1).has_committed_in_term());
}

#[test]
fn proposal_is_applied_everywhere_in_order() {
    let mut group = Group::led(5);
    let indexes = [group.propose(1, "a"), group.propose(1, "b"), group.propose(1, "c")];
    assert_eq!(indexes, [2, 3, 4]);
    group.settle();
    for id in 1..=5 {
        assert_eq!(group.node(id).commands(), ["a", "b", "c"]);
    }
}

#[test]
fn lone_voter_leads_and_commits_by_itself() {
    let mut group = Group::led(1);
    group.propose(1, "a");
    group.settle();
    assert_eq!(group.node(1).commands(), ["a"]);
}

#[test]
fn partitioned_node_does_not_raise_the_term_nor_disturb_when_it_returns() {
    let mut group = Group::led(3);
    group.isolate(3);
    group.tick(10 * ELECTION);
    assert_eq!((group.raft(3).term(), group.raft(3).role()), (1, Role::PreCandidate));
    group.heal();
    group.tick(5 * ELECTION);
    for id in 1..=3 {
        assert_eq!((group.raft(id).term(), group.raft(id).leader_id()), (1, 1));
    }
}

#[test]
fn partitioned_node_without_pre_vote_deposes_the_leader_when_it_returns() {
    let mut group = Group::with(3, |config| config.pre_vote = false);
    group.elect(1);
    group.isolate(3);
    group.tick(5 * ELECTION);
    assert!(group.raft(3).term() > 1);
    group.heal();
    group.tick(5 * ELECTION);
    let terms: Vec<u64> = (1..=3).map(|id| group.raft(id).term()).collect();
    assert!(terms[0] > 1 && terms.iter().all(|term| *term == terms[0]), "{terms:?}");
    assert_eq!(group.nodes.iter().filter(|node| node.raft.role() == Role::Leader).count(), 1);
}

#[test]
fn follower_of_a_live_leader_refuses_votes_unless_the_leader_asked_for_them() {
    let mut group = Group::led(3);
    let mut vote = message(MessageKind::Vote, 3, 2, 9);
    (vote.index, vote.log_term) = (1, 1);
    group.raft(2).step(vote.clone()).expect("a vote is no error");
    assert!(!group.raft(2).has_ready());
    assert_eq!(group.raft(2).term(), 1);
    vote.context = elastickv::raft::message::CAMPAIGN_TRANSFER;
    group.raft(2).step(vote.clone()).expect("a vote is no error");
    assert_eq!((group.raft(2).term(), group.raft(2).vote()), (9, 3));
}

#[test]
fn follower_votes_again_an_election_time_out_after_it_heard_its_leader() {
    let mut group = Group::led(3);
    let mut vote = message(MessageKind::PreVote, 3, 2, 2);
    (vote.index, vote.log_term) = (1, 1);
    for _ in 1..ELECTION {
        group.raft(2).tick();
    }
    group.raft(2).step(vote.clone()).expect("a vote is no error");
    assert!(!group.raft(2).has_ready());
    group.raft(2).tick();
    group.raft(2).step(vote).expect("a vote is no error");
    let answers = group.node(2).drain();
    assert_eq!((answers[0].kind, answers[0].reject), (MessageKind::PreVoteResp, false));
}

#[test]
fn leader_without_a_quorum_steps_down_and_a_quorum_without_it_goes_on() {
    let mut group = Group::led(3);
    group.isolate(1);
    group.tick(4 * ELECTION);
    assert_ne!(group.raft(1).role(), Role::Leader);
    assert_eq!(group.raft(1).quorum_stamp(), None);
    assert_eq!(group.raft(2).role(), Role::Leader);
    group.propose(2, "a");
    group.heal();
    group.tick(2 * ELECTION);
    assert_eq!(group.node(1).commands(), ["a"]);
}

#[test]
fn candidate_with_an_older_log_is_not_elected() {
    let mut group = group_of(vec![
        with_log(1, &[1, 1, 1], 1),
        with_log(2, &[1, 2], 1),
        with_log(3, &[1, 2], 1),
    ]);
    group.raft(1).campaign();
    group.settle();
    assert_eq!(group.raft(1).role(), Role::Follower);
    group.elect(2);
}

#[test]
fn conflicting_tail_is_replaced_on_disk_too() {
    let mut group = group_of(vec![
        with_log(1, &[1, 1, 4], 2),
        with_log(2, &[1, 1, 2, 2, 2, 3, 3], 2),
        with_log(3, &[1, 1, 2], 2),
    ]);
    group.elect(1);
    for id in 1..=3 {
        assert_eq!(terms(group.node(id)), [1, 1, 4, 5], "n{id}");
        assert_eq!(group.raft(id).commit(), 4);
    }
}

#[test]
fn one_rejection_per_term_is_enough_to_find_where_logs_part() {
    let follower: Vec<u64> = [vec![1; 10], vec![2; 90]].concat();
    let leader: Vec<u64> = [vec![1; 10], vec![3; 50]].concat();
    let mut group = group_of(vec![
        with_log(1, &leader, 10),
        with_log(2, &follower, 10),
        with_log(3, &leader, 10),
    ]);
    group.raft(1).campaign();
    let mut rejections = 0;
    loop {
        group.drain();
        let Some(message) = group.wire.pop_front() else { break };
        rejections += u32::from(message.kind == MessageKind::AppResp && message.reject);
        group.raft(message.to).step(message).expect("nothing is forged");
    }
    assert_eq!(rejections, 1);
    assert_eq!(terms(group.node(2)), terms(group.node(1)));
}

#[test]
fn append_commits_no_further_than_it_matches() {
    let mut node = with_log(2, &[1, 2, 2], 1);
    let mut app = message(MessageKind::App, 1, 2, 3);
    (app.index, app.log_term, app.commit) = (1, 1, 3);
    node.raft.step(app).expect("it leads");
    assert_eq!((node.raft.commit(), node.raft.last_index()), (1, 3));
}

/// Figure 8 of the Raft paper.
#[test]
fn entry_of_an_older_term_is_not_committed_by_counting() {
    let mut group =
        group_of(vec![with_log(1, &[1, 2], 1), with_log(2, &[1, 2], 1), with_log(3, &[1], 1)]);
    group.raft(1).campaign();
    group.drain();
    // Everything but what carries the new term's own entry reaches node 3.
    while let Some(mut message) = group.wire.pop_front() {
        if message.kind == MessageKind::App {
            message.entries.retain(|entry| entry.term == 2);
        }
        group.raft(message.to).step(message).expect("nothing is forged");
        group.drain();
    }
    assert_eq!(group.raft(1).role(), Role::Leader);
    let held = group.nodes.iter().filter(|node| terms(node).get(1) == Some(&2)).count();
    assert_eq!((held, group.raft(1).commit()), (3, 1));
    group.tick(4);
    assert_eq!(group.raft(1).commit(), 3);
}

#[test]
fn leader_counts_its_own_entry_only_once_it_is_durable() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    let ready = group.raft(1).ready();
    assert!(ready.must_sync && ready.entries.len() == 1);
    // The followers are faster than the leader's disk.
    let acked = ready.messages[0].clone();
    group.raft(acked.to).step(acked).expect("it leads");
    let answer = group.node(2).drain().remove(0);
    group.raft(1).step(answer).expect("it is a member");
    assert_eq!(group.raft(1).commit(), 1);
    group.raft(1).advance();
    assert_eq!(group.raft(1).commit(), 2);
}

#[test]
fn candidate_counts_its_own_vote_only_once_it_is_durable() {
    let mut group = Group::with(1, |config| config.pre_vote = false);
    group.raft(1).campaign();
    let ready = group.raft(1).ready();
    assert_eq!(ready.hard_state, Some(HardState { term: 1, vote: 1, commit: 0 }));
    assert!(ready.must_sync);
    assert_eq!(group.raft(1).role(), Role::Candidate);
    group.raft(1).advance();
    assert_eq!(group.raft(1).role(), Role::Leader);
}

#[test]
fn commit_index_alone_needs_no_sync() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    group.drain();
    let app = group.wire.iter().find(|m| m.to == 2).cloned().expect("it was broadcast");
    group.raft(2).step(app).expect("it leads");
    group.node(2).drain();
    let mut beat = message(MessageKind::Heartbeat, 1, 2, 1);
    beat.commit = 2;
    group.raft(2).step(beat).expect("it leads");
    let ready = group.raft(2).ready();
    assert_eq!(ready.hard_state.map(|hard| hard.commit), Some(2));
    assert!(!ready.must_sync && ready.entries.is_empty() && ready.committed.len() == 1);
}

#[test]
fn entries_replaced_while_being_persisted_are_handed_out_again() {
    let mut group = group_of(vec![with_log(1, &[1], 1)]);
    let mut app = message(MessageKind::App, 2, 1, 2);
    (app.index, app.log_term) = (1, 1);
    app.entries = vec![entry(2, 2), entry(2, 3)];
    group.raft(1).step(app.clone()).expect("it leads");
    let first = group.raft(1).ready();
    assert_eq!(first.entries.len(), 2);
    (app.from, app.term) = (3, 3);
    app.entries = vec![entry(3, 2)];
    group.raft(1).step(app).expect("it leads");
    group.node(1).persist(&first);
    group.raft(1).advance();
    group.node(1).drain();
    assert_eq!(terms(group.node(1)), [1, 3]);
    assert!(!group.raft(1).has_ready());
}

#[test]
fn what_was_replaced_before_it_was_persisted_is_not_acknowledged() {
    let mut node = with_log(2, &[1, 1], 2);
    let entries = vec![entry(1, 3), entry(1, 4)];
    let append = message(MessageKind::App, 1, 2, 1);
    node.raft.step(Message { index: 2, log_term: 1, entries, ..append }).expect("it fits");
    let meta = SnapshotMeta { index: 3, term: 2, conf: ConfState::voters([1, 2, 3]) };
    let snapshot = Some(Snapshot { meta, data: Bytes::from_static(b"state") });
    let install = message(MessageKind::Snap, 3, 2, 2);
    node.raft
        .step(Message { snapshot: snapshot.map(Box::new), ..install })
        .expect("of a later leader");
    let acks: Vec<(u64, u64)> = node.drain().iter().map(|m| (m.to, m.index)).collect();
    assert_eq!(acks, [(3, 3)], "entry 4 is nowhere");
}

#[test]
fn read_index_waits_for_an_entry_of_the_own_term() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    group.settle();
    group.isolate(1);
    group.tick(3 * ELECTION);
    group.heal();
    // Node 2 leads; before its no-op is committed it knows an older commit index only.
    group.raft(2).transfer_leader(3);
    group.drain();
    while group.raft(3).role() != Role::Leader {
        let message = group.wire.pop_front().expect("the transfer goes on");
        group.raft(message.to).step(message).expect("nothing is forged");
        group.drain();
    }
    group.raft(3).read_index(7).expect("it leads");
    let own = group.raft(3).last_index();
    assert!(group.raft(3).commit() < own);
    group.drain();
    assert_eq!(group.node(3).reads, []);
    group.settle();
    assert_eq!(group.node(3).reads, [ReadState { context: 7, index: own }]);
}

#[test]
fn read_index_of_a_lone_voter_waits_for_an_entry_of_the_own_term() {
    let entries = vec![entry(1, 1), entry(1, 2)];
    let hard_state = HardState { term: 1, vote: 1, commit: 1 };
    let conf = ConfState::voters([1]);
    let disk = Disk { hard_state, conf, entries, ..Disk::default() };
    let mut group = group_of(vec![Node::start(config(1), disk)]);
    group.raft(1).campaign();
    while group.raft(1).role() != Role::Leader {
        group.node(1).drain();
    }
    group.raft(1).read_index(7).expect("it leads");
    group.settle();
    assert_eq!(group.node(1).reads, [ReadState { context: 7, index: 3 }]);
}

#[test]
fn read_index_needs_a_quorum_that_answers_after_the_question() {
    let mut group = Group::led(5);
    group.isolate(1);
    group.raft(1).read_index(1).expect("it still believes to lead");
    group.settle();
    assert_eq!(group.node(1).reads, []);
    group.heal();
    group.raft(1).read_index(2).expect("it leads");
    group.settle();
    let read = |context| ReadState { context, index: 1 };
    assert_eq!(group.node(1).reads, [read(1), read(2)]);
}

#[test]
fn read_index_is_not_confirmed_by_an_ack_of_an_earlier_read() {
    let mut group = Group::led(3);
    group.raft(1).read_index(1).expect("it leads");
    group.drain();
    let beats: Vec<Message> = group.wire.drain(..).collect();
    let mut acks = Vec::new();
    for beat in beats {
        let to = beat.to;
        group.raft(to).step(beat).expect("it leads");
        acks.extend(group.node(to).drain());
    }
    group.raft(1).read_index(2).expect("it leads");
    for ack in [acks.clone(), acks].concat() {
        group.raft(1).step(ack).expect("it is a member");
        group.drain();
    }
    assert_eq!(group.node(1).reads, [ReadState { context: 1, index: 1 }]);
}

#[test]
fn read_index_and_proposal_are_refused_by_a_follower_which_names_its_leader() {
    let mut group = Group::led(3);
    let refused = ProposeError::NotLeader { leader: 1 };
    assert_eq!(group.raft(2).read_index(1), Err(refused));
    assert_eq!(group.raft(2).propose(Bytes::new()), Err(refused));
    assert_eq!(refused.to_string(), "not the leader, 1 is");
}

#[test]
fn lagging_follower_gets_a_snapshot_and_then_the_log() {
    let mut group = Group::led(3);
    group.isolate(3);
    for _ in 0..5 {
        group.propose(1, "a");
    }
    group.settle();
    let index = group.compact(1);
    group.propose(1, "b");
    group.settle();
    group.heal();
    group.tick(4);
    let disk = &group.node(3).disk;
    assert_eq!((disk.snapshot.meta.index, &disk.snapshot.data[..]), (index, &b"state"[..]));
    assert_eq!(group.node(3).commands(), ["b"]);
    let progress = group.raft(1).status().progress.remove(2).1;
    assert_eq!(progress.to_string(), "StateReplicate match=7 next=8");
}

#[test]
fn lost_snapshot_is_sent_again_after_it_was_reported() {
    let mut group = Group::led(3);
    group.isolate(3);
    group.propose(1, "a");
    group.settle();
    group.compact(1);
    group.heal();
    // The snapshot itself does not arrive.
    group.cut.insert((1, 3));
    let answer = message(MessageKind::HeartbeatResp, 3, 1, 1);
    group.raft(1).step(answer).expect("it is a member");
    let state = |group: &mut Group| group.raft(1).status().progress.remove(2).1;
    assert_eq!(
        (state(&mut group).state, state(&mut group).pending_snapshot),
        (ProgressState::Replicate, 0)
    );
    let mut reject = message(MessageKind::AppResp, 3, 1, 1);
    (reject.index, reject.reject, reject.reject_hint, reject.log_term) = (2, true, 0, 0);
    group.raft(1).step(reject).expect("it is a member");
    group.settle();
    assert_eq!(
        (state(&mut group).state, state(&mut group).pending_snapshot),
        (ProgressState::Snapshot, 2)
    );
    group.raft(1).report_snapshot(3, false);
    assert_eq!((state(&mut group).state, state(&mut group).next), (ProgressState::Probe, 2));
    group.heal();
    group.tick(8);
    assert_eq!(group.node(3).disk.snapshot.meta.index, 2);
    assert_eq!(state(&mut group).state, ProgressState::Replicate);
}

#[test]
fn snapshot_without_its_data_is_not_sent() {
    let meta = SnapshotMeta { index: 5, term: 1, conf: ConfState::voters([1, 2]) };
    let conf = meta.conf.clone();
    let hard_state = HardState { term: 1, vote: 0, commit: 5 };
    let snapshot = Snapshot { meta: meta.clone(), data: Bytes::new() };
    let disk = Disk { hard_state, conf: conf.clone(), snapshot, entries: vec![] };
    let state =
        InitialState { hard_state, snapshot: meta, conf: conf.clone(), entries: Vec::new() };
    let mut holder = Node::start(config(1), disk.clone());
    holder.raft = Raft::new(config(1), state, Box::new(|_| 0));
    let joiner = Node::start(config(2), Disk { conf, ..Disk::default() });
    let mut group = group_of(vec![holder, joiner]);
    group.elect(1);
    group.tick(6);
    assert_eq!(group.raft(2).commit(), 0);
    group.raft(1).compact(disk.snapshot).expect("it is the log's start");
    group.tick(6);
    assert_eq!(group.raft(2).commit(), 6);
}

#[test]
fn newest_kept_snapshot_is_sent_although_the_log_is_longer() {
    let mut group = Group::led(3);
    group.isolate(3);
    group.propose(1, "a");
    group.settle();
    group.compact(1);
    group.propose(1, "b");
    group.settle();
    let newer = group.snapshot(1);
    group.raft(1).keep_snapshot(newer).expect("it was applied");
    assert_eq!(group.raft(1).snapshot_index(), 2);
    group.heal();
    group.tick(4);
    assert_eq!(group.node(3).disk.snapshot.meta.index, 3);
    assert_eq!(group.raft(3).applied(), 3);
}

#[test]
fn only_applied_entries_of_this_log_are_compacted() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    group.settle();
    let good = group.snapshot(1);
    let mut bad = good.clone();
    bad.meta.index = 3;
    let refused = CompactError::NotApplied { index: 3, applied: 2 };
    assert_eq!(group.raft(1).compact(bad.clone()), Err(refused));
    (bad.meta.index, bad.meta.term) = (2, 9);
    let refused = CompactError::Term { index: 2, got: 9, want: 1 };
    assert_eq!(group.raft(1).compact(bad.clone()), Err(refused));
    assert_eq!(group.raft(1).compact(good), Ok(()));
    (bad.meta.index, bad.meta.term) = (1, 1);
    assert_eq!(group.raft(1).compact(bad), Err(CompactError::Stale { index: 1, kept: 2 }));
    assert_eq!((group.raft(1).term_of(1), group.raft(1).term_of(2)), (None, Some(1)));
}

#[test]
fn restarted_node_keeps_its_vote_its_log_and_its_commit_index() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    group.settle();
    group.restart(2);
    let status = group.raft(2).status();
    assert_eq!((status.term, status.vote, status.commit, status.last_index), (1, 1, 2, 2));
    assert_eq!((status.leader, status.applied), (0, 0));
    let mut vote = message(MessageKind::Vote, 3, 2, 1);
    (vote.index, vote.log_term) = (2, 1);
    group.raft(2).step(vote).expect("a vote is no error");
    let answers = group.node(2).drain();
    assert!(answers[0].reject);
    assert_eq!(group.node(2).commands(), ["a"]);
    group.propose(1, "b");
    group.settle();
    assert_eq!(group.node(2).commands(), ["a", "b"]);
}

#[test]
fn what_was_applied_was_committed_even_if_the_hard_state_lags() {
    let disk = with_log(1, &[1, 1, 1], 1).disk;
    let node = Node::start(Config { applied: 3, ..config(1) }, disk);
    assert_eq!((node.raft.commit(), node.raft.applied()), (3, 3));
    assert_eq!(node.raft.unapplied().count(), 0);
}

#[test]
fn state_that_lost_entries_is_recognised() {
    let hard_state = HardState { term: 1, vote: 0, commit: 3 };
    let entries = vec![entry(1, 1), entry(1, 2)];
    let mut state = InitialState { hard_state, entries, ..InitialState::default() };
    assert_eq!(state.check(0), Err(StateError::PastEnd { index: 3, last: 2 }));
    state.hard_state.commit = 2;
    assert_eq!(state.check(0), Ok(()));
    assert_eq!(state.check(4), Err(StateError::PastEnd { index: 4, last: 2 }));
    state.entries[1].index = 3;
    assert_eq!(state.check(0), Err(StateError::Gap { got: 3, want: 2 }));
}

#[test]
fn transfer_makes_a_caught_up_follower_leader_at_once() {
    let mut group = Group::led(3);
    group.raft(1).transfer_leader(3);
    let refused = Err(ProposeError::Transferring { to: 3 });
    assert_eq!(group.raft(1).propose(Bytes::from_static(b"a")), refused);
    assert!(group.raft(1).transfer_sent());
    group.settle();
    assert_eq!((group.raft(3).role(), group.raft(3).term()), (Role::Leader, 2));
    assert_eq!((group.raft(1).role(), group.raft(1).leader_id()), (Role::Follower, 3));
}

#[test]
fn transfer_lets_a_lagging_follower_catch_up_first_and_followers_forward_it() {
    let mut group = Group::led(3);
    group.isolate(3);
    group.propose(1, "a");
    group.settle();
    group.heal();
    group.raft(2).transfer_leader(3);
    group.settle();
    assert_eq!(group.raft(3).role(), Role::Leader);
    assert_eq!(group.node(3).commands(), ["a"]);
}

#[test]
fn transfer_is_given_up_after_an_election_time_out() {
    let mut group = Group::led(3);
    group.isolate(3);
    group.raft(1).transfer_leader(3);
    group.tick(ELECTION - 1);
    assert_eq!(group.raft(1).transferee(), 3);
    group.tick(1);
    assert_eq!((group.raft(1).role(), group.raft(1).transferee()), (Role::Leader, 0));
    // The message may still be on its way: its election would pass the lease.
    assert!(group.raft(1).transfer_sent());
    group.propose(1, "a");
}

/// raft-rs issue 557: a rejection that comes late moved `next` to `match` or below.
#[test]
fn late_rejection_does_not_undo_an_ack() {
    let mut group = Group::led(3);
    for _ in 0..4 {
        group.propose(1, "a");
    }
    group.settle();
    group.raft(1).report_unreachable(2);
    for (index, reject_hint) in [(5, 0), (5, 3), (3, 1), (2, 0), (1, 0), (0, 0)] {
        let mut late = message(MessageKind::AppResp, 2, 1, 1);
        (late.index, late.reject, late.reject_hint) = (index, true, reject_hint);
        group.raft(1).step(late).expect("it is a member");
        let (_, progress) = &group.raft(1).status().progress[1];
        assert!(progress.next > progress.matched, "{progress}");
        assert_eq!(progress.matched, 5);
    }
    group.tick(4);
    assert_eq!(group.raft(1).status().progress[1].1.to_string(), "StateReplicate match=5 next=6");
}

#[test]
fn doubled_and_reordered_appends_change_nothing_that_was_acked() {
    let mut group = Group::led(3);
    group.isolate(3);
    for data in ["a", "b", "c"] {
        group.propose(1, data);
        group.drain();
    }
    let mut late: Vec<Message> = group.wire.iter().filter(|m| m.to == 2).cloned().collect();
    group.settle();
    assert_eq!(group.raft(2).last_index(), 4);
    late.reverse();
    for message in [late.clone(), late].concat() {
        group.raft(2).step(message).expect("it leads");
        group.settle();
        assert_eq!(group.raft(2).last_index(), 4);
    }
    assert_eq!(group.node(2).commands(), ["a", "b", "c"]);
    assert_eq!(terms(group.node(2)), terms(group.node(1)));
}

#[test]
fn message_of_an_older_term_is_answered_with_the_newer_one() {
    let mut group = Group::led(3);
    group.isolate(1);
    group.tick(4 * ELECTION);
    let term = group.raft(2).term();
    assert!(term > 1);
    for kind in [MessageKind::App, MessageKind::Heartbeat] {
        let mut old = message(kind, 1, 2, 1);
        old.stamp = 99;
        group.raft(2).step(old).expect("an old message is no error");
        let answer = group.node(2).drain().remove(0);
        assert_eq!((answer.kind, answer.term), (MessageKind::AppResp, term));
        assert_eq!((answer.stamp, answer.index), (0, 0));
    }
}

#[test]
fn learner_gets_the_log_but_neither_votes_nor_counts() {
    let mut group = Group::led(1);
    let change = ConfChange { kind: ConfChangeKind::AddLearner, id: 2, context: Bytes::new() };
    group.raft(1).propose_conf_change(&change).expect("it leads");
    group.nodes.push(Node::start(config(2), Disk::default()));
    // A joiner learns who else is in from a snapshot that knows of it.
    group.isolate(2);
    group.settle();
    group.compact(1);
    group.heal();
    group.tick(4);
    assert_eq!(group.raft(2).conf_state(), ConfState::new([1], [2]));
    group.isolate(2);
    group.propose(1, "a");
    group.tick(3 * ELECTION);
    assert_eq!(group.node(1).commands().last(), Some(&"a"));
    assert_eq!(group.raft(2).role(), Role::Follower);
    group.raft(1).transfer_leader(2);
    assert_eq!(group.raft(1).transferee(), 0);
    group.heal();
    let promote = ConfChange { kind: ConfChangeKind::AddVoter, ..change };
    group.raft(1).propose_conf_change(&promote).expect("the last one is applied");
    group.tick(4);
    assert_eq!(group.raft(2).conf_state(), ConfState::voters([1, 2]));
    group.isolate(2);
    let index = group.propose(1, "b");
    group.settle();
    assert!(group.raft(1).commit() < index);
}

#[test]
fn conf_changes_go_one_at_a_time_and_never_leave_no_voter() {
    let mut group = Group::led(3);
    let remove = |id| ConfChange { kind: ConfChangeKind::Remove, id, context: Bytes::new() };
    group.raft(1).propose_conf_change(&remove(3)).expect("it leads");
    let pending = ProposeError::ConfChangePending { index: 2, applied: 1 };
    assert_eq!(group.raft(1).propose_conf_change(&remove(2)), Err(pending));
    group.settle();
    group.raft(1).propose_conf_change(&remove(2)).expect("the first one is applied");
    group.settle();
    assert_eq!(group.raft(1).conf_state(), ConfState::voters([1]));
    assert_eq!(
        group.raft(1).propose_conf_change(&remove(1)),
        Err(ProposeError::ConfChange(ConfChangeError::LastVoter))
    );
    assert_eq!(group.raft(1).apply_conf_change(&remove(1)), ConfState::voters([1]));
    group.propose(1, "a");
    group.settle();
    assert_eq!(group.node(1).commands().last(), Some(&"a"));
}

#[test]
fn removed_leader_commits_its_removal_and_takes_no_more_proposals() {
    let mut group = Group::led(3);
    let remove = ConfChange { kind: ConfChangeKind::Remove, id: 1, context: Bytes::new() };
    group.raft(1).propose_conf_change(&remove).expect("it leads");
    group.settle();
    assert_eq!(group.raft(1).conf_state(), ConfState::voters([2, 3]));
    assert_eq!(group.raft(1).propose(Bytes::new()), Err(ProposeError::Removed));
    group.isolate(1);
    group.tick(5 * ELECTION);
    assert_ne!(group.raft(1).role(), Role::Leader);
    assert_eq!(group.raft(2).role(), Role::Leader);
}

#[test]
fn committed_conf_change_must_be_applied_before_campaigning() {
    let mut node = with_log(1, &[1, 1], 2);
    node.disk.entries[1].kind = EntryKind::ConfChange;
    node.disk.entries[1].data =
        ConfChange { kind: ConfChangeKind::Remove, id: 3, context: Bytes::new() }.encode();
    let mut node = Node::start(config(1), node.disk);
    node.raft.campaign();
    assert_eq!(node.raft.role(), Role::Follower);
    node.drain();
    node.raft.campaign();
    assert_eq!(node.raft.role(), Role::PreCandidate);
    assert_eq!(node.raft.conf_state(), ConfState::voters([1, 2]));
}

#[test]
fn full_window_holds_appends_back_until_an_answer_comes() {
    let mut group = Group::with(3, |config| config.max_inflight = 2);
    group.elect(1);
    group.isolate(2);
    for _ in 0..4 {
        group.propose(1, "a");
    }
    group.drain();
    let sent: Vec<u64> = group.wire.iter().filter(|m| m.to == 2).map(|m| m.index + 1).collect();
    assert_eq!(sent, [2, 3]);
    let progress = group.raft(1).status().progress.remove(1).1;
    assert_eq!(progress.to_string(), "StateReplicate match=1 next=4 paused inflight=2[full]");
    group.settle();
    group.heal();
    group.tick(4);
    assert_eq!(group.raft(2).last_index(), 5);
}

#[test]
fn sizes_of_appends_and_of_what_is_applied_at_once_are_limited() {
    let mut group = Group::with(3, |config| {
        config.max_size_per_msg = 64;
        config.max_committed_size_per_ready = 100;
    });
    group.elect(1);
    group.isolate(2);
    for _ in 0..9 {
        group.propose(1, "0123456789012345");
    }
    group.settle();
    group.heal();
    group.raft(1).report_unreachable(2);
    let answer = message(MessageKind::HeartbeatResp, 2, 1, 1);
    group.raft(1).step(answer).expect("it is a member");
    group.drain();
    assert_eq!(group.wire[0].entries.len(), 2);
    group.settle();
    assert_eq!(group.raft(2).last_index(), 10);
    group.restart(2);
    let applied = std::iter::from_fn(|| {
        let before = group.node(2).applied.len();
        group.node(2).drain();
        Some(group.node(2).applied.len() - before).filter(|count| *count > 0)
    });
    assert_eq!(applied.collect::<Vec<_>>(), [3, 3, 3, 1]);
    let big = vec![0; elastickv::raft::ENTRY_BYTES_MAX + 1].into();
    assert!(matches!(group.raft(1).propose(big), Err(ProposeError::TooLarge { .. })));
}

#[test]
fn unreachable_peer_is_probed_again() {
    let mut group = Group::led(3);
    group.isolate(2);
    group.propose(1, "a");
    group.settle();
    group.raft(1).report_unreachable(2);
    assert_eq!(group.raft(1).status().progress[1].1.to_string(), "StateProbe match=1 next=2");
    group.heal();
    group.tick(2);
    assert_eq!(group.node(2).commands(), ["a"]);
}

#[test]
fn quorum_stamp_is_the_time_a_quorum_was_spoken_to_not_the_time_it_answered() {
    let mut group = Group::led(5);
    group.raft(1).set_stamp(100);
    group.raft(1).tick();
    group.raft(1).tick();
    group.drain();
    let beats: Vec<Message> = group.wire.drain(..).collect();
    assert!(beats.iter().all(|beat| beat.stamp == 100));
    let mut answers = Vec::new();
    for beat in beats {
        let to = beat.to;
        group.raft(to).step(beat).expect("it leads");
        answers.extend(group.node(to).drain());
    }
    // The answers take until 900.
    group.raft(1).set_stamp(900);
    assert_eq!(group.raft(1).quorum_stamp(), Some(0));
    group.raft(1).step(answers[0].clone()).expect("it is a member");
    assert_eq!(group.raft(1).quorum_stamp(), Some(0));
    group.raft(1).step(answers[0].clone()).expect("it is a member");
    assert_eq!(group.raft(1).quorum_stamp(), Some(0));
    group.raft(1).step(answers[1].clone()).expect("it is a member");
    assert_eq!(group.raft(1).quorum_stamp(), Some(100));
    assert_eq!(group.raft(2).quorum_stamp(), None);
}

#[test]
fn quorum_stamp_does_not_count_answers_of_an_older_term() {
    let mut group = Group::led(3);
    group.raft(1).set_stamp(100);
    group.tick(2);
    assert_eq!(group.raft(1).quorum_stamp(), Some(100));
    group.raft(1).transfer_leader(2);
    group.settle();
    group.raft(2).transfer_leader(1);
    group.drain();
    group.isolate(3);
    group.settle();
    assert_eq!((group.raft(1).role(), group.raft(1).term()), (Role::Leader, 3));
    let mut old = message(MessageKind::HeartbeatResp, 3, 1, 1);
    old.stamp = 5000;
    group.raft(1).step(old).expect("an old message is no error");
    assert_eq!(group.raft(1).status().progress[2].1.stamp, None);
}

#[test]
fn node_that_lost_acknowledged_entries_is_told_so() {
    let mut group = Group::led(3);
    group.propose(1, "a");
    group.settle();
    group.node(2).disk.entries.pop();
    group.node(2).disk.hard_state.commit = 1;
    group.restart(2);
    let mut beat = message(MessageKind::Heartbeat, 1, 2, 1);
    beat.commit = 2;
    let error = group.raft(2).step(beat).expect_err("it lost an entry");
    assert_eq!(error, StepError::LostEntries { commit: 2, last: 1 });
    assert!(error.is_fatal());
}

#[test]
fn message_that_cannot_be_right_is_refused_and_changes_nothing() {
    let mut group = Group::led(3);
    let mut ack = message(MessageKind::AppResp, 2, 1, 1);
    ack.index = 9;
    let refused = Err(StepError::AckPastEnd { index: 9, last: 1 });
    assert_eq!(group.raft(1).step(ack.clone()), refused);
    ack.from = 7;
    assert_eq!(group.raft(1).step(ack.clone()), Err(StepError::UnknownPeer { from: 7 }));
    (ack.from, ack.to) = (2, 3);
    assert_eq!(group.raft(1).step(ack), Err(StepError::Misrouted { from: 2, to: 3 }));
    let own = message(MessageKind::Heartbeat, 1, 1, 1);
    assert_eq!(group.raft(1).step(own), Err(StepError::Misrouted { from: 1, to: 1 }));
    let beat = message(MessageKind::Heartbeat, 1, 2, 0);
    assert_eq!(group.raft(2).step(beat), Err(StepError::NoTerm));
    let mut gap = message(MessageKind::App, 1, 2, 1);
    (gap.index, gap.log_term, gap.entries) = (1, 1, vec![entry(1, 3)]);
    assert_eq!(group.raft(2).step(gap), Err(StepError::Malformed));
    let empty = message(MessageKind::Snap, 1, 2, 1);
    assert_eq!(group.raft(2).step(empty), Err(StepError::Malformed));
    assert!(group.nodes.iter().all(|node| !node.raft.has_ready()));
}

#[test]
fn snapshot_of_a_configuration_without_this_node_is_ignored() {
    let mut group = Group::led(3);
    let meta = SnapshotMeta { index: 9, term: 1, conf: ConfState::voters([1, 3]) };
    let mut snap = message(MessageKind::Snap, 1, 2, 1);
    snap.snapshot = Some(Box::new(Snapshot { meta, data: Bytes::new() }));
    group.raft(2).step(snap).expect("it leads");
    let ready = group.raft(2).ready();
    assert_eq!(ready.snapshot, None);
    assert_eq!(ready.messages[0].index, 1);
}

#[test]
fn node_with_an_uninstalled_snapshot_neither_applies_nor_campaigns() {
    let mut group = Group::led(3);
    let meta = SnapshotMeta { index: 9, term: 1, conf: ConfState::voters([1, 2, 3]) };
    let mut snap = message(MessageKind::Snap, 1, 2, 1);
    snap.snapshot = Some(Box::new(Snapshot { meta, data: Bytes::new() }));
    group.raft(2).step(snap).expect("it leads");
    let mut app = message(MessageKind::App, 1, 2, 1);
    (app.index, app.log_term, app.commit, app.entries) = (9, 1, 10, vec![entry(1, 10)]);
    group.raft(2).step(app).expect("it leads");
    let ready = group.raft(2).ready();
    assert_eq!((ready.committed.len(), ready.entries.len()), (0, 1));
    assert_eq!(ready.snapshot.map(|snapshot| snapshot.meta.index), Some(9));
    group.raft(2).campaign();
    assert_eq!(group.raft(2).role(), Role::Follower);
    group.raft(2).advance();
    assert_eq!(group.raft(2).applied(), 9);
    assert_eq!(group.raft(2).ready().committed, [entry(1, 10)]);
}

#[test]
fn quiet_node_has_nothing_to_do() {
    let mut group = Group::led(3);
    group.tick(3 * ELECTION);
    for id in 1..=3 {
        assert!(!group.raft(id).has_ready());
        group.raft(id).tick();
    }
    assert!(!group.raft(2).has_ready());
}
