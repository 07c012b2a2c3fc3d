//! What a Raft entry carries (`kv/transcoder.go`, `kv/txn_codec.go`): a transaction, or one phase of one that other groups have part in,
//! or an HLC ceiling.
//!
//! Differs from upstream: the commit timestamp is written in when the entry is proposed, in log order, also into keys that embed it
//! ([`Elem::stamp_at`]); and every request has an identity, written with its versions, so that a repetition is known
//! whoever proposed it first (upstream: PrevCommitTS, which the forwarding node may not know).

use crate::codec::{Malformed, Reader, Writer};
use crate::env::{GroupId, RequestId};
use crate::mvcc::{Mutation, read_value, write_value};
use bytes::Bytes;

const TXN: u8 = 0x00;
const HLC_LEASE: u8 = 0x02;
const PHASE: u8 = 0x08;
const COMPACT: u8 = 0x09;
const ONE_PHASE: u8 = 0;
const PREPARE: u8 = 1;
const COMMIT: u8 = 2;
const ABORT: u8 = 3;
/// Over the phase: of a transaction that looked at all keys.
const WHOLE: u8 = 0x80;
const UNSTAMPED: u32 = u32::MAX;

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elem {
    /// The key; eight bytes of it at `stamp_at` are the commit timestamp, big-endian.
    pub key: Bytes,
    /// The value; `None` deletes.
    pub value: Option<Bytes>,
    /// Where in the key the commit timestamp goes.
    pub stamp_at: Option<u32>,
}

impl Elem {
    /// Writes a value.
    pub fn put(key: Bytes, value: Bytes) -> Elem {
        Elem { key, value: Some(value), stamp_at: None }
    }

    /// Deletes.
    pub fn del(key: Bytes) -> Elem {
        Elem { key, value: None, stamp_at: None }
    }
}

/// What an entry does of a transaction (`pb.Phase`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// All of it: it concerns one group (`Phase_NONE`).
    #[default]
    OnePhase,
    /// Checks and locks this group's part of it.
    Prepare {
        /// The group in whose log it is decided.
        primary: GroupId,
        /// From then on, by its own wall clock, anybody may roll it back. Milliseconds since 1970.
        expires_ms: u64,
    },
    /// What was prepared happens.
    Commit,
    /// What was prepared does not happen, nor what may still be prepared.
    Abort,
}

/// A transaction, or this group's part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnRequest {
    /// What is to be done of it.
    pub phase: Phase,
    /// Equal on every repetition.
    pub request: RequestId,
    /// The snapshot that it read.
    pub start_ts: u64,
    /// When its versions appear; 0 until it is stamped.
    pub commit_ts: u64,
    /// Whether any write at all after `start_ts` is a conflict: it looked at all keys.
    pub whole: bool,
    /// Keys whose change after `start_ts` is a conflict, besides the keys written.
    pub read_keys: Vec<Bytes>,
    /// Its writes.
    pub elems: Vec<Elem>,
}

impl TxnRequest {
    /// The writes as versions.
    pub fn mutations(&self) -> Vec<Mutation> {
        let stamped = |elem: &Elem| {
            let Some(at) = elem.stamp_at else { return elem.key.clone() };
            let mut key = elem.key.to_vec();
            if let Some(hole) = key.get_mut(at as usize..at as usize + 8) {
                hole.copy_from_slice(&self.commit_ts.to_be_bytes());
            }
            Bytes::from(key)
        };
        self.elems.iter().map(|e| Mutation { key: stamped(e), value: e.value.clone() }).collect()
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `0x00`: a transaction.
    Txn(TxnRequest),
    /// `0x02`: no timestamp above this ceiling until a higher one is agreed on. Milliseconds since 1970.
    HlcLease {
        /// The ceiling.
        ceiling_ms: u64,
    },
    /// `0x09`, of ours: versions that no snapshot from this timestamp on sees may go.
    Compact {
        /// The watermark.
        min_ts: u64,
    },
}

impl Payload {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Payload::HlcLease { ceiling_ms } => {
                w.u8(HLC_LEASE).u64(*ceiling_ms);
            }
            Payload::Compact { min_ts } => {
                w.u8(COMPACT).u64(*min_ts);
            }
            Payload::Txn(txn) => {
                write_phase(&mut w, txn.phase, txn.whole);
                write_request_id(&mut w, txn.request);
                w.u64(txn.start_ts).u64(txn.commit_ts).u32(txn.read_keys.len() as u32);
                for key in &txn.read_keys {
                    w.bytes(key);
                }
                w.u32(txn.elems.len() as u32);
                for elem in &txn.elems {
                    w.bytes(&elem.key).u32(elem.stamp_at.unwrap_or(UNSTAMPED));
                    write_value(&mut w, &elem.value);
                }
            }
        }
        w.finish()
    }

    /// Whether these bytes are a lease, if they are a payload.
    pub fn is_hlc_lease(bytes: &[u8]) -> bool {
        bytes.first() == Some(&HLC_LEASE)
    }

    /// From bytes; keys and values share them.
    pub fn decode(bytes: Bytes) -> Result<Payload, Malformed> {
        let mut r = Reader::new(bytes);
        let payload = match r.u8()? {
            HLC_LEASE => Payload::HlcLease { ceiling_ms: r.u64()? },
            COMPACT => Payload::Compact { min_ts: r.u64()? },
            kind @ (TXN | PHASE) => {
                let (phase, whole) =
                    if kind == TXN { (Phase::OnePhase, false) } else { read_phase(&mut r)? };
                let request = read_request_id(&mut r)?;
                let (start_ts, commit_ts) = (r.u64()?, r.u64()?);
                let read_keys = (0..r.count(4)?).map(|_| r.bytes()).collect::<Result<_, _>>()?;
                let elems =
                    (0..r.count(9)?).map(|_| read_elem(&mut r)).collect::<Result<_, _>>()?;
                Payload::Txn(TxnRequest {
                    phase,
                    whole,
                    request,
                    start_ts,
                    commit_ts,
                    read_keys,
                    elems,
                })
            }
            _ => return Err(Malformed),
        };
        r.end()?;
        Ok(payload)
    }
}

