//! What is looked at on each host by itself.

use super::{Finding, Grade, Patient, Step, bring, port_conflict, probes};
use crate::db::{Db, ports};
use crate::remote::{Command, done};
use crate::site::{Site, Sites};
use crate::ssh::cluster::fits;
use crate::ssh::evidence;
use crate::ssh::offsets::Offset;
use std::path::Path;

/// Programs that every run uses there, with Debian's package.
const PROGRAMS: [(&str, &str); 2] = [("setsid", "util-linux"), ("sha256sum", "coreutils")];
/// A clock that is further off makes times of this machine and of that one incomparable. What Jepsen's users ask for.
const CLOCK_MS: f64 = 50.0;
/// The tool's own program and logs fit into so much.
const ROOM_MIN_MIB: u64 = 256;
/// A run of minutes with captures may fill so much.
const ROOM_MIB: u64 = 2048;

/// What one host shows.
pub struct Look {
    pub findings: Vec<Finding>,
    /// Whether the tool's program is there now.
    pub brought: bool,
    /// Why a program cannot run under the shim.
    pub no_shim: Option<String>,
}

/// Looks.
pub async fn look(patient: &Patient<'_>, agent: &Path) -> Look {
    let at = patient.site;
    let mut findings = vec![programs(patient), clock(at).await, disk(at).await];
    let fits = fits(at, agent).await.map_err(|error| error.to_string());
    findings.push(told(at, Step::Architecture, fits.clone().map(|()| patient.facts.machine())));
    let brought = match fits {
        Ok(()) => Some(bring(at, agent).await.map_err(|error| error.to_string())),
        Err(_) => None,
    };
    let is_there = matches!(brought, Some(Ok(())));
    findings.push(match brought {
        Some(brought) => told(at, Step::Upload, brought.map(|()| format!("into {}/bin", at.base))),
        None => skipped(at, Step::Upload, "programs from here do not run there"),
    });
    if !is_there {
        let steps = [Step::Network, Step::Shim];
        findings.extend(steps.map(|step| skipped(at, step, "the tool's program is not there")));
        return Look { findings, brought: false, no_shim: None };
    }
    let no_shim = probes::shim(at).await.err();
    findings.push(match &no_shim {
        None => finding(at, Step::Shim, Grade::Ok, "programs can be given another clock"),
        Some(why) => finding(at, Step::Shim, Grade::Weak, format!("without clock faults: {why}")),
    });
    Look { findings, brought: true, no_shim }
}

/// What the database asks of the host.
pub async fn database(patient: &Patient<'_>, sites: &Sites, db: &dyn Db) -> Vec<Finding> {
    let at = patient.site;
    let numbers = db.ports(at);
    let list: Vec<String> = numbers.iter().map(|(name, port)| format!("{name} {port}")).collect();
    let list = if list.is_empty() { "none are needed".to_owned() } else { list.join(", ") };
    let ports = match ports::free(at, &numbers).await {
        Ok(()) => finding(at, Step::Ports, Grade::Ok, list),
        Err(error) if left_behind(at).await => finding(
            at,
            Step::Ports,
            Grade::Weak,
            format!(
                "a run left something there, which `heal` ends, as the next run does itself: {error}"
            ),
        ),
        Err(error) => finding(at, Step::Ports, Grade::Wrong, error.to_string()),
    };
    let has = db.preflight(sites, at).await.map_err(|error| error.to_string());
    vec![ports, told(at, Step::Database, has.map(|()| db.name()))]
}

