//! `testbed`: hosts that are namespaces of this machine, for runs over SSH without a second machine.

use anyhow::ensure;
use clap::ValueEnum;
use harness::cli::output::Output;
use real_cluster::testbed::{HostStatus, Testbed};
use serde_json::json;
use std::time::Instant;

/// Hosts of a new testbed, if nobody says how many.
const HOSTS: u8 = 5;
/// Of a testbed that is there in part.
const PARTLY: u8 = 2;

/// Makes hosts out of this machine's namespaces, tells how they are, and removes them
#[derive(clap::Args)]
#[command(after_help = "\
Needs root. `up` leaves a testbed that is whole as it is; `down` leaves nothing of it; `status` exits with 2 if it is there
in part.

Examples:
  cargo real-cluster testbed up
  cargo real-cluster testbed status --json
  ssh -F /run/real-cluster/testbed/default/ssh_config n1
  cargo real-cluster testbed down")]
pub struct Arguments {
    #[arg(value_enum)]
    action: Action,
    /// How many hosts `up` makes [default: 5]
    #[arg(long, value_name = "N")]
    hosts: Option<u8>,
    /// Which of the testbeds of this machine
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Makes it
    Up,
    /// Removes it
    Down,
    /// Tells how each host is
    Status,
}

impl Arguments {
    pub fn act(self) -> anyhow::Result<u8> {
        ensure!(
            self.hosts.is_none() || self.action == Action::Up,
            "--hosts is for `testbed up`: the others take the hosts that there are"
        );
        let mut out = Output::default();
        match self.action {
            Action::Up => self.up(&mut out),
            Action::Down => self.down(&mut out),
            Action::Status => self.status(&mut out),
        }
    }

    fn up(&self, out: &mut Output) -> anyhow::Result<u8> {
        let name = &self.name;
        let begun = Instant::now();
        let there = match Testbed::open(name)? {
            Some(testbed) => testbed.is_whole()?,
            None => false,
        };
        let testbed = Testbed::up(name, self.hosts.unwrap_or(HOSTS))?;
        let seconds = begun.elapsed().as_secs_f64();
        if self.json {
            let hosts = testbed.hosts().len();
            out.object(&json!({
                "testbed": name, "hosts": hosts, "was_up": there, "seconds": seconds,
                "nodes": testbed.nodes_file(), "ssh_config": testbed.ssh_config(),
            }))?;
            return Ok(0);
        }
        if there {
            out.text(format_args!("testbed {name} is up already\n"))?;
        } else {
            out.text(format_args!("testbed {name} is up after {seconds:.2} s\n"))?;
        }
        for host in testbed.hosts() {
            out.text(format_args!("  {:<5} {}\n", host.name, host.address))?;
        }
        out.text(format_args!("  nodes {}\n", testbed.nodes_file().display()))?;
        out.text(format_args!("  ssh -F {} n1\n", testbed.ssh_config().display()))?;
        Ok(0)
    }

    fn down(&self, out: &mut Output) -> anyhow::Result<u8> {
        let name = &self.name;
        let was_there = Testbed::down(name)?;
        if self.json {
            out.object(&json!({"testbed": name, "was_there": was_there}))?;
        } else if was_there {
            out.text(format_args!("testbed {name} is down\n"))?;
        } else {
            out.text(format_args!("no testbed {name}\n"))?;
        }
        Ok(0)
    }

    fn status(&self, out: &mut Output) -> anyhow::Result<u8> {
        let name = &self.name;
        let Some(testbed) = Testbed::open(name)? else {
            if self.json {
                out.object(&json!({"testbed": name, "state": "none"}))?;
            } else {
                out.text(format_args!("no testbed {name}\n"))?;
            }
            return Ok(0);
        };
        let (whole, hosts) = (testbed.is_whole()?, testbed.status()?);
        let state = if whole { "whole" } else { "partly there" };
        if self.json {
            out.object(&json!({
                "testbed": name, "state": state, "hosts": hosts.len(), "folder": testbed.folder(),
                "control": testbed.control_address(), "accounts": testbed.accounts(),
                "left_out": testbed.left_out(),
            }))?;
            hosts.iter().try_for_each(|host| out.object(host))?;
        } else {
            out.text(format_args!("testbed {name} is {state}\n"))?;
            hosts.iter().try_for_each(|host| out.text(line(host)))?;
            out.text(format_args!("  accounts: {}\n", testbed.accounts().join(", ")))?;
            testbed.left_out().map_or(Ok(()), |why| out.text(format_args!("  {why}\n")))?;
        }
        Ok(if whole { 0 } else { PARTLY })
    }
}

fn line(host: &HostStatus) -> String {
    let state = match &host.boot {
        Some(boot) => format!("up {:.1} s", boot.uptime_s),
        None => "down".to_owned(),
    };
    let link = if host.link { "" } else { ", link cut" };
    let firewall = match &host.firewall[..] {
        [] => String::new(),
        tables => format!(", firewall: {}", tables.join(", ")),
    };
    format!("  {:<5} {:<15} {state}{link}{firewall}\n", host.host, host.address)
}
