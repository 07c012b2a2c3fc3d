//! One machine: its process, its inboxes, its open ports. What its kernel knows of byte streams is in [`crate::stream`],
//! its files in [`crate::disk`].

use bytes::Bytes;
use elastickv::env::{GroupId, Lane};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

/// Datagrams that a kernel keeps for a process that does not read them; the oldest go first.
pub(crate) const INBOX_MAX: usize = 4096;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// SIGKILL, a panic, or its main function returned: the kernel goes on.
    Process,
    /// No power: the kernel and its memory are gone too.
    Power,
}

/// A machine and the process on it.
#[derive(Default)]
pub(crate) struct Host {
    /// Which start of the process is current, from 1.
    pub(crate) boot: u64,
    pub(crate) up: bool,
    pub(crate) powered: bool,
    pub(crate) paused: bool,
    /// Its process has ended for an error of its disk that a fault caused, and has not started since.
    pub(crate) by_disk: bool,
    /// No member of the group, as far as is known.
    pub(crate) out: bool,
    /// It has started over since it was last a voter.
    pub(crate) empty: bool,
    /// The groups of which the latest of `Leads` and `Follows` was that it leads.
    pub(crate) leads: BTreeSet<GroupId>,
    pub(crate) lanes: [Inbox; 3],
    pub(crate) ports: BTreeMap<u16, Port>,
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) queue: VecDeque<(u16, Bytes)>,
    /// Whose receive has waited: one task per lane.
    reader: Option<Waker>,
    /// Whether it waits still.
    waits: bool,
}

impl Inbox {
    /// The next message; if there is none, `reader` is woken when one comes, or nobody.
    pub(crate) fn take(&mut self, reader: Option<&Waker>) -> Option<(u16, Bytes)> {
        let next = self.queue.pop_front();
        if next.is_none() {
            self.waits = reader.is_some();
            if let Some(reader) = reader {
                match &mut self.reader {
                    Some(waits) => waits.clone_from(reader),
                    none => *none = Some(reader.clone()),
                }
            }
        }
        next
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.waits)
            && let Some(reader) = &self.reader
        {
            reader.wake_by_ref();
        }
    }
}

/// A listening port: connections that the kernel has accepted and the process has not.
#[derive(Default)]
pub(crate) struct Port {
    pub(crate) backlog: VecDeque<u64>,
    pub(crate) acceptor: Option<Waker>,
}

impl Host {
    /// The process of the next boot starts.
    pub(crate) fn start(&mut self) -> u64 {
        self.boot += 1;
        self.up = true;
        self.powered = true;
        self.paused = false;
        self.by_disk = false;
        self.leads.clear();
        self.boot
    }

    /// The process is gone, with all that only it held.
    pub(crate) fn stop(&mut self, how: Down) {
        self.up = false;
        self.paused = false;
        self.leads.clear();
        self.powered &= how == Down::Process;
        self.lanes = Default::default();
        self.ports.clear();
    }

    /// Bytes of messages that its process has not read.
    pub(crate) fn unread(&self) -> u64 {
        let messages = self.lanes.iter().flat_map(|inbox| &inbox.queue);
        messages.map(|(_, message)| message.len() as u64).sum()
    }

    pub(crate) fn inbox(&mut self, lane: Lane) -> &mut Inbox {
        &mut self.lanes[lane as usize]
    }
}
