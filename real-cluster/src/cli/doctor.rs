//! `doctor`: looks at hosts before a run does.

use super::database::Database;
use super::hosts::Hosts;
use harness::cli::FAILED;
use harness::cli::output::Output;
use harness::fault::FaultKind;
use real_cluster::doctor::{Diagnosis, Finding, Grade, Step, examine};
use real_cluster::site::{Site, Sites, checked_path};
use serde_json::json;
use tokio::task::LocalSet;

/// Looks at every host: SSH, sudo, names in both directions, clock, disk, architecture, kernel, ports, and which faults it can have
#[derive(clap::Args)]
#[command(after_help = "\
Nothing is changed on a host but the folder of the tool's own program. Exits with 3 if something is wrong; what is weak costs
faults, and is told by runs too.

Examples:
  cargo real-cluster doctor --testbed
  cargo real-cluster doctor --nodes nodes.txt --db redis-server --json")]
pub struct Doctor {
    /// One host a line: [user@]host[:port]
    #[arg(long, value_name = "FILE")]
    nodes: Option<String>,
    #[command(flatten)]
    hosts: Hosts,
    #[command(flatten)]
    database: Database,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub fn act(self) -> anyhow::Result<u8> {
        let nodes = self.nodes.as_deref();
        let places = self.hosts.places(nodes).map_err(anyhow::Error::msg)?;
        let known = places.iter().filter_map(|place| place.site.as_ref().ok().cloned());
        let known: Vec<Site> = known.collect();
        for at in &known {
            checked_path(&at.base).map_err(anyhow::Error::msg)?;
        }
        let named = self.database.named(&Sites::new(known)).map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let diagnosis = LocalSet::new().block_on(&runtime, async {
            let db = |has_clock| self.database.made(named, Vec::new(), 1, has_clock);
            examine(&places, self.hosts.agent(), db).await
        });
        let mut out = Output::default();
        match self.json {
            true => objects(&mut out, &diagnosis)?,
            false => text(&mut out, &diagnosis)?,
        }
        let wrong = diagnosis.of(Grade::Wrong).count();
        Ok(if wrong == 0 { 0 } else { FAILED })
    }
}

fn text(out: &mut Output, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let mut node = None;
    for Finding { node: at, step, grade, text } in &diagnosis.findings {
        if node.replace(*at) != Some(*at) {
            out.text(format_args!("{at}\n"))?;
        }
        out.text(format_args!("  {:<8} {:<13} {text}\n", grade.name(), step.name()))?;
    }
    match &diagnosis.supported {
        None => {
            out.text("faults: not known before every host answers and has the tool's program\n")?
        }
        Some(supported) => {
            let offered = supported.iter().filter(|(_, can)| can.is_ok());
            let offered: Vec<&str> = offered.map(|(kind, _)| kind.name()).collect();
            out.text(format_args!("faults: {}\n", offered.join(", ")))?;
            for (kind, can) in supported {
                if let Err(why) = can {
                    out.text(format_args!("without {kind}: {why}\n"))?;
                }
            }
        }
    }
    let count = |grade| diagnosis.of(grade).count();
    let (wrong, weak) = (count(Grade::Wrong), count(Grade::Weak));
    let all = diagnosis.findings.len();
    out.text(match (wrong, weak) {
        (0, 0) => format!("{all} looks, all ok\n"),
        _ => {
            format!("{all} looks: {wrong} wrong, {weak} weak, {} skipped\n", count(Grade::Skipped))
        }
    })
    .map_err(Into::into)
}

fn objects(out: &mut Output, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    for Finding { node, step, grade, text } in &diagnosis.findings {
        let (step, grade) = (Step::name(*step), grade.name());
        out.object(&json!({"node": node.to_string(), "step": step, "grade": grade, "text": text}))?;
    }
    for kind in FaultKind::ALL {
        let Some(can) = diagnosis.supported.as_ref().and_then(|all| all.get(&kind)) else {
            continue;
        };
        out.object(&json!({"fault": kind, "offered": can.is_ok(), "why_not": can.as_ref().err()}))?;
    }
    Ok(())
}
