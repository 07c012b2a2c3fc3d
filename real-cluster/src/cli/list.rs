//! `list`: what there is to run.

use elastickv::bug::Bug;
use harness::catalog::catalog;
use harness::cli::output::Output;
use harness::fault::FaultKind;
use real_cluster::local::faults::supports;
use real_cluster::ssh::supported::possible;
use serde_json::json;

/// Lists the tests, the faults that a local cluster and hosts can enact, and the planted bugs
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo real-cluster list\n  cargo real-cluster list --json")]
pub struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    pub fn act(self) -> anyhow::Result<u8> {
        let mut out = Output::default();
        if self.json {
            objects(&mut out)?
        } else {
            tables(&mut out)?
        }
        Ok(0)
    }
}

/// Places and what they can. Of hosts `doctor` knows more.
const PLACES: [(&str, fn(FaultKind) -> Result<(), &'static str>); 2] =
    [("on a local cluster", supports), ("on hosts that `doctor` finds well", possible)];

fn tables(out: &mut Output) -> anyhow::Result<()> {
    out.text("tests\n")?;
    for test in catalog() {
        out.text(format_args!("  {:<28} {}\n", test.name, test.about))?;
    }
    for (place, can) in PLACES {
        out.text(format_args!("\nfaults {place} (--faults KINDS)\n"))?;
        for kind in FaultKind::ALL {
            let offered = can(kind).map_or_else(|why| format!("no: {why}"), |()| "yes".to_owned());
            out.text(format_args!("  {:<28} {offered}\n", kind.name()))?;
        }
    }
    out.text("\nplanted bugs (--bug NAME) and where they come from\n")?;
    for bug in Bug::ALL {
        out.text(format_args!("  {:<36} {}\n", bug.name(), bug.origin()))?;
    }
    Ok(())
}

fn objects(out: &mut Output) -> anyhow::Result<()> {
    for test in catalog() {
        out.object(&json!({"test": test.name, "about": test.about, "options": test.defaults}))?;
    }
    for kind in FaultKind::ALL {
        let (local, hosts) = (supports(kind).err(), possible(kind).err());
        out.object(&json!({
            "fault": kind,
            "local": local.is_none(), "why_not": local,
            "hosts": hosts.is_none(), "why_not_on_hosts": hosts,
        }))?;
    }
    for bug in Bug::ALL {
        out.object(&json!({"bug": bug.name(), "origin": bug.origin()}))?;
    }
    Ok(())
}
