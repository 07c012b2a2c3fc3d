//! Whether a fault would show on a cluster as it is seen: of what cannot, nothing is offered and nothing is struck.
//!
//! Promise: what is offered has somebody to act on, as far as faults go. Cannot see: what happens to the cluster after that, nor a node
//! that died by itself. What is struck and does not show is struck once more ([`super::compose`]).

use super::disk::DiskState;
use super::{ClusterView, NodeView};
use crate::cluster::NodeId;
use crate::fault::{DiskTrouble, Fault, Sort};

/// Clocks that are off by no more reach a ceiling about when they would if they were right.
const CLOCK_ERROR_MS: i64 = 500;

type Link = (NodeId, NodeId);

impl ClusterView {
    fn is(&self, id: NodeId, holds: impl Fn(&NodeView) -> bool) -> bool {
        self.node(id).is_some_and(holds)
    }

    fn speaks(&self, id: NodeId) -> bool {
        self.is(id, |node| node.member && node.acts())
    }

    /// Members that lead, as far as is known, and run.
    fn leading(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.leaders.iter().copied().filter(|id| self.speaks(*id))
    }

    /// Whether something is said on this link now and then, cut or not. Between followers hardly anything is.
    fn is_used(&self, (from, to): Link) -> bool {
        let speak = from != to && self.speaks(from) && self.speaks(to);
        let mut leading = self.leading().peekable();
        speak && (leading.peek().is_none() || leading.any(|leader| leader == from || leader == to))
    }

    /// Whether what is said on this link is heard at once.
    fn is_open(&self, link: Link) -> bool {
        !self.cuts.contains(&link) && !self.held.contains(&link)
    }

    /// Whether what is said between the two is heard soon, unless it is lost.
    fn is_prompt(&self, one: NodeId, other: NodeId) -> bool {
        let late = self.impaired.get(&Sort::Latency);
        let is_late = |link: &Link| late.is_some_and(|late| late.contains(link));
        let passes = |link: Link| self.is_open(link) && !is_late(&link);
        let is_slow = |node| self.slow.contains(&node);
        passes((one, other)) && passes((other, one)) && !is_slow(one) && !is_slow(other)
    }

    /// Whether all that is said between the two is heard soon.
    fn is_sound(&self, one: NodeId, other: NodeId) -> bool {
        let links = [(one, other), (other, one)];
        let is_harmed = |of: &Vec<NodeId>| of.contains(&one) || of.contains(&other);
        let is_impaired = |of: &Vec<Link>| links.iter().any(|link| of.contains(link));
        self.is_prompt(one, other)
            && ![&self.flaky, &self.throttled].into_iter().any(is_harmed)
            && !self.impaired.values().any(is_impaired)
    }

    /// Whether a majority of these members runs and is heard by one of them soon.
    fn has_around(&self, centre: NodeId, members: &[NodeId]) -> bool {
        self.has_majority(centre, members, Self::is_prompt)
    }

    /// Whether one of these members and a majority of them run and are as near to each other as that.
    fn has_majority(
        &self,
        centre: NodeId,
        members: &[NodeId],
        is_near: fn(&Self, NodeId, NodeId) -> bool,
    ) -> bool {
        let near =
            |id: &&NodeId| self.speaks(**id) && (**id == centre || is_near(self, centre, **id));
        self.speaks(centre) && members.iter().filter(near).count() > members.len() / 2
    }

    /// Who leads, as far as is known, and is heard by a majority of the members soon.
    fn leads_majority(&self) -> Option<NodeId> {
        let members = self.which(|node| node.member);
        self.leading().find(|leader| self.has_around(*leader, &members))
    }

    /// Whether everybody who leads can without this member, or, if that is the member, one whom it tells so. Between a majority all is
    /// heard: what an operator waits for is agreed on in many messages one after another.
    fn can_do_without(&self, id: NodeId) -> bool {
        let members = self.which(|node| node.member);
        let rest = self.which(|node| node.member && node.id != id);
        let is_heard = |one, of: &[NodeId]| self.has_majority(one, of, Self::is_sound);
        let takes_over = |one: &NodeId| self.is_sound(id, *one) && is_heard(*one, &rest);
        let goes_on = |leader| match leader == id {
            true => rest.iter().any(takes_over),
            false => is_heard(leader, &rest),
        };
        self.leading().next().is_some()
            && self.leading().all(|leader| is_heard(leader, &members) && goes_on(leader))
    }

