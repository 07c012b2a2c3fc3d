//! `list`: what there is to run.

use elastickv::bug::Bug;
use harness::catalog::catalog;
use harness::cli::output::Output;
use serde_json::json;
use sim::bugs;

/// Lists the tests and the planted bugs
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo sim list\n  cargo sim list --json")]
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

fn tables(out: &mut Output) -> anyhow::Result<()> {
    out.text("tests\n")?;
    for test in catalog() {
        out.text(format_args!("  {:<28} {}\n", test.name, test.about))?;
    }
    out.text("\nplanted bugs (--bug NAME), where they come from, who finds them\n")?;
    for bug in Bug::ALL {
        let (origin, row) = (bug.origin(), bugs::row(bug));
        let place = if row.test == bugs::APPEND { "" } else { row.test };
        let finder = format!("{} {place}", row.found_by);
        out.text(format_args!("  {:<36} {origin:<34} {}\n", bug.name(), finder.trim_end()))?;
    }
    Ok(())
}

fn objects(out: &mut Output) -> anyhow::Result<()> {
    for test in catalog() {
        let object = json!({"test": test.name, "about": test.about, "options": test.defaults});
        out.object(&object)?;
    }
    for bug in Bug::ALL {
        let row = bugs::row(bug);
        let options: std::collections::BTreeMap<&str, &str> = row.options.iter().copied().collect();
        let (name, origin, finder) = (bug.name(), bug.origin(), row.found_by);
        out.object(
            &json!({"bug": name, "origin": origin, "found_by": finder, "in": row.test, "options": options}),
        )?;
    }
    Ok(())
}
