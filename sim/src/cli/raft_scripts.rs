//! `raft-scripts`: etcd's interaction scripts against our Raft.

use anyhow::{Context, bail};
use harness::cli::output::Output;
use serde_json::json;
use sim::raft_scripts::{self, Ending};
use std::path::PathBuf;

/// Plays etcd's interaction scripts against our Raft and compares every message
#[derive(clap::Args)]
#[command(after_help = "\
The folder holds scripts as `rafttest/testdata` and `quorum/testdata` of etcd's Raft have them: *.txt, also in
folders of its own. Compared is all that a command prints but the prose of log lines.

A script is left out from where it needs what Elastickv switches off.

Exit codes: 0 all scripts came out the same or were left out, 1 one did not, 3 a file is no script

Examples:
  cargo sim raft-scripts raft/testdata
  cargo sim raft-scripts raft/testdata/campaign.txt")]
pub struct RaftScripts {
    /// A folder of scripts, or one script
    folder: PathBuf,
    /// One JSON object a script
    #[arg(long)]
    json: bool,
}

impl RaftScripts {
    pub fn act(self) -> anyhow::Result<u8> {
        let files =
            raft_scripts::files(&self.folder).with_context(|| self.folder.display().to_string())?;
        if files.is_empty() {
            bail!("{} holds no script: a script is a file *.txt", self.folder.display());
        }
        let mut out = Output::default();
        let (mut commands, mut same, mut differ) = (0, 0, 0);
        for file in &files {
            let path = file.display().to_string();
            let text = std::fs::read_to_string(file).with_context(|| path.clone())?;
            let played = raft_scripts::play(&text).with_context(|| path.clone())?;
            commands += played.commands;
            let (word, why) = match &played.ending {
                Ending::Same => ("same", None),
                Ending::NotApplicable(why) => ("left out", Some(why.to_string())),
                Ending::Differs(difference) => ("DIFFERENT", Some(difference.to_string())),
            };
            same += usize::from(played.ending == Ending::Same);
            differ += usize::from(matches!(played.ending, Ending::Differs(_)));
            if self.json {
                out.object(&json!({
                    "script": path,
                    "outcome": word.to_lowercase(),
                    "commands": played.commands,
                    "why": why,
                }))?;
            } else {
                let told = why.unwrap_or(format!("{} commands", played.commands));
                out.text(format_args!("{word:<9}  {path}   {told}\n"))?;
            }
        }
        let (all, left_out) = (files.len(), files.len() - same - differ);
        if !self.json {
            out.text(format_args!(
                "{same} of {all} scripts the same, {differ} different, {left_out} left out; {commands} commands\n"
            ))?;
        }
        Ok(u8::from(differ > 0))
    }
}
