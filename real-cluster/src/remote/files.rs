//! Files to and from a host, over nothing but commands.
//!
//! Promises: a file is there whole, with the content that was sent, or not at all; what is there already is not sent again.

use super::{Command, Remote, done};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The slowest link for which a deadline is made, in bytes a second.
const SLOWEST: u64 = 1 << 20;
/// What a transfer may take besides.
const AT_LEAST: Duration = Duration::from_secs(20);

/// Takes standard input for the file `$1` with mode `$2` and SHA-256 `$3`.
const RECEIVE: &str = r#"
set -eu
umask 077
mkdir -p -- "$(dirname -- "$1")"
new="$1.new.$$"
trap 'rm -f -- "$new"' EXIT
cat > "$new"
if [ "$(sha256sum < "$new")" != "$3  -" ]; then echo "what arrived is not what was sent" >&2; exit 1; fi
chmod -- "$2" "$new"
mv -f -- "$new" "$1"
"#;

/// Puts a file of this machine there. How many bytes were sent: none if it was there.
pub async fn upload(remote: &dyn Remote, from: &Path, to: &str, mode: u32) -> io::Result<u64> {
    let cannot = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", from.display()))
    };
    let hash = hash_of(from).map_err(cannot)?;
    let size = fs::metadata(from).map_err(cannot)?.len();
    if there(remote, to, mode).await? == Some(hash.clone()) {
        return Ok(0);
    }
    let send = receive(to, mode, &hash).input_of(from).within(transfer(size));
    done(remote, &send).await?;
    Ok(size)
}

/// Puts these bytes there.
pub async fn write(remote: &dyn Remote, bytes: &[u8], to: &str, mode: u32) -> io::Result<()> {
    let hash = hex(&Sha256::digest(bytes));
    done(remote, &receive(to, mode, &hash).input(bytes)).await?;
    Ok(())
}

/// Fetches a file; what is there of it when it is asked for. `false` if there is none.
pub async fn download(remote: &dyn Remote, from: &str, to: &Path) -> io::Result<bool> {
    let size = Command::script("size", r#"[ -e "$1" ] || exit 0; stat -Lc %s -- "$1""#).arg(from);
    let size = done(remote, &size).await?.text();
    let Ok(size) = size.parse() else { return Ok(false) };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    // What is appended meanwhile is not waited for.
    let fetch = Command::new("head").args(["-c", &format!("{size}"), "--", from]);
    let fetched = done(remote, &fetch.into_file(&part).within(transfer(size))).await;
    // What came of it is kept under its name whatever happened: it is evidence.
    if Path::new(&part).exists() {
        fs::rename(&part, to)?;
    }
    fetched?;
    Ok(true)
}

/// The hash of the file there, if it has this mode.
async fn there(remote: &dyn Remote, path: &str, mode: u32) -> io::Result<Option<String>> {
    let script = r#"[ -f "$1" ] || exit 0; stat -c %a -- "$1"; sha256sum < "$1""#;
    let look = Command::script("look at", script).arg(path).within(AT_LEAST * 3);
    let text = done(remote, &look).await?.text();
    let mut lines = text.lines();
    let same_mode = lines.next() == Some(format!("{mode:o}").as_str());
    let hash = lines.next().and_then(|line| line.split(' ').next());
    Ok(hash.filter(|_| same_mode).map(str::to_owned))
}

fn receive(to: &str, mode: u32, hash: &str) -> Command {
    Command::script("receive", RECEIVE).args([to, &format!("{mode:o}"), hash])
}

fn transfer(size: u64) -> Duration {
    AT_LEAST + Duration::from_secs(size / SLOWEST)
}

/// SHA-256 in hexadecimal.
pub fn hash_of(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