/// Whether a run did not undo what it did there.
async fn left_behind(at: &Site) -> bool {
    let look =
        Command::script("left behind", r#"ls -- "$1"/*/undo > /dev/null 2>&1"#).arg(&at.base);
    done(&*at.remote, &look).await.is_ok()
}

/// Two nodes that would use one port, two log files of one name.
pub fn conflicts(patients: &[Patient<'_>], sites: &Sites, db: &dyn Db) -> Vec<Finding> {
    let numbers = patients.iter().map(|patient| (patient.site, db.ports(patient.site)));
    let Some(Patient { site: first, .. }) = patients.first() else { return Vec::new() };
    let wrong = |step, why| finding(first, step, Grade::Wrong, why);
    let ports = port_conflict(numbers).map(|why| wrong(Step::Ports, why));
    let logs = evidence::planned(db, sites).err().map(|why| wrong(Step::Database, why));
    ports.into_iter().chain(logs).collect()
}

fn programs(patient: &Patient<'_>) -> Finding {
    let (programs, mut packages): (Vec<&str>, Vec<&str>) =
        PROGRAMS.iter().filter(|(program, _)| !patient.facts.has(program)).copied().unzip();
    packages.dedup();
    match programs.is_empty() {
        true => finding(patient.site, Step::Programs, Grade::Ok, "all that runs use"),
        false => finding(
            patient.site,
            Step::Programs,
            Grade::Wrong,
            format!(
                "{} are not installed: apt-get install {}",
                programs.join(", "),
                packages.join(" ")
            ),
        ),
    }
}

async fn clock(at: &Site) -> Finding {
    match Offset::of(&*at.remote).await {
        Ok(offset) if offset.ms.abs() + offset.within_ms <= CLOCK_MS => {
            finding(at, Step::Clock, Grade::Ok, offset.to_string())
        }
        Ok(offset) if offset.at_least_ms() <= CLOCK_MS => finding(
            at,
            Step::Clock,
            Grade::Weak,
            format!(
                "{offset}: the way there is too slow to say whether it is within {CLOCK_MS} ms"
            ),
        ),
        Ok(offset) => finding(
            at,
            Step::Clock,
            Grade::Weak,
            format!(
                "{offset}, where {CLOCK_MS} ms is the most for times to be compared: run chrony or systemd-timesyncd there"
            ),
        ),
        Err(error) => finding(at, Step::Clock, Grade::Wrong, error.to_string()),
    }
}

async fn disk(at: &Site) -> Finding {
    // Of the first folder on the way that is there.
    let script = r#"folder=$1; until [ -d "$folder" ]; do folder=$(dirname -- "$folder"); done; df -Pk -- "$folder" | tail -n 1"#;
    let command = Command::script("room", script).arg(&at.base);
    let line = match done(&*at.remote, &command).await {
        Ok(output) => output.text(),
        Err(error) => return finding(at, Step::Disk, Grade::Wrong, error.to_string()),
    };
    let Some(free) = line.split_whitespace().nth(3).and_then(|free| free.parse::<u64>().ok())
    else {
        let text = format!("df does not tell how much is free: it said `{line}`");
        return finding(at, Step::Disk, Grade::Weak, text);
    };
    let mib = free / 1024;
    let text = format!("{mib} MiB are free below {}", at.base);
    match mib {
        ..ROOM_MIN_MIB => finding(
            at,
            Step::Disk,
            Grade::Wrong,
            format!(
                "{text}, where {ROOM_MIN_MIB} are needed: make room, or name another folder by --remote-dir"
            ),
        ),
        ROOM_MIN_MIB..ROOM_MIB => finding(
            at,
            Step::Disk,
            Grade::Weak,
            format!(
                "{text}, which captures and logs of a long run may fill: {ROOM_MIB} are enough"
            ),
        ),
        _ => finding(at, Step::Disk, Grade::Ok, text),
    }
}

/// A result as a finding: an error is wrong.
fn told(at: &Site, step: Step, result: Result<impl Into<String>, String>) -> Finding {
    match result {
        Ok(text) => finding(at, step, Grade::Ok, text),
        Err(why) => finding(at, step, Grade::Wrong, why),
    }
}

fn skipped(at: &Site, step: Step, why: &str) -> Finding {
    finding(at, step, Grade::Skipped, why)
}

fn finding(at: &Site, step: Step, grade: Grade, text: impl Into<String>) -> Finding {
    Finding { node: at.node, step, grade, text: text.into() }
}
