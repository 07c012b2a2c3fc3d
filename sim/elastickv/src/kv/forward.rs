//! Forwarded transactions (`adapter/internal.go Forward`, `kv/leader_proxy.go`): one framed request, one framed answer, over
//! a byte stream to the leader's internal port. What an operator asks ([`admin`]) comes in by the same port.
//!
//! The server answers in order. A call that fails on the way is answered with gRPC's words; whether the leader did it, nobody knows.

use super::coordinator::Coordinator;
use super::error::KvError;
use super::request::{Payload, TxnRequest};
use crate::admin;
use crate::codec::{FRAME_HEADER, Malformed, Reader, Writer, frame_at, frame_into};
use crate::env::{Env, Listener, NodeId, Port};
use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::cell::RefCell;
use std::collections::BTreeMap;
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

/// Calls other nodes; keeps idle streams.
pub struct Forwarder<E: Env> {
    env: E,
    idle: RefCell<BTreeMap<NodeId, Vec<E::Socket>>>,
}

impl<E: Env> Forwarder<E> {
    /// With no stream open.
    pub fn new(env: E) -> Forwarder<E> {
        Forwarder { env, idle: RefCell::default() }
    }

    /// One attempt at the leader.
    pub async fn call(&self, to: NodeId, txn: &TxnRequest) -> Result<u64, KvError> {
        let unavailable = |error: io::Error| {
            KvError::Rpc(format!("rpc error: code = Unavailable desc = {error}"))
        };
        let idle = self.idle.borrow_mut().get_mut(&to).and_then(Vec::pop);
        let mut socket = match idle {
            Some(socket) => socket,
            None => self.env.connect(to, Port::INTERNAL).await.map_err(unavailable)?,
        };
        let request = Payload::Txn(txn.clone()).encode();
        write_frame(&mut socket, &request).await.map_err(unavailable)?;
        let answer = read_frame(&mut socket).await.map_err(unavailable)?;
        let mut idle = self.idle.borrow_mut();
        let pool = idle.entry(to).or_default();
        if pool.len() < POOL {
            pool.push(socket);
        }
        drop(idle);
        read_answer(answer).unwrap_or_else(|Malformed| {
            Err(KvError::Rpc("rpc error: code = Internal desc = malformed answer".into()))
        })
    }
}

/// Serves the internal port until the node dies.
pub async fn serve<E: Env>(env: E, coordinator: Coordinator<E>, mut listener: E::Listener) {
    loop {
        match listener.accept().await {
            Ok(socket) => env.spawn(serve_stream(coordinator.clone(), socket)),
            // Of one connection, or for want of descriptors: the port itself goes on.
            Err(_) => env.sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn serve_stream<E: Env>(coordinator: Coordinator<E>, mut socket: E::Socket) {
    while let Ok(frame) = read_frame(&mut socket).await {
        let answer = match Payload::decode(frame.clone()) {
            Ok(Payload::Txn(txn)) => write_answer(&coordinator.commit_here(&txn).await),
            Ok(Payload::HlcLease { .. }) => return,
            Err(Malformed) => match admin::Request::decode(frame) {
                Ok(request) => request.answer(coordinator.engine()),
                Err(Malformed) => return,
            },
        };
        if write_frame(&mut socket, &answer).await.is_err() {
            return;
        }
    }
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
        Err(KvError::NotLeader) => w.u8(NOT_LEADER),
        Err(error) => w.u8(UNKNOWN).bytes(error.to_string().as_bytes()),
    };
    w.finish()
}

fn read_answer(answer: Bytes) -> Result<Result<u64, KvError>, Malformed> {
    let mut r = Reader::new(answer);
    let result = match r.u8()? {
        COMMITTED => Ok(r.u64()?),
        CONFLICT => Err(KvError::WriteConflict(r.bytes()?)),
        CEILING => Err(KvError::CeilingExpired),
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
}
