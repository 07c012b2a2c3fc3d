//! Looks at hosts before a run does: what is wrong with each, what would mend it, and which faults can be enacted.
//!
//! Promises: a host that fails keeps no other from being looked at; nothing is changed on a host but the folder of the tool's own
//! program; whatever was not looked at is told as skipped.
//!
//! Cannot see: what only a database that runs would show.

use crate::db::Db;
use crate::remote::RemoteError;
use crate::site::{Site, Sites, port_conflict};
use crate::ssh::cluster::bring;
use crate::ssh::hosts::{self, Facts};
use crate::ssh::probes::{self, Refusals, Tried};
use crate::ssh::supported::{Grounds, Supported};
use futures_util::future::join_all;
use harness::cluster::NodeId;
use std::path::Path;
use std::rc::Rc;

mod host;
mod names;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which node.
    pub node: NodeId,
    /// What was looked at.
    pub step: Step,
    /// How it is.
    pub grade: Grade,
    /// What was seen; of what is wrong, also what would mend it.
    pub text: String,
}

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The nodes file's names, on this machine.
    Address,
    /// A connection.
    Ssh,
    /// Being root there.
    Root,
    /// Programs that are used there.
    Programs,
    /// Names of nodes and their addresses, in both directions, there.
    Names,
    /// Its clock against this machine's.
    Clock,
    /// Room.
    Disk,
    /// Whether programs from here run there.
    Architecture,
    /// Whether the tool's program can be brought there.
    Upload,
    /// Whether rules of the network can be loaded, and packets be held.
    Network,
    /// Whether programs can be given another clock.
    Shim,
    /// Whether the database's ports are free.
    Ports,
    /// Whether what the database needs is there.
    Database,
}

impl Step {
    /// All, in order.
    pub const ALL: [Step; 13] = [
        Step::Address,
        Step::Ssh,
        Step::Root,
        Step::Programs,
        Step::Names,
        Step::Clock,
        Step::Disk,
        Step::Architecture,
        Step::Upload,
        Step::Network,
        Step::Shim,
        Step::Ports,
        Step::Database,
    ];

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Step::Address => "address",
            Step::Ssh => "ssh",
            Step::Root => "root",
            Step::Programs => "programs",
            Step::Names => "names",
            Step::Clock => "clock",
            Step::Disk => "disk",
            Step::Architecture => "architecture",
            Step::Upload => "upload",
            Step::Network => "network",
            Step::Shim => "shim",
            Step::Ports => "ports",
            Step::Database => "database",
        }
    }
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Nobody looked, since something before it is wrong.
    Skipped,
    /// A run is possible, with fewer faults or doubtful numbers.
    Weak,
    /// No run is possible, or it would tell lies.
    Wrong,
}

impl Grade {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Skipped => "skipped",
            Grade::Weak => "weak",
            Grade::Wrong => "wrong",
        }
    }
}

/// What a look at all hosts found.
pub struct Diagnosis {
    /// By node, then by step.
    pub findings: Vec<Finding>,
    /// Which faults can be enacted; `None` while a host cannot be asked.
    pub supported: Option<Supported>,
}

impl Diagnosis {
    /// Findings of this grade.
    pub fn of(&self, grade: Grade) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.grade == grade)
    }
}

/// A node of the nodes file.
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Its host's name, unless the file has an address.
    pub name: Option<String>,
    /// Where it is, or why nobody knows.
    pub site: Result<Site, String>,
}

/// A host that answered.
struct Patient<'a> {
    site: &'a Site,
    facts: Facts,
    /// Its host's name in the nodes file, if that has one.
    name: Option<&'a str>,
}

/// Looks at all hosts. `agent` is what would be brought there; `db` is told whether every host has the time shim.
pub async fn examine(
    places: &[Place],
    agent: &Path,
    db: impl FnOnce(bool) -> Rc<dyn Db>,
) -> Diagnosis {
    let mut findings = Vec::new();
    findings.extend(loopback(places));
    let answered = join_all(places.iter().map(answers)).await;
    let mut patients = Vec::new();
    for answer in answered {
        match answer {
            Ok((patient, seen)) => {
                patients.push(patient);
                findings.push(seen);
            }
            Err(why) => findings.extend(unseen(&why).into_iter().chain([why])),
        }
    }
    let looks = join_all(patients.iter().map(|patient| host::look(patient, agent))).await;
    let no_shim = looks.iter().find_map(|look| look.no_shim.clone());
    let brought: Vec<bool> = looks.iter().map(|look| look.brought).collect();
    let everywhere = brought.iter().all(|brought| *brought);
    findings.extend(looks.into_iter().flat_map(|look| look.findings));
    findings.extend(names::look(&patients).await);
    let db = db(no_shim.is_none() && everywhere);
    let known = Sites::new(patients.iter().map(|patient| patient.site.clone()).collect());
    findings.extend(host::conflicts(&patients, &known, &*db));
    let looks = patients.iter().map(|patient| host::database(patient, &known, &*db));
    findings.extend(join_all(looks).await.into_iter().flatten());
    let seen: Vec<(&Site, &Facts)> =
        patients.iter().map(|patient| (patient.site, &patient.facts)).collect();
    let refusals = network(&seen, &brought, &mut findings).await;
    let all = everywhere && patients.len() == places.len();
    let supported = refusals.filter(|_| all).map(|refusals| {
        let no_shim = no_shim.as_deref();
        Grounds { places: &seen, db: &*db, no_shim, refusals: &refusals }.supported()
    });
    findings.sort_by_key(|finding| (finding.node, finding.step));
    Diagnosis { findings, supported }
}

