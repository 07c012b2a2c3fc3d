//! Forwarded transactions (`adapter/internal.go Forward`, `kv/leader_proxy.go`): one framed request, one framed answer, over
//! a byte stream to the leader's internal port. What an operator asks ([`admin`]) and what is published
//! ([`relay`]) comes in by the same port.
//!
//! What concerns the default group under the first route catalog is sent as it is; all else says its group first, and the version of
//! the catalog by which it was chosen.
//!
//! The server answers in order. A call that fails on the way is answered with gRPC's words; whether the leader did it, nobody knows.

use super::coordinator::Coordinator;
use super::error::KvError;
use super::fsm::Decision;
use super::request::{Payload, TxnRequest, read_request_id, write_request_id};
use super::routes::FIRST_VERSION;
use crate::admin;
use crate::codec::{FRAME_HEADER, Malformed, Reader, Writer, frame_at, frame_into};
use crate::env::{Env, GroupId, Listener, NodeId, Port, RequestId};
use crate::pool::Pool;
use crate::redis::pubsub::Channels;
use crate::redis::relay;
use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;
use std::time::Duration;

/// Largest frame that is read: more than the largest entry.
const FRAME_MAX: usize = 65 << 20;
/// Room that is made ahead of a frame's bytes: a header alone must not take memory.
const ROOM: usize = 1 << 20;
/// Idle streams kept per node.
const POOL: usize = 4;
/// Between a failed accept and the next.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const COMMITTED: u8 = 0;
const CONFLICT: u8 = 1;
const CEILING: u8 = 2;
const NOT_LEADER: u8 = 3;
const UNKNOWN: u8 = 4;
const LOCKED: u8 = 5;
const ABORTED: u8 = 6;
const ROUTE_SHIFTED: u8 = 7;
const ROUTE_VERSION_GONE: u8 = 8;

/// What may come before a request that is not the default group's.
const OF_GROUP: u8 = 0x20;
/// What became of a transaction?
const DECISION: u8 = 0x21;

/// Which group a transaction is for, by which version of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The group.
    pub group: GroupId,
    /// The version.
    pub version: u64,
}

impl Call {
    /// The default group, by the catalog that every node starts with.
    pub const PLAIN: Call = Call { group: GroupId::DEFAULT, version: FIRST_VERSION };

    /// A request with what it is for before it.
    pub fn around(self, request: &[u8]) -> Vec<u8> {
        if self == Call::PLAIN {
            return request.to_vec();
        }
        let mut w = Writer::new();
        w.u8(OF_GROUP).u16(self.group.0).u64(self.version);
        let mut frame = w.finish();
        frame.extend_from_slice(request);
        frame
    }

    /// What a request is for, and the request.
    fn parted(frame: Bytes) -> Result<(Call, Bytes), Malformed> {
        if frame.first() != Some(&OF_GROUP) {
            return Ok((Call::PLAIN, frame));
        }
        let mut r = Reader::new(frame.clone());
        r.u8()?;
        let call = Call { group: GroupId(r.u16()?), version: r.u64()? };
        Ok((call, frame.slice(frame.len() - r.left()..)))
    }
}

/// Calls other nodes; keeps idle streams.
pub struct Forwarder<E: Env> {
    env: E,
    idle: Pool<E::Socket>,
}

impl<E: Env> Forwarder<E> {
    /// With no stream open.
    pub fn new(env: E) -> Forwarder<E> {
        Forwarder { env, idle: Pool::new(POOL) }
    }

    /// One attempt at the leader.
    pub async fn commit(&self, to: NodeId, call: Call, txn: &TxnRequest) -> Result<u64, KvError> {
        let request = call.around(&Payload::Txn(txn.clone()).encode());
        read_answer(self.exchange(to, &request).await?).unwrap_or_else(|Malformed| malformed())
    }

    /// Asks a group's leader what became of a transaction.
    pub async fn decision(
        &self,
        to: NodeId,
        group: GroupId,
        request: RequestId,
    ) -> Result<Decision, KvError> {
        let mut w = Writer::new();
        write_request_id(w.u8(DECISION), request);
        let frame = Call { group, ..Call::PLAIN }.around(&w.finish());
        read_decision(self.exchange(to, &frame).await?).unwrap_or_else(|Malformed| malformed())
    }

