//! A run written down for people while it goes on: logs, packets, metrics, a picture.
//!
//! One seam. The world tells what it folds into its trace (`Seen`) to one `Watcher`, which is there only if somebody asked
//! ([`Observe`]); without one, each telling is a branch. Promises: what is told changes nothing. Nothing of it is folded, no
//! number is drawn, no timer is set, no task is polled for it, so a run has the same trace hash with all of it as without
//! (`sim/tests/observe`). Metrics are sampled when a timer fires that fires anyway.
//!
//! | word      | files                          | opened with                                          |
//! |-----------|--------------------------------|------------------------------------------------------|
//! | `logs`    | `log.txt`, `n1/log.txt`, …     | anything                                             |
//! | `tcpdump` | `n1/tcpdump.pcapng`, …         | Wireshark, tshark                                    |
//! | `metrics` | `n1/metrics.om`, …             | `promtool tsdb create-blocks-from openmetrics`       |
//! | `trace`   | `trace.json`                   | <https://ui.perfetto.dev>                            |
//!
//! The folder of the clients' machine is `clients`. The names are those of a real run's folder (`real-cluster`), where there is
//! such a file; it has one packet format more, since only that one has nanoseconds and comments.
//!
//! Cannot see: what a node does between two things that it tells; the page cache's work; who holds which task.

use crate::cluster::Guest;
use crate::host::Down;
use crate::stream::Body;
use crate::world::World;
use bytes::Bytes;
use elastickv::env::{Fact, GroupId, Lane, Level};
use harness::fault::Fault;
use harness::options::Options;
use harness::run::Run;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

mod capture;
mod chrome;
mod logs;
mod metrics;
mod packets;
mod pcapng;

/// What of a run is written down beside its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observe {
    /// What nodes say, from this level on.
    pub logs: Option<Level>,
    /// Packets, as each machine sees them.
    pub tcpdump: bool,
    /// Numbers of each node, once a second.
    pub metrics: bool,
    /// A picture of all of it.
    pub trace: bool,
}

/// A file for the run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the folder.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Observe {
    /// All there is.
    pub const EVERYTHING: Observe =
        Observe { logs: Some(Level::Info), tcpdump: true, metrics: true, trace: true };

    /// Whether anything is asked for.
    pub fn is_any(self) -> bool {
        self != Observe::default()
    }

    /// With logs from another level on, if there are logs.
    #[must_use]
    pub fn logging_from(self, level: Level) -> Observe {
        Observe { logs: self.logs.map(|_| level), ..self }
    }
}

impl FromStr for Observe {
    type Err = String;

    fn from_str(words: &str) -> Result<Observe, String> {
        let mut observe = Observe::default();
        for word in words.split(',') {
            match word.trim() {
                "logs" => observe.logs = Some(Level::Info),
                "tcpdump" => observe.tcpdump = true,
                "metrics" => observe.metrics = true,
                "trace" => observe.trace = true,
                "everything" => observe = Observe::EVERYTHING,
                other => {
                    return Err(format!(
                        "`{other}` is nothing to observe: logs, tcpdump, metrics, trace or everything"
                    ));
                }
            }
        }
        Ok(observe)
    }
}

/// Something that happened in the world.
pub(crate) enum Seen<'a> {
    Booted {
        node: u16,
        boot: u64,
    },
    Stopped {
        node: u16,
        how: Down,
    },
    PowerCut {
        node: u16,
        lost: u64,
    },
    Paused {
        node: u16,
    },
    Resumed {
        node: u16,
    },
    Wiped {
        node: u16,
    },
    Fault(&'a Fault),
    Finding {
        name: &'a str,
        text: &'a str,
    },
    /// A message leaves its sender; so many copies of it are to arrive.
    Left {
        carried: Carried<'a>,
        copies: u8,
    },
    /// A copy of it arrives.
    Came(Carried<'a>),
    /// It does not arrive.
    Lost {
        tag: u64,
        from: u16,
        why: &'static str,
    },
    /// It arrives where nobody knows of it any more.
    Gone {
        tag: u64,
    },
    Synced {
        node: u16,
    },
    /// Boot 0: the node is being read back from its disk, after the run.
    Fact {
        node: u16,
        boot: u64,
        group: GroupId,
        fact: &'a Fact,
    },
    Mark {
        node: u16,
        mark: &'static str,
    },
    Said {
        node: u16,
        level: Level,
        text: fmt::Arguments<'a>,
    },
}

/// A message under way. Copies of it have its tag, no other message has; tag 0 has what the network says again of itself.
#[derive(Clone, Copy)]
pub(crate) struct Carried<'a> {
    pub(crate) tag: u64,
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) load: Load<'a>,
}

/// What it carries.
#[derive(Clone, Copy)]
pub(crate) enum Load<'a> {
    Datagram {
        lane: Lane,
        message: &'a Bytes,
    },
    /// Of a byte stream to this port; `side` 0 sends what dialled.
    Packet {
        conn: u64,
        side: usize,
        port: u16,
        body: &'a Body,
    },
}

