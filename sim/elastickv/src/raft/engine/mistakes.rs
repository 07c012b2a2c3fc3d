//! What upstream's engine did, or does, with what it receives and applies. Nothing of it happens unless a bug is planted.

use super::Inner;
use crate::bug::Bug;
use crate::env::Env;
use crate::kv::request::{Payload, Phase, TxnRequest};
use crate::raft::message::Message;
use bytes::Bytes;

impl<E: Env> Inner<E> {
    /// The state of a snapshot that Raft will refuse, since what is held here is newer (F37: it was restored while it was received).
    pub(super) fn restore_when_received(&self, message: &Message) {
        if !self.options.bugs.has(Bug::AcceptStaleSnapshot) {
            return;
        }
        let Some(snapshot) = &message.snapshot else { return };
        let mut fsm = self.fsm.borrow_mut();
        let is_current = message.term >= self.raft.borrow().term();
        // What is malformed is refused here and by Raft.
        if is_current
            && snapshot.meta.index < fsm.applied()
            && fsm.replace(snapshot.meta.index, &snapshot.data).is_ok()
        {
            sometimes!(self.env, "older snapshot restored");
        }
    }

    /// An entry as it is applied here: when a lock expires is this node's affair (S10: `handlePrepareRequest` asks `time.Now()`).
    pub(super) fn as_applied(&self, payload: Bytes) -> Bytes {
        if !self.options.bugs.has(Bug::ApplyUsesWallClock) {
            return payload;
        }
        match Payload::decode(payload.clone()) {
            Ok(Payload::Txn(txn)) => match txn.phase {
                Phase::Prepare { primary, .. } => {
                    let ttl_ms = self.options.txn_lock_ttl.as_millis() as u64;
                    let expires_ms = self.env.wall_ms() + ttl_ms;
                    let phase = Phase::Prepare { primary, expires_ms };
                    Payload::Txn(TxnRequest { phase, ..txn }).encode().into()
                }
                _ => payload,
            },
            _ => payload,
        }
    }
}