    /// Whether the clock of everybody who leads shows about true time, and will.
    fn clocks_are_right(&self) -> bool {
        let is_right = |node: &NodeView| {
            let (least, most) = node.wall.reach();
            -CLOCK_ERROR_MS <= least && most <= CLOCK_ERROR_MS
        };
        self.leading().all(|leader| self.is(leader, is_right))
    }

    /// Whether messages of one of these nodes reach another.
    fn any_is_heard(&self, nodes: &[NodeId]) -> bool {
        let heard = |from: NodeId| {
            self.nodes
                .iter()
                .map(|node| (from, node.id))
                .any(|link| self.is_used(link) && self.is_open(link))
        };
        nodes.iter().any(|from| heard(*from))
    }

    /// Whether a client talks to one of these nodes, and it runs.
    fn any_is_asked(&self, nodes: &[NodeId]) -> bool {
        nodes.iter().any(|id| self.asked.contains(id) && self.is(*id, NodeView::acts))
    }

    /// Whether a leader that a majority hears tells this node something, or hears its peers.
    fn is_told(&self, node: NodeId) -> bool {
        self.leads_majority().is_some_and(|leader| {
            let told = |other: NodeId| {
                let link = (other, node);
                other != node && self.speaks(other) && self.speaks(node) && self.is_open(link)
            };
            match leader == node {
                true => self.nodes.iter().any(|other| told(other.id)),
                false => told(leader) && self.is_open((node, leader)),
            }
        })
    }

