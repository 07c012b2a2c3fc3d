//! Which faults can be enacted on these hosts with this database, each of the others with a sentence that says why not.

use super::hosts::{self, Facts};
use super::probes::Refusals;
use crate::db::{Db, Members};
use crate::simulated::outside;
use crate::site::Site;
use harness::fault::FaultKind;
use std::collections::BTreeMap;

/// Whether any host can have it, or why not.
pub fn possible(kind: FaultKind) -> Result<(), &'static str> {
    match kind {
        FaultKind::Power => Err("SSH cannot cut a machine's power (use reboot)"),
        FaultKind::Freeze => Err(
            "a clock can stand still only in the simulation, so far: the time shim slows it by half at most (use drift)",
        ),
        kind => outside(kind),
    }
}

/// Every kind.
pub type Supported = BTreeMap<FaultKind, Result<(), String>>;

/// What the answer is made of.
pub struct Grounds<'a> {
    /// All hosts.
    pub places: &'a [(&'a Site, &'a Facts)],
    /// What runs there.
    pub db: &'a dyn Db,
    /// Why the time shim cannot be used, if it cannot.
    pub no_shim: Option<&'a str>,
    /// What kernels refuse.
    pub refusals: &'a Refusals,
}

impl Grounds<'_> {
    /// The answer.
    pub fn supported(&self) -> Supported {
        FaultKind::ALL.into_iter().map(|kind| (kind, self.can(kind))).collect()
    }

    fn can(&self, kind: FaultKind) -> Result<(), String> {
        match kind {
            FaultKind::Partition | FaultKind::Latency | FaultKind::Flaky | FaultKind::Throttle => {
                self.network(kind)
            }
            FaultKind::Kill | FaultKind::Rolling | FaultKind::Storm => {
                self.capability(self.db.kill().is_some(), "kill")
            }
            FaultKind::Pause => self.capability(self.db.pause().is_some(), "pause"),
            FaultKind::Jump | FaultKind::Strobe | FaultKind::Drift | FaultKind::Leap => {
                self.clock()
            }
            FaultKind::Reboot => match hosts::neighbours(self.places) {
                Some((one, other)) => {
                    Err(format!("{one} and {other} share a host, and would restart together"))
                }
                None => self.capability(self.db.kill().is_some(), "start"),
            },
            FaultKind::Membership | FaultKind::Transfer | FaultKind::Ceiling => {
                self.capability(self.db.members().is_some(), "members")
            }
            FaultKind::Split => {
                self.capability(self.db.members().is_some_and(Members::is_sharded), "groups")
            }
            FaultKind::Power
            | FaultKind::LinkLatency
            | FaultKind::LinkLoss
            | FaultKind::LinkDouble
            | FaultKind::LinkOrder
            | FaultKind::LinkDamage
            | FaultKind::LinkRate
            | FaultKind::LinkDrip
            | FaultKind::Clients
            | FaultKind::Reset
            | FaultKind::HalfOpen
            | FaultKind::Hold
            | FaultKind::Echo
            | FaultKind::Address
            | FaultKind::KillAt
            | FaultKind::KillAwait
            | FaultKind::Freeze
            | FaultKind::MonoDrift
            | FaultKind::Memory
            | FaultKind::SlowSync
            | FaultKind::IoError
            | FaultKind::DiskFull
            | FaultKind::ShortRead
            | FaultKind::BitRot
            | FaultKind::Misdirect
            | FaultKind::LyingSync
            | FaultKind::StaleDisk => possible(kind).map_err(str::to_owned),
        }
    }

    fn network(&self, kind: FaultKind) -> Result<(), String> {
        if let Some((one, other)) = hosts::neighbours(self.places) {
            return Err(format!(
                "{one} and {other} share a host: what passes between them crosses no network"
            ));
        }
        if let Some(why) = self.refusals.get(&kind) {
            return Err(why.clone());
        }
        let own: Vec<_> =
            self.places.iter().filter_map(|(at, _)| hosts::control_address(at)).collect();
        let drives = |(at, facts): &&(&Site, &Facts)| {
            own.contains(&at.address) || facts.addresses().any(|address| own.contains(&address))
        };
        match self.places.iter().find(drives) {
            Some((at, _)) => Err(format!(
                "{} is the machine that drives the cluster, and would be cut off itself",
                at.node
            )),
            None => Ok(()),
        }
    }

    fn capability(&self, has: bool, what: &str) -> Result<(), String> {
        match has {
            true => Ok(()),
            false => Err(format!("the database {} has no `{what}`", self.db.name())),
        }
    }

    fn clock(&self) -> Result<(), String> {
        match (self.db.has_clock(), self.no_shim) {
            (true, _) => Ok(()),
            (false, Some(why)) => Err(why.to_owned()),
            (false, None) => {
                Err(format!("the database {} does not run under the time shim", self.db.name()))
            }
        }
    }
}
