//! etcd's own interaction scripts, and the tables of its quorums, come out the same on our Raft.
//!
//! The scripts stand outside the repository: `GOLDEN_DIR`, or `../shared/golden` beside it. Without them the test
//! says SKIP and passes, unless `GOLDEN_REQUIRED=1`.
#![cfg(madsim)]

use sim::raft_scripts::{self, Ending};
use std::path::{Path, PathBuf};

/// Scripts that need what Elastickv switches off, and what that is.
const LEFT_OUT: &[(&str, &str)] = &[("confchange_v2_replace_leader_stepdown.txt", "forwards")];

fn golden() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let golden = std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string());
    let scripts = Path::new(&golden).join("etcd-raft");
    if scripts.is_dir() {
        return Some(scripts);
    }
    let required = std::env::var("GOLDEN_REQUIRED").is_ok_and(|required| required == "1");
    assert!(!required, "GOLDEN_REQUIRED=1, but {} is no directory", scripts.display());
    println!("SKIP etcd's scripts: {} is no directory (GOLDEN_DIR)", scripts.display());
    None
}

#[test]
fn etcds_scripts_come_out_the_same() {
    let Some(folder) = golden() else { return };
    let files = raft_scripts::files(&folder).expect("the folder can be read");
    let (mut same, mut commands, mut different) = (0, 0, Vec::new());
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("a script is text");
        let played = raft_scripts::play(&text).unwrap_or_else(|stuck| panic!("{name}: {stuck}"));
        commands += played.commands;
        let left_out = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name);
        match (played.ending, left_out) {
            (Ending::Same, None) => same += 1,
            (Ending::NotApplicable(why), Some((_, what))) if why.what.contains(what) => {
                println!("SKIP {name} from {why}");
            }
            (Ending::Differs(difference), _) => different.push(format!("{name}, {difference}")),
            (ending, _) => different.push(format!("{name}: {ending:?}")),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    println!("{same} of {} scripts the same, {commands} commands", files.len());
    // Fewer would be a folder that lost its scripts.
    assert!(
        same >= 23 && commands >= 490,
        "only {same} scripts with {commands} commands were played"
    );
}
