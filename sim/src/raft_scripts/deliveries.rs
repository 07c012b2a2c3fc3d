//! What travels to a node and arrives: messages of peers, and word of its own storage threads.

use super::describe;
use super::group::Group;
use super::node::Delivery;
use super::script::Command;
use super::words::{number, numbers};
use elastickv::raft::StepError;

impl Group {
    pub(super) fn deliver_messages(&mut self, command: &Command) -> Result<(), String> {
        let mut recipients: Vec<(u64, bool)> = Vec::new();
        let mut only = None;
        for arg in &command.args {
            match (arg.key.as_str(), &arg.values[..]) {
                (id, []) => recipients.push((number(id)?, false)),
                ("drop", ids) => {
                    let ids: Vec<u64> = numbers(ids)?;
                    recipients.extend(ids.into_iter().map(|id| (id, true)));
                }
                ("type", [name]) => only = Some(name.clone()),
                (key, _) => return Err(format!("deliver-msgs knows no option `{key}`")),
            }
        }
        let mut handled = 0;
        for (id, drop) in recipients {
            if !drop {
                self.node(&id.to_string())?;
            }
            handled += self.deliver(id, drop, only.as_deref());
        }
        if handled == 0 {
            self.print("no messages");
        }
        Ok(())
    }

    /// Delivers or drops what travels to a node, and says how much that was. What its own threads tell it is
    /// never dropped.
    pub(super) fn deliver(&mut self, to: u64, drop: bool, only: Option<&str>) -> usize {
        let mut due = Vec::new();
        for (id, delivery) in std::mem::take(&mut self.travelling) {
            let (kind, own) = match &delivery {
                Delivery::Peer(m) => (describe::kind(m.kind), m.from == m.to),
                Delivery::Stored(..) => ("MsgStorageAppendResp", true),
                Delivery::Applied(..) => ("MsgStorageApplyResp", true),
            };
            let wanted = only.is_none_or(|only| only == kind);
            match id == to && wanted && !(drop && own) {
                true => due.push(delivery),
                false => self.travelling.push((id, delivery)),
            }
        }
        let handled = due.len();
        for delivery in due {
            let described = match &delivery {
                Delivery::Peer(message) => describe::message(message),
                Delivery::Stored(done, snapshot) => describe::stored(to, done, snapshot.as_ref()),
                Delivery::Applied(_, entries) => describe::apply_answer("", to, entries),
            };
            self.print(&format!("{}{described}", if drop { "dropped: " } else { "" }));
            if !drop {
                self.receive(to as usize - 1, delivery);
            }
        }
        handled
    }

    fn receive(&mut self, at: usize, delivery: Delivery) {
        let node = &mut self.nodes[at];
        // A snapshot brings its configuration with it.
        let before = node.raft.snapshot_index();
        let stepped = match delivery {
            Delivery::Peer(message) => node.raft.step(message).map_err(|error| match error {
                StepError::UnknownPeer { .. } => "raft: cannot step as peer not found".to_owned(),
                other => other.to_string(),
            }),
            Delivery::Stored(stored, _) => {
                node.raft.stored(stored);
                Ok(())
            }
            Delivery::Applied(applied, _) => {
                node.raft.applied_by_driver(applied);
                Ok(())
            }
        };
        let restored = node.raft.snapshot_index() > before;
        let configured = node.configured();
        if restored {
            self.log(&configured);
        }
        if let Err(error) = stepped {
            self.print(&error);
        }
    }
}
