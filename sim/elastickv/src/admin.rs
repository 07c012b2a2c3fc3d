//! What an operator asks of a group (`internal/raftadmin`, `cmd/raftadmin`, `cmd/elastickv-split`): one framed request and one framed
//! answer, over a byte stream to a node's internal port. [`Operator`] is who asks: it finds the leader, asks, and looks until it is so.
//!
//! A node is a member of every group or of none: what is asked of it is brought about in each.
//!
//! Promises: what comes back `Ok` is so by the applied configuration of a leader. Cannot see: whether a change that was not
//! confirmed in time still comes.

use crate::codec::Malformed;
use crate::env::{GroupId, NodeId};
use crate::kv::forward::Call;
use crate::raft::engine::{MemberChange, Standing};
use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use futures_util::io::{AsyncRead, AsyncWrite};
use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::time::Duration;

use request::{Answer, read_answer};

pub use crate::kv::forward::{read_frame, write_frame};
pub use request::Request;

mod request;

/// One question may take so long.
const ASK_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(100);
/// Who was started is told of a held ceiling by then.
const HOLD_AGAIN: Duration = Duration::from_millis(500);

/// Where the leader stood that said of a node that it is no member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Its term.
    pub term: u64,
    /// What it had applied, the removal with it.
    pub index: u64,
}

/// The same of every group.
pub type SinceByGroup = BTreeMap<GroupId, Since>;

/// Whence an operator asks: somewhere from where all nodes can be reached.
pub trait Desk {
    /// A byte stream to a node.
    type Socket: AsyncRead + AsyncWrite + Unpin;
    /// Every node that there is, member or not.
    fn nodes(&self) -> Vec<NodeId>;
    /// Every group that there is.
    fn groups(&self) -> Vec<GroupId>;
    /// Opens a stream to the node's internal port.
    async fn connect(&self, to: NodeId) -> io::Result<Self::Socket>;
    /// Lets time pass.
    async fn sleep(&self, duration: Duration);
    /// Since some time.
    fn now(&self) -> Duration;
    /// Whatever the node holds is gone, and it starts again as one that waits to be added and believes nothing that is older.
    async fn start_over(&self, node: NodeId, since: SinceByGroup) -> Result<(), String>;
    /// Whether it has started over since it was last a voter.
    fn is_empty(&self, node: NodeId) -> bool;
    /// It is a voter: what it holds from now on counts.
    fn joined(&self, node: NodeId);
    /// Its process runs, if it did not.
    async fn start(&self, node: NodeId) -> Result<(), String>;
}

/// What is to be brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The node is no member.
    Remove(NodeId),
    /// The node, which is no member, has nothing and runs.
    Wipe(NodeId),
    /// The node is a voter and runs.
    Join(NodeId),
    /// The node leads.
    Transfer(NodeId),
    /// A range begins at this key.
    Split(Bytes),
    /// For so long nobody asks for a higher HLC ceiling.
    HoldCeiling(Duration),
}

impl Order {
    /// How long it is tried; to hand over, as long as upstream's `raftadmin` waits for an answer.
    pub fn limit(&self) -> Duration {
        match self {
            Order::Transfer(_) | Order::Split(_) => Duration::from_secs(5),
            Order::Remove(_) | Order::Wipe(_) => Duration::from_secs(8),
            Order::Join(_) => Duration::from_secs(15),
            Order::HoldCeiling(time) => *time,
        }
    }
}

/// A leader gives up handing leadership over after an election time-out: what was to tell the other may have been lost.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(2_500);

/// Brings it about. How many steps a leader had to take for it, or how often one was kept from what it wanted: none if it was so. `Err`: what did not come about, and why.
pub async fn carry_out<D: Desk>(desk: &D, order: Order) -> Result<u64, String> {
    // Each group takes its time, one after another.
    let limit = order.limit() * desk.groups().len().max(1) as u32;
    let operator = Operator::new(desk, limit);
    match order {
        Order::Remove(node) => operator.remove(node).await,
        Order::Wipe(node) => operator.wipe(node).await,
        Order::Join(node) => operator.join(node).await,
        Order::Transfer(node) => operator.transfer(node).await,
        Order::Split(at) => operator.split(at).await,
        Order::HoldCeiling(time) => Ok(operator.hold_ceiling(time).await),
    }
}

/// Changes a group, and does not rest until a leader says that it is so, or time is up.
pub struct Operator<'a, D: Desk> {
    desk: &'a D,
    until: Duration,
    limit: Duration,
}

