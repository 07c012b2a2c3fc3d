//! Members and leadership changed from outside, on machines: the operator sits where the tool runs. What it asks and when it
//! is satisfied is [`elastickv::admin`]'s; its twin in simulation is `sim/src/operator.rs`.

use elastickv::admin::{Order, SinceByGroup};
use elastickv::env::{GroupId, NodeId};
use harness::fault::Fault;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// A stream to a node's internal port.
pub type Socket = Compat<TcpStream>;

/// What a fault asks an operator for, if it does.
pub fn order(fault: &Fault) -> Option<Order> {
    match fault {
        Fault::Remove(node) => Some(Order::Remove(NodeId(node.0))),
        Fault::Wipe(node) => Some(Order::Wipe(NodeId(node.0))),
        Fault::Join(node) => Some(Order::Join(NodeId(node.0))),
        Fault::Transfer(node) => Some(Order::Transfer(NodeId(node.0))),
        Fault::Split { at } => Some(Order::Split(at.clone().into())),
        Fault::HoldCeiling { for_ms } => {
            Some(Order::HoldCeiling(Duration::from_millis((*for_ms).into())))
        }
        _ => None,
    }
}

/// The words that tell a node that has started over where its groups stood then.
pub fn since_words(joins: u16, since: &SinceByGroup) -> Vec<String> {
    let since = since
        .iter()
        .map(|(group, since)| format!("--join-since={}:{}:{}", group.0, since.term, since.index));
    std::iter::once(format!("--join={joins}")).chain(since).collect()
}

/// So many groups, the default group first.
pub fn groups(count: u16) -> Vec<GroupId> {
    (1..=count).map(GroupId).collect()
}

/// Opens one.
pub async fn connect(to: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream.compat())
}