/// Nodes whose address only they themselves can reach.
fn loopback(places: &[Place]) -> Vec<Finding> {
    let known = places.iter().filter_map(|place| place.site.as_ref().ok());
    let (inside, outside): (Vec<&Site>, Vec<&Site>) =
        known.partition(|at| at.address.is_loopback());
    if outside.is_empty() {
        return Vec::new();
    }
    let wrong = |at: &Site| Finding {
        node: at.node,
        step: Step::Address,
        grade: Grade::Wrong,
        text: format!(
            "it is at {}, which no other host reaches: write the right address= into the nodes file, or mend /etc/hosts here",
            at.address
        ),
    };
    inside.into_iter().map(wrong).collect()
}

/// Whether a host can be talked to as root.
async fn answers(place: &Place) -> Result<(Patient<'_>, Finding), Finding> {
    let node = place.node;
    let wrong = |step, text| Finding { node, step, grade: Grade::Wrong, text };
    let site = place.site.as_ref().map_err(|why| wrong(Step::Address, why.clone()))?;
    match Facts::of(&*site.remote).await {
        Ok(facts) => {
            let text = format!(
                "{}, {}, Linux {}, called {}",
                site.remote.name(),
                facts.machine(),
                facts.get("kernel"),
                facts.get("hostname")
            );
            let name = place.name.as_deref();
            let seen = Finding { node, step: Step::Ssh, grade: Grade::Ok, text };
            Ok((Patient { site, facts, name }, seen))
        }
        Err(error @ RemoteError::NotRoot { .. }) => Err(wrong(Step::Root, error.to_string())),
        Err(error) => Err(wrong(Step::Ssh, error.to_string())),
    }
}

/// Of a host that cannot be talked to, what was not looked at for that.
fn unseen(why: &Finding) -> Vec<Finding> {
    let (node, grade) = (why.node, Grade::Skipped);
    let text = format!("the host cannot be looked at, see {}", why.step.name());
    let after = Step::ALL.into_iter().filter(|step| *step > why.step);
    after.map(|step| Finding { node, step, grade, text: text.clone() }).collect()
}

/// Tries the faults of the network on each host that has the program. `None` if a host was lost meanwhile.
async fn network(
    seen: &[(&Site, &Facts)],
    brought: &[bool],
    findings: &mut Vec<Finding>,
) -> Option<Refusals> {
    let addresses = hosts::addresses(seen);
    let able = seen.iter().zip(brought).filter(|(_, brought)| **brought);
    let able: Vec<&(&Site, &Facts)> = able.map(|(place, _)| place).collect();
    let tried = able.iter().map(|(site, facts)| probes::network_of(site, facts, &addresses));
    let mut all = Some(Refusals::new());
    for ((site, _), tried) in able.iter().zip(join_all(tried).await) {
        let (grade, text) = match &tried {
            Ok(Tried { refusals, in_full: true }) if refusals.is_empty() => {
                (Grade::Ok, "rules of every kind can be loaded, packets can be held".to_owned())
            }
            Ok(Tried { refusals, .. }) if refusals.is_empty() => (
                Grade::Weak,
                "rules were read and none was loaded, no packet was held: it takes unshare, and root with CAP_SYS_ADMIN"
                    .to_owned(),
            ),
            Ok(Tried { refusals, .. }) => {
                let kinds: Vec<&str> = refusals.keys().map(|kind| kind.name()).collect();
                let why = refusals.values().next().cloned().unwrap_or_default();
                (Grade::Weak, format!("without {}: {why}", kinds.join(", ")))
            }
            Err(error) => (Grade::Wrong, error.to_string()),
        };
        findings.push(Finding { node: site.node, step: Step::Network, grade, text });
        match (tried, &mut all) {
            (Ok(tried), Some(all)) => {
                for (kind, why) in tried.refusals {
                    all.entry(kind).or_insert(why);
                }
            }
            _ => all = None,
        }
    }
    all
}

/// The sites of all places, or the first that nobody knows.
pub fn sites(places: Vec<Place>) -> Result<Sites, String> {
    Ok(Sites::new(places.into_iter().map(|place| place.site).collect::<Result<_, _>>()?))
}
