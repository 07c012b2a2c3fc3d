//! What an operator asks of one node, and what it answers, as bytes.

use crate::codec::{Malformed, Reader, Writer};
use crate::env::{Env, NodeId};
use crate::kv::coordinator::Coordinator;
use crate::raft::engine::{Engine, MemberChange, Standing};
use bytes::Bytes;
use std::time::Duration;

const STATUS: u8 = 0x10;
const ADD_VOTER: u8 = 0x11;
const ADD_LEARNER: u8 = 0x12;
const PROMOTE_LEARNER: u8 = 0x13;
const REMOVE_SERVER: u8 = 0x14;
const TRANSFER: u8 = 0x15;
const SPLIT: u8 = 0x16;
const HOLD_CEILING: u8 = 0x17;
const DONE: u8 = 0;
const REFUSED: u8 = 1;
/// It was so already.
const NOTHING_TO_DO: u8 = 2;

/// What may be asked of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `status`, `configuration`.
    Status,
    /// A change of membership.
    Change(MemberChange),
    /// `leadership_transfer_to_server`.
    Transfer(NodeId),
    /// `elastickv-split`: a range begins at this key.
    Split(Bytes),
    /// For so long this node asks for no higher HLC ceiling. Upstream has no such thing.
    HoldCeiling(Duration),
}

impl Request {
    /// As bytes. The first one is none of a forwarded transaction's.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Request::Status => w.u8(STATUS),
            Request::Change(MemberChange::AddVoter(node)) => w.u8(ADD_VOTER).u16(node.0),
            Request::Change(MemberChange::AddLearner(node)) => w.u8(ADD_LEARNER).u16(node.0),
            Request::Change(MemberChange::PromoteLearner(node)) => {
                w.u8(PROMOTE_LEARNER).u16(node.0)
            }
            Request::Change(MemberChange::RemoveServer(node)) => w.u8(REMOVE_SERVER).u16(node.0),
            Request::Transfer(node) => w.u8(TRANSFER).u16(node.0),
            Request::Split(at) => w.u8(SPLIT).bytes(at),
            Request::HoldCeiling(time) => w.u8(HOLD_CEILING).u64(time.as_millis() as u64),
        };
        w.finish()
    }

    /// From bytes.
    pub fn decode(bytes: Bytes) -> Result<Request, Malformed> {
        let mut r = Reader::new(bytes);
        let kind = r.u8()?;
        if kind == STATUS {
            r.end()?;
            return Ok(Request::Status);
        }
        if kind == SPLIT {
            let at = r.bytes()?;
            r.end()?;
            return Ok(Request::Split(at));
        }
        if kind == HOLD_CEILING {
            let time = Duration::from_millis(r.u64()?);
            r.end()?;
            return Ok(Request::HoldCeiling(time));
        }
        let node = NodeId(r.u16()?);
        r.end()?;
        match kind {
            ADD_VOTER => Ok(Request::Change(MemberChange::AddVoter(node))),
            ADD_LEARNER => Ok(Request::Change(MemberChange::AddLearner(node))),
            PROMOTE_LEARNER => Ok(Request::Change(MemberChange::PromoteLearner(node))),
            REMOVE_SERVER => Ok(Request::Change(MemberChange::RemoveServer(node))),
            TRANSFER => Ok(Request::Transfer(node)),
            _ => Err(Malformed),
        }
    }

    /// What the node answers, as bytes: where it stands in the group after it, or why it did nothing.
    pub async fn answer<E: Env>(
        &self,
        coordinator: &Coordinator<E>,
        engine: &Engine<E>,
    ) -> Vec<u8> {
        let done = match self {
            Request::Status => Ok(true),
            Request::Change(change) => {
                engine.change_members(*change).map(|()| true).map_err(|error| error.to_string())
            }
            Request::Transfer(to) => {
                engine.transfer_leadership(*to).map(|()| true).map_err(|error| error.to_string())
            }
            Request::HoldCeiling(time) => {
                engine.hold_ceiling(*time);
                Ok(true)
            }
            Request::Split(at) => {
                coordinator.split_range(at).await.map_err(|error| error.to_string())
            }
        };
        let mut w = Writer::new();
        match done {
            Ok(done) => {
                let word = if done { DONE } else { NOTHING_TO_DO };
                write_standing(w.u8(word), &engine.standing());
            }
            Err(error) => {
                w.u8(REFUSED).bytes(error.as_bytes());
            }
        }
        w.finish()
    }
}

fn write_standing(w: &mut Writer, standing: &Standing) {
    w.u64(standing.term).u8(u8::from(standing.leads)).u64(standing.applied);
    w.u8(u8::from(standing.changing)).u64(standing.refused);
    for nodes in [&standing.voters, &standing.learners] {
        w.u32(nodes.len() as u32);
        for node in nodes {
            w.u16(node.0);
        }
    }
}

/// Where a node stands after it did what it was asked for, and whether there was anything to do; or why it did nothing.
pub(super) type Answer = Result<(Standing, bool), String>;

/// From bytes.
pub(super) fn read_answer(bytes: Bytes) -> Result<Answer, Malformed> {
    let mut r = Reader::new(bytes);
    let answer = match r.u8()? {
        word @ (DONE | NOTHING_TO_DO) => {
            let (term, leads, applied) = (r.u64()?, r.u8()? == 1, r.u64()?);
            let (changing, refused) = (r.u8()? == 1, r.u64()?);
            let (voters, learners) = (read_nodes(&mut r)?, read_nodes(&mut r)?);
            let standing = Standing { term, leads, applied, voters, learners, changing, refused };
            Ok((standing, word == DONE))
        }
        REFUSED => Err(String::from_utf8_lossy(&r.bytes()?).into_owned()),
        _ => return Err(Malformed),
    };
    r.end()?;
    Ok(answer)
}

fn read_nodes(r: &mut Reader) -> Result<Vec<NodeId>, Malformed> {
    (0..r.count(2)?).map(|_| r.u16().map(NodeId)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back_and_is_no_transaction() {
        let node = NodeId(3);
        for request in [
            Request::Status,
            Request::Change(MemberChange::AddVoter(node)),
            Request::Change(MemberChange::AddLearner(node)),
            Request::Change(MemberChange::PromoteLearner(node)),
            Request::Change(MemberChange::RemoveServer(node)),
            Request::Transfer(node),
            Request::Split("k".into()),
            Request::HoldCeiling(Duration::from_secs(12)),
        ] {
            let bytes = Bytes::from(request.encode());
            assert_eq!(Request::decode(bytes.clone()), Ok(request));
            assert!(crate::kv::request::Payload::decode(bytes.clone()).is_err());
            assert!(Request::decode(bytes.slice(..bytes.len() - 1)).is_err());
        }
    }

    #[test]
    fn an_answer_reads_back() {
        let standing = Standing {
            term: 4,
            leads: true,
            applied: 99,
            voters: vec![NodeId(1), NodeId(2)],
            learners: vec![NodeId(3)],
            changing: true,
            refused: 5,
        };
        let mut w = Writer::new();
        write_standing(w.u8(DONE), &standing);
        let bytes = Bytes::from(w.finish());
        assert_eq!(read_answer(bytes.clone()), Ok(Ok((standing, true))));
        assert!(read_answer(bytes.slice(..bytes.len() - 1)).is_err());
        let mut w = Writer::new();
        w.u8(REFUSED).bytes(b"no");
        assert_eq!(read_answer(w.finish().into()), Ok(Err("no".to_owned())));
    }
}