fn write_phase(w: &mut Writer, phase: Phase, whole: bool) {
    let mark = if whole { WHOLE } else { 0 };
    match phase {
        Phase::OnePhase if !whole => w.u8(TXN),
        Phase::OnePhase => w.u8(PHASE).u8(ONE_PHASE | mark),
        Phase::Prepare { primary, expires_ms } => {
            w.u8(PHASE).u8(PREPARE | mark).u16(primary.0).u64(expires_ms)
        }
        Phase::Commit => w.u8(PHASE).u8(COMMIT | mark),
        Phase::Abort => w.u8(PHASE).u8(ABORT | mark),
    };
}

fn read_phase(r: &mut Reader) -> Result<(Phase, bool), Malformed> {
    let word = r.u8()?;
    let phase = match word & !WHOLE {
        ONE_PHASE => Phase::OnePhase,
        PREPARE => Phase::Prepare { primary: GroupId(r.u16()?), expires_ms: r.u64()? },
        COMMIT => Phase::Commit,
        ABORT => Phase::Abort,
        _ => return Err(Malformed),
    };
    Ok((phase, word & WHOLE != 0))
}

fn read_elem(r: &mut Reader) -> Result<Elem, Malformed> {
    let key = r.bytes()?;
    let stamp_at = Some(r.u32()?).filter(|at| *at != UNSTAMPED);
    if stamp_at.is_some_and(|at| at as usize + 8 > key.len()) {
        return Err(Malformed);
    }
    Ok(Elem { key, stamp_at, value: read_value(r)? })
}

/// Fourteen bytes.
pub fn write_request_id(w: &mut Writer, id: RequestId) {
    w.u16(id.node).u32(id.boot).u64(id.counter);
}

/// Fourteen bytes.
pub fn read_request_id(r: &mut Reader) -> Result<RequestId, Malformed> {
    Ok(RequestId { node: r.u16()?, boot: r.u32()?, counter: r.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txn() -> TxnRequest {
        TxnRequest {
            phase: Phase::OnePhase,
            whole: false,
            request: RequestId { node: 2, boot: 3, counter: 4 },
            start_ts: 10,
            commit_ts: 0x0102_0304_0506_0708,
            read_keys: vec!["r".into()],
            elems: vec![
                Elem {
                    key: Bytes::from_static(b"d|________|x"),
                    value: Some("v".into()),
                    stamp_at: Some(2),
                },
                Elem::del("gone".into()),
            ],
        }
    }

    #[test]
    fn a_payload_reads_back_as_it_was_written_and_a_short_one_is_malformed() {
        let prepare = Phase::Prepare { primary: GroupId(2), expires_ms: 9 };
        let phases = [Phase::OnePhase, prepare, Phase::Commit, Phase::Abort];
        let txns = phases.iter().flat_map(|phase| {
            [true, false].map(|whole| TxnRequest { phase: *phase, whole, ..txn() })
        });
        for payload in txns
            .map(Payload::Txn)
            .chain([Payload::HlcLease { ceiling_ms: 77 }, Payload::Compact { min_ts: 5 }])
        {
            let bytes = payload.encode();
            assert_eq!(Payload::decode(bytes.clone().into()), Ok(payload));
            for short in 0..bytes.len() {
                assert_eq!(
                    Payload::decode(Bytes::copy_from_slice(&bytes[..short])),
                    Err(Malformed)
                );
            }
        }
    }

    #[test]
    fn the_commit_timestamp_is_written_into_the_keys_that_embed_it() {
        let mutations = txn().mutations();
        assert_eq!(&mutations[0].key[..], b"d|\x01\x02\x03\x04\x05\x06\x07\x08|x");
        assert_eq!(mutations[1], Mutation { key: "gone".into(), value: None });
    }
}
