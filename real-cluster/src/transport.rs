//! Raft's messages over TCP: one connection per peer and lane in each direction of sending, dialled by the sender.
//!
//! A message may be lost, and is rather lost than kept for long: queues are bounded in number and bytes, what waits for a peer that
//! cannot be reached is dropped, a broken connection takes what was on its way with it. All of that is counted. Nothing is sent before
//! the other end has answered a hello as the node that was meant, since a proxy may accept in the name of a dead one. What
//! does not fit its lane, fails its checksum or comes from a stranger closes its connection and nothing else.
//!
//! Cannot see: whether what was written arrived. Raft repeats what matters.

mod dialer;
mod inbox;
mod outbox;
mod receiver;
mod wire;

pub use wire::{VERSION, lane_max};

use crate::metrics::{Dropped, Metrics};
use bytes::Bytes;
use elastickv::env::{Lane, NodeId};
use inbox::Inbox;
use outbox::Outbox;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::TcpListener;

/// Every lane, in the order of its number on the wire.
pub const LANES: [Lane; 3] = [Lane::Heartbeat, Lane::Normal, Lane::Snapshot];

/// A node's end of the Raft network. Cheap to clone.
#[derive(Clone)]
pub struct Transport(Rc<Inner>);

struct Inner {
    id: NodeId,
    /// By peer, then by lane.
    outboxes: BTreeMap<NodeId, [Rc<Outbox>; 3]>,
    inboxes: [Inbox; 3],
    metrics: Rc<Metrics>,
}

impl Transport {
    /// Listens, and dials the peers (host and port each) when there is something to send. The tasks live as long as the `LocalSet`.
    pub fn start(
        id: NodeId,
        listener: TcpListener,
        peers: &BTreeMap<NodeId, (String, u16)>,
        metrics: Rc<Metrics>,
    ) -> Transport {
        let outboxes =
            peers.keys().map(|peer| (*peer, LANES.map(|lane| Rc::new(Outbox::new(lane)))));
        let inner = Rc::new(Inner {
            id,
            outboxes: outboxes.collect(),
            inboxes: LANES.map(Inbox::new),
            metrics,
        });
        for (peer, address) in peers {
            for lane in LANES {
                let link = dialer::Link { me: id, to: *peer, lane, address: address.clone() };
                let outbox = inner.outboxes[peer][lane as usize].clone();
                tokio::task::spawn_local(link.deliver(outbox, inner.metrics.clone()));
            }
        }
        let transport = Transport(inner);
        tokio::task::spawn_local(receiver::serve(transport.clone(), listener));
        transport
    }

    /// Puts a message on its way, or drops it.
    pub fn send(&self, to: NodeId, lane: Lane, message: Bytes) {
        let Some(lanes) = self.0.outboxes.get(&to) else {
            return self.0.metrics.dropped(Dropped::UnknownPeer, 1);
        };
        if message.len() > lane_max(lane) {
            tracing::warn!(
                "a message of {} bytes to {to} is not sent: its lane takes {}",
                message.len(),
                lane_max(lane)
            );
            return self.0.metrics.dropped(Dropped::Oversized, 1);
        }
        if !lanes[lane as usize].push(message) {
            self.0.metrics.dropped(Dropped::OutboxFull, 1);
        }
    }

    /// The next message of a lane. One task at a time may wait.
    pub fn poll_receive(&self, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)> {
        self.0.inboxes[lane as usize].poll_pop(cx)
    }

    /// The next message of a lane, if one is there.
    pub fn try_receive(&self, lane: Lane) -> Option<(NodeId, Bytes)> {
        self.0.inboxes[lane as usize].pop()
    }
}