    async fn exchange(&self, to: NodeId, request: &[u8]) -> Result<Bytes, KvError> {
        let unavailable = |error: io::Error| {
            KvError::Rpc(format!("rpc error: code = Unavailable desc = {error}"))
        };
        let mut socket = match self.idle.take(to) {
            Some(socket) => socket,
            None => self.env.connect(to, Port::INTERNAL).await.map_err(unavailable)?,
        };
        write_frame(&mut socket, request).await.map_err(unavailable)?;
        let answer = read_frame(&mut socket).await.map_err(unavailable)?;
        if !self.env.buggify("rare: idle stream not kept") {
            self.idle.put(to, socket);
        }
        Ok(answer)
    }
}

fn malformed<T>() -> Result<T, KvError> {
    Err(KvError::Rpc("rpc error: code = Internal desc = malformed answer".into()))
}

/// Serves the internal port until the node dies.
pub async fn serve<E: Env>(
    env: E,
    coordinator: Coordinator<E>,
    channels: Channels,
    mut listener: E::Listener,
) {
    loop {
        match listener.accept().await {
            Ok(socket) => env.spawn(serve_stream(coordinator.clone(), channels.clone(), socket)),
            // Of one connection, or for want of descriptors: the port itself goes on.
            Err(_) => env.sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn serve_stream<E: Env>(
    coordinator: Coordinator<E>,
    channels: Channels,
    mut socket: E::Socket,
) {
    while let Ok(frame) = read_frame(&mut socket).await {
        let Some(answer) = answer(&coordinator, &channels, frame).await else { return };
        if write_frame(&mut socket, &answer).await.is_err() {
            return;
        }
    }
}

/// The answer to a request; `None` to what nobody of ours would send.
async fn answer<E: Env>(
    coordinator: &Coordinator<E>,
    channels: &Channels,
    frame: Bytes,
) -> Option<Vec<u8>> {
    let (call, request) = Call::parted(frame).ok()?;
    let shard = coordinator.shard(call.group)?;
    if request.first() == Some(&DECISION) {
        let asked = read_decision_request(request).ok()?;
        return Some(write_decision(&shard.decision_here(asked).await));
    }
    match Payload::decode(request.clone()) {
        Ok(Payload::Txn(txn)) => Some(write_answer(&shard.commit_here(&txn, call.version).await)),
        Ok(Payload::HlcLease { .. } | Payload::Compact { .. }) => None,
        Err(Malformed) => match admin::Request::decode(request.clone()) {
            Ok(asked) => Some(asked.answer(coordinator, shard.engine()).await),
            Err(Malformed) => relay::answer(channels, request).ok(),
        },
    }
}

fn read_decision_request(request: Bytes) -> Result<RequestId, Malformed> {
    let mut r = Reader::new(request);
    r.u8()?;
    let asked = read_request_id(&mut r)?;
    r.end()?;
    Ok(asked)
}

/// Sends one frame.
pub async fn write_frame(socket: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame_into(&mut bytes, payload);
    socket.write_all(&bytes).await?;
    socket.flush().await
}

/// Receives one frame.
pub async fn read_frame(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut bytes = vec![0; FRAME_HEADER];
    socket.read_exact(&mut bytes).await?;
    let len = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "broken frame");
    if len > FRAME_MAX {
        return Err(broken());
    }
    let whole = FRAME_HEADER + len;
    while bytes.len() < whole {
        let read = bytes.len();
        bytes.resize(whole.min(read + ROOM), 0);
        socket.read_exact(&mut bytes[read..]).await?;
    }
    frame_at(&bytes.into(), 0).map(|(payload, _)| payload).ok_or_else(broken)
}

fn write_answer(result: &Result<u64, KvError>) -> Vec<u8> {
    let mut w = Writer::new();
    match result {
        Ok(commit_ts) => w.u8(COMMITTED).u64(*commit_ts),
        Err(KvError::WriteConflict(key)) => w.u8(CONFLICT).bytes(key),
        Err(KvError::CeilingExpired) => w.u8(CEILING),
        Err(KvError::TxnLocked(key)) => w.u8(LOCKED).bytes(key),
        Err(KvError::TxnAborted) => w.u8(ABORTED),
        Err(KvError::RouteShifted) => w.u8(ROUTE_SHIFTED),
        Err(KvError::RouteVersionGone) => w.u8(ROUTE_VERSION_GONE),
        Err(KvError::NotLeader) => w.u8(NOT_LEADER),
        Err(error) => w.u8(UNKNOWN).bytes(error.to_string().as_bytes()),
    };
    w.finish()
}

fn write_decision(result: &Result<Decision, KvError>) -> Vec<u8> {
    match result {
        Err(error) => write_answer(&Err(error.clone())),
        Ok(decision) => {
            let mut w = Writer::new();
            let word: u64 = match decision {
                Decision::Pending => 0,
                Decision::Committed => 1,
                Decision::Aborted => 2,
            };
            w.u8(COMMITTED).u64(word);
            w.finish()
        }
    }
}

fn read_decision(answer: Bytes) -> Result<Result<Decision, KvError>, Malformed> {
    Ok(match read_answer(answer)? {
        Ok(0) => Ok(Decision::Pending),
        Ok(1) => Ok(Decision::Committed),
        Ok(2) => Ok(Decision::Aborted),
        Ok(_) => return Err(Malformed),
        Err(error) => Err(error),
    })
}

fn read_answer(answer: Bytes) -> Result<Result<u64, KvError>, Malformed> {
    let mut r = Reader::new(answer);
    let result = match r.u8()? {
        COMMITTED => Ok(r.u64()?),
        CONFLICT => Err(KvError::WriteConflict(r.bytes()?)),
        CEILING => Err(KvError::CeilingExpired),
        LOCKED => Err(KvError::TxnLocked(r.bytes()?)),
        ABORTED => Err(KvError::TxnAborted),
        ROUTE_SHIFTED => Err(KvError::RouteShifted),
        ROUTE_VERSION_GONE => Err(KvError::RouteVersionGone),
        NOT_LEADER => Err(KvError::NotLeader),
        UNKNOWN => {
            let text = String::from_utf8_lossy(&r.bytes()?).into_owned();
            Err(KvError::Rpc(format!("rpc error: code = Unknown desc = {text}")))
        }
        _ => return Err(Malformed),
    };
    r.end()?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_and_only_unknown_ones_lose_their_type() {
        for result in [
            Ok(7),
            Err(KvError::WriteConflict("k".into())),
            Err(KvError::CeilingExpired),
            Err(KvError::NotLeader),
            Err(KvError::TxnLocked("k".into())),
            Err(KvError::TxnAborted),
            Err(KvError::RouteShifted),
            Err(KvError::RouteVersionGone),
        ] {
            assert_eq!(read_answer(write_answer(&result).into()), Ok(result));
        }
        let lost =
            read_answer(write_answer(&Err(KvError::LeadershipLost)).into()).unwrap().unwrap_err();
        assert_eq!(
            lost.to_string(),
            "rpc error: code = Unknown desc = etcd raft engine is not leader"
        );
        assert!(!lost.is_definite());
        assert_eq!(read_answer(Bytes::from_static(b"\x09")), Err(Malformed));
    }

    #[test]
    fn a_decision_and_what_a_request_is_for_read_back() {
        for decision in [Decision::Pending, Decision::Committed, Decision::Aborted] {
            assert_eq!(read_decision(write_decision(&Ok(decision)).into()), Ok(Ok(decision)));
        }
        let refused = write_decision(&Err(KvError::NotLeader));
        assert_eq!(read_decision(refused.into()), Ok(Err(KvError::NotLeader)));
        let other = Call { group: GroupId(3), version: 9 };
        for call in [Call::PLAIN, other] {
            let parted = Call::parted(call.around(b"request").into());
            assert_eq!(parted, Ok((call, Bytes::from_static(b"request"))));
        }
        assert_eq!(Call::PLAIN.around(b"request"), b"request");
    }
}