    /// Whether the fault would change anything.
    pub fn can_act(&self, fault: &Fault) -> bool {
        let is = |id: &NodeId, holds: fn(&NodeView) -> bool| self.is(*id, holds);
        let any_acts = |nodes: &[NodeId]| nodes.iter().any(|id| is(id, NodeView::acts));
        match fault {
            Fault::Partition { cuts, .. } => cuts.iter().any(|link| self.is_used(*link)),
            Fault::Links { links, how } => {
                how.harms() && links.iter().any(|link| self.is_used(*link) && self.is_open(*link))
            }
            Fault::LinksWhole(sort) => self.impaired.contains_key(sort),
            Fault::CutClients { nodes, .. } => self.any_is_asked(nodes),
            Fault::Reset { nodes } | Fault::Forget { nodes, .. } => any_acts(nodes),
            Fault::Remember => !self.forgotten.is_empty(),
            Fault::Hold { links, .. } => {
                links.iter().any(|link| self.is_used(*link) && !self.cuts.contains(link))
            }
            Fault::Release => !self.held.is_empty(),
            // Clients speak to it, if no node does.
            Fault::Readdress { node, .. } => is(node, NodeView::acts),
            Fault::Echo { node, .. } => self.is_told(*node),
            Fault::HealClients => !self.unasked.is_empty(),
            Fault::HealNetwork => !self.cuts.is_empty(),
            Fault::Kill(id) | Fault::PowerOff(id) | Fault::Reboot(id) => is(id, |node| node.up),
            Fault::Restart(id) => is(id, |node| !node.up && node.disk.runs()),
            Fault::Pause(id)
            | Fault::WallJump { node: id, .. }
            | Fault::KillAfter { node: id, .. }
            | Fault::Storm { node: id, .. }
            | Fault::LimitMemory { node: id, .. }
            | Fault::WallFreeze(id) => is(id, NodeView::acts),
            Fault::WallLeap { node, back_ms } => *back_ms != 0 && is(node, NodeView::acts),
            Fault::KillAt { node, step, .. } => {
                self.steps.contains(step) && is(node, NodeView::acts)
            }
            Fault::Resume(id) => is(id, |node| node.paused),
            Fault::WallStrobe { node, delta_ms, .. } => *delta_ms != 0 && is(node, NodeView::acts),
            Fault::WallDrift { node, ppm } | Fault::MonoDrift { node, ppm } => {
                *ppm != 0 && is(node, NodeView::acts)
            }
            Fault::MonoReset(id) => is(id, |node| node.pace_ppm != 0),
            Fault::WallReset(id) => is(id, |node| node.wall.touched),
            // What answers clients get is late, too.
            Fault::Slow { nodes, delay_ms, jitter_ms } => {
                delay_ms | jitter_ms != 0 && (self.any_is_heard(nodes) || self.any_is_asked(nodes))
            }
            Fault::Fast => !self.slow.is_empty(),
            Fault::Flaky { nodes, loss_percent, duplicate_percent } => {
                loss_percent | duplicate_percent != 0 && self.any_is_heard(nodes)
            }
            Fault::Reliable => !self.flaky.is_empty(),
            Fault::Throttle { nodes, .. } => self.any_is_heard(nodes),
            Fault::Rolling { nodes, .. } => any_acts(nodes),
            Fault::Unthrottle => !self.throttled.is_empty(),
            // Two are left, who need each other.
            Fault::Remove(id) => {
                let members = self.which(|node| node.member);
                members.contains(id) && members.len() >= 3 && self.can_do_without(*id)
            }
            Fault::Split { .. } => self.leads_majority().is_some(),
            // Nothing is mended meanwhile: somebody has to be asked, to lead, and to come to the ceiling by its clock.
            Fault::HoldCeiling { .. } => {
                let is_asked =
                    |id: &NodeId| !self.unasked.contains(id) && self.any_is_asked(&[*id]);
                self.leads_majority().is_some()
                    && self.asked.iter().any(is_asked)
                    && self.clocks_are_right()
            }
            Fault::Join(id) => is(id, |node| !node.member),
            Fault::SpoilDisk { node, how: DiskTrouble::LyingSyncs }
            | Fault::DamageDisk { node, .. }
            | Fault::SwapDisk { node, .. } => {
                is(node, NodeView::may_be_spoilt) && self.may_lose_a_disk()
            }
            Fault::SpoilDisk { node, .. } => is(node, NodeView::may_be_spoilt),
            Fault::DiskWhole(id) => is(id, NodeView::may_be_mended),
            Fault::ForgetSyncs(id) => is(id, |node| node.disk == DiskState::Lying),
            Fault::Replace(id) => is(id, |node| node.disk == DiskState::Lost),
            Fault::Wipe(id) => is(id, |node| !node.member) && self.leads_majority().is_some(),
            // Somebody else has to lead, to hand it over, and the two have to reach each other in time.
            Fault::Transfer(id) => {
                let reached = |leader| leader != *id && self.is_sound(leader, *id);
                let members = self.which(|node| node.member);
                self.has_around(*id, &members) && self.leads_majority().is_some_and(reached)
            }
        }
    }

    /// Whether a mending that is due has to wait: nobody is there to be told what was held, nobody leads who could add a node, or what
    /// it would end has not shown.
    pub fn must_wait(&self, fault: &Fault) -> bool {
        let is_idle = || fault.mends().iter().any(|kind| self.idle.contains(kind));
        match fault {
            Fault::Release => {
                let heard = |(_, to): &Link| self.is(*to, NodeView::acts);
                !self.held.iter().any(|link| heard(link) && !self.cuts.contains(link))
            }
            Fault::Replace(id) => {
                self.is(*id, |node| node.disk == DiskState::Lost) && self.leads_majority().is_none()
            }
            Fault::HealNetwork
            | Fault::Reliable
            | Fault::Unthrottle
            | Fault::LinksWhole(_)
            | Fault::HealClients
            | Fault::Remember
            | Fault::MonoReset(_) => is_idle(),
            // For what troubles that disk and for nothing else; what it has lied about is its own.
            Fault::DiskWhole(id) => self.is(
                *id,
                |node| matches!(node.disk, DiskState::Troubled(kind) if self.idle.contains(&kind)),
            ),
            _ => false,
        }
    }
}