/// One way of writing a run down.
trait Watch {
    /// Something happened. The world may be in the middle of it: nothing of it may be asked.
    fn see(&mut self, now: u64, seen: &Seen<'_>);

    /// A timer fires, and nothing of the world is borrowed.
    fn look(&mut self, _now: u64, _world: &World) {}

    /// The run is over.
    fn files(self: Box<Self>, after: &After<'_>) -> Vec<File>;
}

/// What is known when a run is over.
struct After<'a> {
    run: &'a Run,
    /// Where the run's own time begins in the world's.
    set_up_at: u64,
    /// Threads that asked.
    threads: u32,
}

/// All that was asked for.
pub(crate) struct Watcher {
    watches: RefCell<Vec<Box<dyn Watch>>>,
    tags: Cell<u64>,
}

impl Watcher {
    fn new(observe: Observe, nodes: u16, guest: Option<Rc<dyn Guest>>) -> Watcher {
        let mut watches: Vec<Box<dyn Watch>> = Vec::new();
        if let Some(level) = observe.logs {
            watches.push(Box::new(logs::Logs::new(nodes, level)));
        }
        if observe.tcpdump {
            watches.push(Box::new(capture::Captures::new(nodes)));
        }
        if observe.metrics {
            watches.push(Box::new(metrics::Metrics::new(nodes)));
        }
        if observe.trace {
            watches.push(Box::new(chrome::Chrome::new(nodes, guest)));
        }
        Watcher { watches: RefCell::new(watches), tags: Cell::new(0) }
    }
}

impl World {
    /// From now on the run is written down so.
    pub(crate) fn observe_as(&self, observe: Observe) {
        let nodes = self.disks.len() as u16 - 1;
        let guest = self.guest.borrow().clone();
        let watcher = Watcher::new(observe, nodes, guest);
        assert!(self.watcher.set(watcher).is_ok(), "a run is observed once");
    }

    /// Tells the watcher, if there is one.
    pub(crate) fn see<'a>(&self, seen: impl FnOnce() -> Seen<'a>) {
        let Some(watcher) = self.watcher.get() else { return };
        let (now, seen) = (self.now(), seen());
        watcher.watches.borrow_mut().iter_mut().for_each(|watch| watch.see(now, &seen));
    }

    /// What watchers know the next message by; 0 if there are none.
    pub(crate) fn tag(&self) -> u64 {
        let Some(watcher) = self.watcher.get() else { return 0 };
        watcher.tags.set(watcher.tags.get() + 1);
        watcher.tags.get()
    }

    /// Lets the watcher look around, if there is one. Nothing of the world is borrowed.
    pub(crate) fn look(&self) {
        let Some(watcher) = self.watcher.get() else { return };
        let now = self.now();
        watcher.watches.borrow_mut().iter_mut().for_each(|watch| watch.look(now, self));
    }

    /// A node says something for whoever reads its log.
    pub(crate) fn said(&self, node: u16, level: Level, text: fmt::Arguments<'_>) {
        // Asked for only where a subscriber wants the line.
        let at = || self.since_set_up() as f64 / 1e9;
        match level {
            Level::Warn => tracing::warn!("n{node} at {:.6} s: {text}", at()),
            Level::Info => tracing::info!("n{node} at {:.6} s: {text}", at()),
            Level::Debug => tracing::debug!("n{node} at {:.6} s: {text}", at()),
        }
        self.see(|| Seen::Said { node, level, text });
    }

    /// What was written down, when the run is over.
    pub(crate) fn written(&self, run: &Run, options: &Options) -> Vec<File> {
        let Some(watcher) = self.watcher.get() else { return Vec::new() };
        let threads = u32::from(options.clients.max(options.nodes));
        let after = After { run, set_up_at: self.now() - self.since_set_up(), threads };
        watcher.watches.take().into_iter().flat_map(|watch| watch.files(&after)).collect()
    }
}

/// A host's name, which is its folder's: `n1`, and `clients` for the clients' machine.
fn name(host: u16) -> String {
    if host == 0 { "clients".to_owned() } else { format!("n{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_observed_is_named_by_words() {
        let of = |words: &str| words.parse::<Observe>();
        assert_eq!(of("everything"), Ok(Observe::EVERYTHING));
        assert_eq!(of("logs,tcpdump,metrics,trace"), Ok(Observe::EVERYTHING));
        assert_eq!(of("tcpdump"), Ok(Observe { tcpdump: true, ..Observe::default() }));
        assert!(of("smoke").is_err_and(|why| why.contains("`smoke`") && why.contains("tcpdump")));
        assert!(of("").is_err());
        assert!(!Observe::default().is_any() && Observe::EVERYTHING.is_any());
    }
}