impl<'a, D: Desk> Operator<'a, D> {
    /// With so much time.
    pub fn new(desk: &'a D, limit: Duration) -> Operator<'a, D> {
        Operator { desk, until: desk.now() + limit, limit }
    }

    /// The node is no member. How many steps that took: none if it was none.
    pub async fn remove(&self, node: NodeId) -> Result<u64, String> {
        let mut steps = 0;
        for group in self.desk.groups() {
            let mut said = String::new();
            loop {
                if let Some((leader, standing)) = self.leader(group).await {
                    if !is_member(&standing, node) {
                        break;
                    }
                    let change = Request::Change(MemberChange::RemoveServer(node));
                    self.try_step(group, leader, change, &mut steps, &mut said).await;
                }
                self.rest(|| format!("{node} was not removed"), &said).await?;
            }
        }
        Ok(steps)
    }

    /// The node is a voter and runs. One that is no member starts over with nothing, is added as a learner and promoted once
    /// it has caught up. One that was removed from some groups only is removed from the others first.
    pub async fn join(&self, node: NodeId) -> Result<u64, String> {
        let mut steps = 0;
        let mut said = String::new();
        loop {
            if let Some(leaders) = self.leaders().await {
                if leaders.iter().all(|(_, _, standing)| standing.voters.contains(&node)) {
                    self.desk.start(node).await?;
                    self.desk.joined(node);
                    return Ok(steps);
                }
                let finishes_removal = self.make_ready(node, &leaders).await?;
                for (group, leader, standing) in &leaders {
                    let change = match is_member(standing, node) {
                        true if finishes_removal => MemberChange::RemoveServer(node),
                        _ if finishes_removal || standing.voters.contains(&node) => continue,
                        true => MemberChange::PromoteLearner(node),
                        false => MemberChange::AddLearner(node),
                    };
                    let change = Request::Change(change);
                    self.try_step(*group, *leader, change, &mut steps, &mut said).await;
                }
            }
            self.rest(|| format!("{node} did not join"), &said).await?;
        }
    }

    /// The node runs and may be added: it is no stranger to a group that it does not belong to, or it is in all of them or in none.
    /// Whether it has to be removed from some first.
    async fn make_ready(&self, node: NodeId, leaders: &[Leader]) -> Result<bool, String> {
        let out = leaders.iter().filter(|(_, _, standing)| !is_member(standing, node)).count();
        if out == 0 || self.desk.is_empty(node) {
            self.desk.start(node).await?;
            return Ok(false);
        }
        // Only who is out by a leader's applied configuration may forget what it knew.
        if out < leaders.len() {
            return Ok(true);
        }
        self.desk.start_over(node, since(leaders)).await?;
        Ok(false)
    }

    /// The node has nothing: only if leaders say that it is no member.
    pub async fn wipe(&self, node: NodeId) -> Result<u64, String> {
        loop {
            if let Some(leaders) = self.leaders().await {
                if let Some((_, leader, _)) = leaders.iter().find(|(_, _, s)| is_member(s, node)) {
                    return Err(format!("{node} is not wiped: {leader} says that it is a member"));
                }
                self.desk.start_over(node, since(&leaders)).await?;
                return Ok(1);
            }
            self.rest(|| format!("{node} was not wiped"), "").await?;
        }
    }

    /// The node leads. Each leader is asked, and once more if it has given up; how often one was.
    pub async fn transfer(&self, to: NodeId) -> Result<u64, String> {
        let mut steps = 0;
        for group in self.desk.groups() {
            let (mut asked, mut said) = (None, String::new());
            loop {
                if let Some((leader, _)) = self.leader(group).await {
                    if leader == to {
                        break;
                    }
                    let now = self.desk.now();
                    let is_new = |(whom, at)| whom != leader || now >= at + ASKS_AGAIN_AFTER;
                    if asked.is_none_or(is_new) {
                        let (ask, before) = (Request::Transfer(to), steps);
                        self.try_step(group, leader, ask, &mut steps, &mut said).await;
                        asked = (steps > before).then_some((leader, now));
                    }
                }
                self.rest(|| format!("{to} did not take over"), &said).await?;
            }
        }
        Ok(steps)
    }

    /// A range begins at the key. How often the catalog's leader did it.
    pub async fn split(&self, at: Bytes) -> Result<u64, String> {
        let mut said = String::new();
        loop {
            if let Some((leader, _)) = self.leader(GroupId::DEFAULT).await {
                match self.ask(GroupId::DEFAULT, leader, Request::Split(at.clone())).await {
                    Ok(Ok((_, split))) => return Ok(u64::from(split)),
                    Ok(Err(refusal)) => said = format!("{leader} says: {refusal}"),
                    Err(error) => said = format!("{leader} gave no answer: {error}"),
                }
            }
            let what = || format!("no range was made to begin at `{}`", at.escape_ascii());
            self.rest(what, &said).await?;
        }
    }

    /// For so long nobody asks for a higher ceiling, not even who was started meanwhile. How many timestamps were refused for it. What a
    /// node refused before it was first heard, or before it was heard again after a start, is not counted: that may have had another cause.
    pub async fn hold_ceiling(&self, time: Duration) -> u64 {
        let until = self.desk.now() + time;
        let (mut heard, mut refused) = (BTreeMap::new(), 0);
        loop {
            let left = until.saturating_sub(self.desk.now());
            let ask = if left.is_zero() { Request::Status } else { Request::HoldCeiling(left) };
            for (node, now) in self.refused(ask).await {
                let before = heard.insert(node, now).unwrap_or(now);
                refused += now.saturating_sub(before);
            }
            if left.is_zero() {
                return refused;
            }
            self.desk.sleep(left.min(HOLD_AGAIN)).await;
        }
    }

    /// Asks every node of every group, and how many timestamps each that answers has refused for the ceiling since it was started.
    async fn refused(&self, request: Request) -> BTreeMap<(GroupId, NodeId), u64> {
        let (groups, nodes) = (self.desk.groups(), self.desk.nodes());
        let all = groups.iter().flat_map(|group| nodes.iter().map(|node| (*group, *node)));
        // All at once: each that is silent takes its time.
        let answers = all.map(async |(group, node)| {
            let answer = self.ask(group, node, request.clone()).await;
            let (standing, _) = answer.ok()?.ok()?;
            Some(((group, node), standing.refused))
        });
        join_all(answers).await.into_iter().flatten().collect()
    }

    async fn try_step(
        &self,
        group: GroupId,
        leader: NodeId,
        ask: Request,
        steps: &mut u64,
        said: &mut String,
    ) {
        match self.ask(group, leader, ask).await {
            Ok(Ok(_)) => {
                *steps += 1;
                *said = format!("{leader} was asked to, and it did not come about");
            }
            Ok(Err(refusal)) => *said = format!("{leader} says: {refusal}"),
            Err(error) => *said = format!("{leader} gave no answer: {error}"),
        }
    }

    async fn rest(&self, what: impl Fn() -> String, said: &str) -> Result<(), String> {
        if self.desk.now() >= self.until {
            let why = if said.is_empty() { "no node says that it leads" } else { said };
            return Err(format!("{} within {:?}: {why}", what(), self.limit));
        }
        self.desk.sleep(AGAIN).await;
        Ok(())
    }

    /// The leader of every group; `None` if one is not known.
    async fn leaders(&self) -> Option<Vec<Leader>> {
        let mut leaders = Vec::new();
        for group in self.desk.groups() {
            let (leader, standing) = self.leader(group).await?;
            leaders.push((group, leader, standing));
        }
        Some(leaders)
    }

    /// Of the nodes that say that they lead, the one of the highest term, if its members are settled.
    async fn leader(&self, group: GroupId) -> Option<(NodeId, Standing)> {
        let nodes = self.desk.nodes();
        let asked = nodes.iter().map(|node| self.ask(group, *node, Request::Status));
        let standings = nodes.iter().copied().zip(join_all(asked).await);
        let leading = standings.filter_map(|(node, answer)| match answer {
            Ok(Ok((standing, _))) if standing.leads => Some((node, standing)),
            _ => None,
        });
        // While its members change, what it says of them may be over when it is heard.
        leading.max_by_key(|(_, standing)| standing.term).filter(|(_, leader)| !leader.changing)
    }

    async fn ask(&self, group: GroupId, node: NodeId, request: Request) -> io::Result<Answer> {
        let request = Call { group, ..Call::PLAIN }.around(&request.encode());
        let exchange = async {
            let mut socket = self.desk.connect(node).await?;
            write_frame(&mut socket, &request).await?;
            let answer = read_frame(&mut socket).await?;
            read_answer(answer)
                .map_err(|Malformed| io::Error::new(io::ErrorKind::InvalidData, "malformed answer"))
        };
        match select(pin!(exchange), pin!(self.desk.sleep(ASK_WITHIN))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}

/// A group, who leads it and what it says.
type Leader = (GroupId, NodeId, Standing);

fn is_member(standing: &Standing, node: NodeId) -> bool {
    standing.voters.contains(&node) || standing.learners.contains(&node)
}

fn since(leaders: &[Leader]) -> SinceByGroup {
    let since = |standing: &Standing| Since { term: standing.term, index: standing.applied };
    leaders.iter().map(|(group, _, standing)| (*group, since(standing))).collect()
}
