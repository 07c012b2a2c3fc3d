//! Packets of a node's host, recorded from set-up to settling. Jepsen's `tcpdump`, to be set up before the database whose packets
//! are wanted: see [`super::Compose`].
//!
//! Where we differ: an expression without ports is an expression (upstream's begins with `and`), packets are handed on
//! as they come (`--immediate-mode`: the kernel would keep the last second of them to itself), and it is
//! [`Db::settle`] that ends it, so that the file is whole when it is fetched.

use super::program::Program;
use super::{Daemon, Db, DbError, LogFiles, LogPath, Step};
use crate::remote::{Command, done};
use crate::site::{Site, Sites};
use std::io;

/// What it is called.
const NAME: &str = "tcpdump";
/// Bytes of a packet that are kept.
const SNAPLEN: &str = "65535";
/// The kernel's buffer, in KiB.
const BUFFER: &str = "16384";

/// Where this host is controlled from. `sudo` may hide it, so whoever started what runs this is asked too.
const CONTROL: &str = r#"
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    from=$(tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | sed -n 's/^SSH_CLIENT=\([^ %]*\).*/\1/p')
    if [ -n "$from" ]; then echo "$from"; exit 0; fi
    pid=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status" 2> /dev/null)
done
"#;

/// Waits until it is seen in the log `$2` that it listens; `$1` is the daemon's folder.
const LISTENING: &str = r#"
tries=0
until grep -q '^tcpdump: listening on' -- "$2"; do
    tries=$((tries + 1))
    if [ -e "$1/ends" ] || [ "$tries" -gt 200 ]; then tail -n 1 -- "$2" >&2; exit 1; fi
    sleep 0.05
done
"#;

/// What helps if it is not there.
const MEND: &str = "apt-get install tcpdump, or record no packets";

/// What is recorded: packets that fit all that is given.
#[derive(Clone, Debug, Default)]
pub struct Tcpdump {
    /// To or from one of these ports; none means any.
    pub ports: Vec<u16>,
    /// To or from the machine that controls the test only.
    pub clients_only: bool,
    /// An expression of `tcpdump`'s.
    pub filter: Option<String>,
}

impl Tcpdump {
    /// The expression for a host that is controlled from there; empty if all packets are wanted.
    pub fn expression(&self, control: Option<&str>) -> String {
        let ports: Vec<String> = self.ports.iter().map(|port| format!("port {port}")).collect();
        let groups = [
            (!ports.is_empty()).then(|| ports.join(" or ")),
            control.map(|address| format!("host {address}")),
            self.filter.clone().filter(|filter| !filter.trim().is_empty()),
        ];
        let groups: Vec<String> =
            groups.into_iter().flatten().map(|group| format!("({group})")).collect();
        groups.join(" and ")
    }

    async fn control(&self, at: &Site) -> Result<Option<String>, DbError> {
        if !self.clients_only {
            return Ok(None);
        }
        let asked = Command::script("control address", CONTROL);
        match done(&*at.remote, &asked).await?.text() {
            none if none.is_empty() => Err(io::Error::other(format!(
                "{} does not say from where it is controlled (there is no SSH_CLIENT): leave out clients-only, or write `host \
                 ADDRESS` into the filter",
                at.remote.name()
            ))
            .into()),
            address => Ok(Some(address)),
        }
    }
}

fn packets(at: &Site) -> String {
    at.path("tcpdump/tcpdump.pcap")
}

fn daemon(at: &Site, expression: String) -> Daemon {
    let fixed =
        ["-i", "any", "-Z", "root", "-s", SNAPLEN, "-B", BUFFER, "--immediate-mode", "-U", "-w"];
    let mut words = vec![NAME.to_owned()];
    words.extend(fixed.map(str::to_owned));
    words.push(packets(at));
    if !expression.is_empty() {
        words.push(expression);
    }
    Daemon { folder: at.path("tcpdump/daemon"), log: at.path("tcpdump/tcpdump.log"), words }
}

impl Db for Tcpdump {
    fn name(&self) -> &str {
        NAME
    }

    fn ports(&self, _: &Site) -> Vec<(String, u16)> {
        Vec::new()
    }

    fn preflight<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { Program::There(NAME.to_owned()).preflight(at, MEND).await })
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.preflight(sites, at).await?;
            let control = self.control(at).await?;
            let daemon = daemon(at, self.expression(control.as_deref()));
            daemon.start(&*at.remote).await?;
            let listening = Command::script("listening", LISTENING);
            done(&*at.remote, &listening.args([&daemon.folder, &daemon.log])).await?;
            Ok(())
        })
    }

    fn settle<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        // SIGTERM makes it write what it has, as SIGINT does.
        Box::pin(async move { Ok(daemon(at, String::new()).stop(&*at.remote).await.map(drop)?) })
    }

    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.settle(sites, at).await?;
            let remove = Command::new("rm").args(["-rf", "--", &at.path("tcpdump")]);
            done(&*at.remote, &remove).await?;
            Ok(())
        })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        vec![daemon(at, String::new()).undo()]
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        Some(self)
    }
}

impl LogFiles for Tcpdump {
    fn log_files(&self, _: &Sites, at: &Site) -> Vec<LogPath> {
        vec![
            LogPath::Named(packets(at), "tcpdump.pcap".to_owned()),
            LogPath::Named(at.path("tcpdump/tcpdump.log"), "tcpdump.log".to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_joins_groups_by_and_and_ports_by_or_and_leaves_out_what_is_not_given() {
        let of = |ports: &[u16], clients_only: bool, filter: Option<&str>| {
            let tcpdump =
                Tcpdump { ports: ports.to_vec(), clients_only, filter: filter.map(str::to_owned) };
            tcpdump.expression(clients_only.then_some("10.0.0.9"))
        };
        let filter = Some("tcp[13] & 2 != 0 or icmp");
        for (ports, clients_only, filter, expected) in [
            (&[][..], false, None, ""),
            (&[], false, filter, "(tcp[13] & 2 != 0 or icmp)"),
            (&[], true, None, "(host 10.0.0.9)"),
            (&[], true, filter, "(host 10.0.0.9) and (tcp[13] & 2 != 0 or icmp)"),
            (&[6379, 50051], false, None, "(port 6379 or port 50051)"),
            (&[6379], false, filter, "(port 6379) and (tcp[13] & 2 != 0 or icmp)"),
            (&[6379, 50051], true, None, "(port 6379 or port 50051) and (host 10.0.0.9)"),
            (
                &[6379],
                true,
                filter,
                "(port 6379) and (host 10.0.0.9) and (tcp[13] & 2 != 0 or icmp)",
            ),
        ] {
            assert_eq!(of(ports, clients_only, filter), expected);
        }
        assert_eq!(of(&[6379], false, Some("  ")), "(port 6379)", "a filter of nothing is none");
    }
}
