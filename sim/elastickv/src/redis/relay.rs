//! PUBLISH to the whole cluster (`publishCluster` of `adapter/redis.go`, `RelayPublish` of `adapter/internal.go`): to the subscribers
//! of this node, then to every other node's over its internal port, all at once.
//!
//! At most once: who cannot be reached within [`WITHIN`] is left out, and is not asked again; whether its subscribers got the message, nobody
//! knows. Not replicated; nothing orders what two nodes publish. The nodes are those that the node was started with, as upstream's
//! `--raftRedisMap`.

use super::pubsub::Channels;
use crate::codec::{Malformed, Reader, Writer};
use crate::env::{Env, NodeId, Port};
use crate::kv::forward::{read_frame, write_frame};
use crate::pool::Pool;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{FutureExt, select_biased};
use std::io;
use std::pin::pin;
use std::time::Duration;

/// The first byte of a message on the internal port: none of a transaction's or an operator's.
const PUBLISH: u8 = 0x30;
/// How long another node is waited for.
pub const WITHIN: Duration = Duration::from_secs(2);

/// Publishes on all nodes. Keeps an idle stream to each.
pub struct Relay<E: Env> {
    env: E,
    others: Vec<NodeId>,
    channels: Channels,
    idle: Pool<E::Socket>,
}

impl<E: Env> Relay<E> {
    /// With no stream open.
    pub fn new(env: E, nodes: &[NodeId], channels: Channels) -> Relay<E> {
        let others = nodes.iter().copied().filter(|node| *node != env.id()).collect();
        Relay { env, others, channels, idle: Pool::new(1) }
    }

    /// How many subscribers the message was handed to, as far as their nodes said.
    pub async fn publish(&self, channel: &Bytes, message: &Bytes) -> i64 {
        let here = self.channels.publish(channel, message);
        let mut w = Writer::new();
        w.u8(PUBLISH).bytes(channel).bytes(message);
        let request = w.finish();
        let asked = self.others.iter().map(|node| self.ask(*node, &request));
        here + join_all(asked).await.into_iter().flatten().sum::<i64>()
    }

    async fn ask(&self, to: NodeId, request: &[u8]) -> io::Result<i64> {
        let mut exchange = pin!(self.exchange(to, request).fuse());
        let mut timer = pin!(self.env.sleep(WITHIN).fuse());
        select_biased! {
            count = exchange => count,
            () = timer => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn exchange(&self, to: NodeId, request: &[u8]) -> io::Result<i64> {
        let mut socket = match self.idle.take_quiet(to) {
            Some(socket) => socket,
            None => self.env.connect(to, Port::INTERNAL).await?,
        };
        write_frame(&mut socket, request).await?;
        let answer = read_frame(&mut socket).await?;
        self.idle.put(to, socket);
        let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, "malformed answer");
        Reader::new(answer).u64().map(|count| count as i64).map_err(malformed)
    }
}

/// What a node answers that is asked to hand a message to its own subscribers.
pub fn answer(channels: &Channels, request: Bytes) -> Result<Vec<u8>, Malformed> {
    let mut r = Reader::new(request);
    if r.u8()? != PUBLISH {
        return Err(Malformed);
    }
    let (channel, message) = (r.bytes()?, r.bytes()?);
    r.end()?;
    let mut w = Writer::new();
    w.u64(channels.publish(&channel, &message) as u64);
    Ok(w.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_no_other_request_of_the_port() {
        let mut w = Writer::new();
        w.u8(PUBLISH).bytes(b"channel").bytes(b"message");
        let bytes = Bytes::from(w.finish());
        assert!(crate::kv::request::Payload::decode(bytes.clone()).is_err());
        assert!(crate::admin::Request::decode(bytes.clone()).is_err());
        let channels = Channels::default();
        assert_eq!(answer(&channels, bytes.clone()), Ok(0u64.to_le_bytes().to_vec()));
        assert_eq!(answer(&channels, bytes.slice(..bytes.len() - 1)), Err(Malformed));
        assert_eq!(
            answer(&channels, crate::admin::Request::Status.encode().into()),
            Err(Malformed)
        );
    }
}
