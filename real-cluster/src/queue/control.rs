//! Orders to a running `link-queue`: one datagram asks, one answers, through sockets in a folder that nobody else may enter.

use super::NAME;
use super::hold::Slowness;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// More than any order or answer has.
const LINE_MAX: usize = 4096;
/// Before an answer that says why not.
const REFUSAL: &str = "refused: ";

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Set(Slowness),
    Show,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Request, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let slowness = |delay: &str, jitter: &str| {
            Some(Slowness { delay_ms: delay.parse().ok()?, jitter_ms: jitter.parse().ok()? })
        };
        let request = match words[..] {
            ["show"] => Some(Request::Show),
            ["set", delay, jitter] => slowness(delay, jitter).map(Request::Set),
            _ => None,
        };
        request.ok_or_else(|| format!("`{line}` is not `show` or `set DELAY_MS JITTER_MS`"))
    }
}

/// Makes packets late, and prints how things are then.
pub(super) fn set(folder: &Path, slowness: Slowness) -> Result<()> {
    let order = format!("set {} {}", slowness.delay_ms, slowness.jitter_ms);
    match ask(folder, &order)? {
        Some(state) => println!("{state}"),
        None => bail!("no {NAME} runs with --control {}", folder.display()),
    }
    Ok(())
}

/// Prints how things are.
pub(super) fn show(folder: &Path) -> Result<()> {
    println!("{}", ask(folder, "show")?.unwrap_or_else(|| "running=no".to_owned()));
    Ok(())
}

/// The answer; `None` if nobody runs there.
fn ask(folder: &Path, order: &str) -> Result<Option<String>> {
    if !answers(&door(folder)) {
        return Ok(None);
    }
    let window = folder.join(format!("asks-{}", std::process::id()));
    let socket = Bound::at(&window)
        .with_context(|| format!("cannot listen for an answer at {}", window.display()))?;
    let answer = exchange(&socket.socket, &door(folder), order)
        .with_context(|| format!("{NAME} does not answer at {}", door(folder).display()))?;
    match answer.strip_prefix(REFUSAL) {
        Some(why) => bail!("{why}"),
        None => Ok(Some(answer)),
    }
}

fn exchange(socket: &UnixDatagram, door: &Path, order: &str) -> io::Result<String> {
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    socket.send_to(order.as_bytes(), door)?;
    let mut answer = [0; LINE_MAX];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Where orders come in.
pub(super) struct Door(Bound);

impl Door {
    pub(super) fn open(folder: &Path) -> Result<Door> {
        keep_others_out(folder)?;
        let path = door(folder);
        ensure!(!answers(&path), "another {NAME} runs with --control {}", folder.display());
        remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        let bound =
            Bound::at(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
        bound.socket.set_nonblocking(true).context("cannot listen without waiting")?;
        Ok(Door(bound))
    }

    /// All orders that have come.
    pub(super) fn answer(&self, mut act: impl FnMut(Request) -> Result<String>) {
        let mut line = [0; LINE_MAX];
        while let Ok((length, asker)) = self.0.socket.recv_from(&mut line) {
            let order = String::from_utf8_lossy(&line[..length]);
            let done = order.parse().map_err(anyhow::Error::msg).and_then(&mut act);
            let answer = done.unwrap_or_else(|error| format!("{REFUSAL}{error:#}"));
            if let Some(asker) = asker.as_pathname() {
                // Err: nobody waits for it any more.
                let _ = self.0.socket.send_to(answer.as_bytes(), asker);
            }
        }
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

fn door(folder: &Path) -> PathBuf {
    folder.join("door")
}

fn answers(door: &Path) -> bool {
    UnixDatagram::unbound().is_ok_and(|socket| socket.connect(door).is_ok())
}

fn keep_others_out(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    let mode = fs::metadata(folder)
        .with_context(|| format!("cannot look at {}", folder.display()))?
        .permissions()
        .mode()
        & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "others may enter {}: its mode is {mode:o}, it must be 700",
        folder.display()
    );
    Ok(())
}

/// A socket whose path goes when it goes.
struct Bound {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Bound {
    fn at(path: &Path) -> io::Result<Bound> {
        let socket = UnixDatagram::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Bound { socket, path: path.to_owned() })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Err: it is gone already.
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_nonsense_is_refused() {
        let slowness = Slowness { delay_ms: 50, jitter_ms: 20 };
        assert_eq!("set 50 20".parse(), Ok(Request::Set(slowness)));
        assert_eq!("show".parse(), Ok(Request::Show));
        for line in ["", "set", "set 50", "set 50 -1", "set 50 20 1", "Show", "set 4294967296 0"] {
            assert!(line.parse::<Request>().unwrap_err().contains("is not `show`"), "{line}");
        }
    }
}
