//! What nodes say, in files of their own, and beside it what was done to them. A line is the run's time, the level, the words:
//!
//! ```text
//!    7.412345678 s  INFO leads in term 3
//!    8.000120331 s     - the process is gone
//! ```
//!
//! Lines of a node are its log, as a real node's would be; lines without a level are what only the simulation knows. `log.txt` is
//! the world's: faults as they are injected, what invariants found.
//!
//! Cannot see: what a node puts nowhere else than on its own standard error.

use super::{After, File, Seen, Watch, name};
use crate::host::Down;
use elastickv::env::{GroupId, Level};
use std::fmt::{self, Write};

/// The logs of all nodes, and the world's in the place of node 0.
pub(super) struct Logs {
    level: Level,
    hosts: Vec<Vec<Line>>,
}

struct Line {
    ns: u64,
    level: Option<Level>,
    text: String,
}

impl Logs {
    pub(super) fn new(nodes: u16, level: Level) -> Logs {
        Logs { level, hosts: (0..=nodes).map(|_| Vec::new()).collect() }
    }

    fn line(&mut self, ns: u64, node: u16, level: Option<Level>, text: fmt::Arguments<'_>) {
        if level.is_none_or(|level| level >= self.level) {
            let line = Line { ns, level, text: text.to_string() };
            self.hosts[usize::from(node)].push(line);
        }
    }
}

impl Watch for Logs {
    fn see(&mut self, now: u64, seen: &Seen<'_>) {
        match *seen {
            Seen::Said { node, level, text } => self.line(now, node, Some(level), text),
            // What is read back from its disk after the run, a node does not say.
            Seen::Fact { boot: 0, .. } => {}
            Seen::Fact { node, group: GroupId::DEFAULT, fact, .. } => {
                self.line(now, node, Some(fact.level()), format_args!("{fact}"));
            }
            Seen::Fact { node, group, fact, .. } => {
                self.line(now, node, Some(fact.level()), format_args!("{group}: {fact}"));
            }
            Seen::Mark { node, mark } => {
                self.line(now, node, Some(Level::Debug), format_args!("{mark}"));
            }
            Seen::Booted { node, boot } => {
                self.line(now, node, None, format_args!("the process starts for the {boot}. time"));
            }
            Seen::Stopped { node, how: Down::Process } => {
                self.line(now, node, None, format_args!("the process is gone"));
            }
            Seen::Stopped { node, how: Down::Power } => {
                self.line(now, node, None, format_args!("the power is gone"));
            }
            Seen::PowerCut { node, lost } => {
                self.line(
                    now,
                    node,
                    None,
                    format_args!("{lost} changes were not synced and are lost"),
                );
            }
            Seen::Paused { node } => {
                self.line(now, node, None, format_args!("the process is stopped"))
            }
            Seen::Resumed { node } => {
                self.line(now, node, None, format_args!("the process goes on"))
            }
            Seen::Wiped { node } => {
                self.line(now, node, None, format_args!("the disk is empty now"))
            }
            Seen::Fault(fault) => self.line(now, 0, None, format_args!("{fault}")),
            Seen::Finding { name, text } => self.line(now, 0, None, format_args!("{name}: {text}")),
            Seen::Left { .. }
            | Seen::Came(_)
            | Seen::Lost { .. }
            | Seen::Gone { .. }
            | Seen::Synced { .. } => {}
        }
    }

    fn files(self: Box<Self>, after: &After<'_>) -> Vec<File> {
        let named = self.hosts.into_iter().enumerate();
        named
            .map(|(host, lines)| {
                let path = match host {
                    0 => "log.txt".to_owned(),
                    node => format!("{}/log.txt", name(node as u16)),
                };
                File { path, bytes: written(&lines, after.set_up_at).into_bytes() }
            })
            .collect()
    }
}

fn written(lines: &[Line], set_up_at: u64) -> String {
    let mut text = String::new();
    for Line { ns, level, text: words } in lines {
        let ns = ns.saturating_sub(set_up_at);
        let (seconds, nanos) = (ns / 1_000_000_000, ns % 1_000_000_000);
        let level = level.map_or("-", Level::name);
        // A line is a line, whatever is said. Err: a String takes all.
        let words = words.replace('\n', "\\n");
        let _ = writeln!(text, "{seconds:>4}.{nanos:09} s {level:>5} {words}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use elastickv::env::Fact;

    fn fact(boot: u64, group: u16, fact: &Fact) -> Seen<'_> {
        Seen::Fact { node: 2, boot, group: GroupId(group), fact }
    }

    #[test]
    fn a_node_has_what_it_says_from_its_level_on_and_what_was_done_to_it() {
        let mut logs = Logs::new(2, Level::Info);
        logs.see(1_000, &Seen::Booted { node: 2, boot: 1 });
        logs.see(2_000_000_000, &fact(1, 1, &Fact::Leads { term: 3 }));
        logs.see(2_000_000_000, &fact(1, 2, &Fact::Leads { term: 4 }));
        logs.see(2_000_000_000, &fact(1, 1, &Fact::LeaseRead { term: 3, applied: 9 }));
        logs.see(3_000_000_000, &fact(0, 1, &Fact::Leads { term: 5 }));
        logs.see(3_500_000_000, &Seen::Stopped { node: 2, how: Down::Power });
        assert!(logs.hosts[1].is_empty());
        let expected = "   0.000000000 s     - the process starts for the 1. time\n\
                        \x20  1.999999000 s  INFO leads in term 3\n\
                        \x20  1.999999000 s  INFO g2: leads in term 4\n\
                        \x20  3.499999000 s     - the power is gone\n";
        assert_eq!(written(&logs.hosts[2], 1_000), expected);
    }

    #[test]
    fn a_line_stays_one_line() {
        let mut logs = Logs::new(1, Level::Debug);
        logs.see(0, &Seen::Said { node: 1, level: Level::Debug, text: format_args!("a\nb") });
        assert_eq!(written(&logs.hosts[1], 0), "   0.000000000 s DEBUG a\\nb\n");
    }
}
