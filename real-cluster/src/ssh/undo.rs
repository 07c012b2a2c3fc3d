//! How to undo all that a run may do to a host: a shell script in the node's folder, written before anything is done. Each of its
//! commands is harmless where there is nothing to undo, so it may be run at any time and twice.
//!
//! Here the run's folder has each node's script too (`n1/undo`), and `params.json` the words that mean the hosts.

use crate::remote::{Command, Remote, RemoteError, done, files};
use crate::site::Site;
use std::io;

/// The script's name in the node's folder.
const NAME: &str = "undo";

/// Runs every node's script below `$1` and removes those that succeeded; prints their nodes.
const HEAL: &str = r#"
failed=0
for undo in "$1"/*/undo; do
    [ -e "$undo" ] || continue
    node=$(basename -- "$(dirname -- "$undo")")
    if sh -- "$undo" > /dev/null; then
        rm -f -- "$undo"
        echo "$node"
    else
        failed=1
    fi
done
exit "$failed"
"#;

/// The script of these commands.
pub fn script(lines: &[String]) -> String {
    let mut script = String::from("# Undoes all that may have been done to this node.\nfailed=0\n");
    for line in lines {
        script.push_str(&format!("( {line}\n) || failed=1\n"));
    }
    script.push_str("exit \"$failed\"\n");
    script
}

/// Writes a script down on the host.
pub async fn remember(at: &Site, script: &str) -> io::Result<()> {
    files::write(&*at.remote, script.as_bytes(), &at.path(NAME), 0o600).await
}

/// Undoes what was done to the nodes of a host: their names.
pub async fn heal(remote: &dyn Remote, base: &str) -> Result<Vec<String>, RemoteError> {
    let output = done(
        remote,
        &Command::script("heal", HEAL).arg(base).within(std::time::Duration::from_secs(60)),
    )
    .await?;
    Ok(output.text().lines().map(str::to_owned).collect())
}
