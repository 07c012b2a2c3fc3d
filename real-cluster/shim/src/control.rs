//! The control folder of one clock: the setting as a file, a lock for those who change it, another for the one that runs a program
//! under it, and the supervisor's socket.
//!
//! The file is the truth. Whoever changes it tells the supervisor by connecting; the supervisor reads the file and answers
//! with a line. So nothing can be half done: a supervisor that dies in between leaves a setting that the next one finds.

use crate::clock;
use crate::setting::{Change, Setting};
use crate::status::Status;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SETTING: &str = "setting.json";
const SOCKET: &str = "socket";
/// How long a supervisor may take to answer. One that is stopped does not.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The folder, open.
pub struct Folder {
    path: PathBuf,
    handle: File,
}

/// The file's contents: monotonic time means nothing without its boot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    boot: String,
    setting: Setting,
}

impl Folder {
    /// Opens it; one that is missing is made. One that others may enter is refused.
    pub fn open(path: &Path) -> Result<Folder> {
        let named = || format!("control folder {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(named)?;
        let handle = File::open(path).with_context(named)?;
        let mode = handle.metadata().with_context(named)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            bail!("control folder {} has mode {mode:o}: it must be 700", path.display());
        }
        Ok(Folder { path: path.to_owned(), handle })
    }

    /// Changes the setting; returns when it is in force.
    pub fn change(&self, change: Change) -> Result<Status> {
        let _held = self.hold()?;
        let changed = self.load()?.changed(change, clock::monotonic_ns()?)?;
        self.save(changed)?;
        self.status()
    }

    /// The clock as it is.
    pub fn status(&self) -> Result<Status> {
        let Some(line) = self.ask()? else {
            return Ok(Status::idle(&self.load()?, clock::monotonic_ns()?));
        };
        match line.strip_prefix("error: ") {
            Some(error) => bail!("the supervisor refuses the setting: {error}"),
            None => line.parse().map_err(anyhow::Error::msg),
        }
    }

    /// Keeps others from changing the setting until the value is dropped.
    pub fn hold(&self) -> Result<File> {
        let lock = self.lock_file("setting.lock")?;
        lock.lock().with_context(|| format!("cannot lock {}", self.path.display()))?;
        Ok(lock)
    }

    /// Keeps others from running a program under this clock until the value is dropped.
    pub fn reign(&self) -> Result<File> {
        let lock = self.lock_file("supervisor.lock")?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                bail!("a program runs already under the clock in {}", self.path.display())
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The setting as it is kept.
    pub fn load(&self) -> Result<Setting> {
        let path = self.path.join(SETTING);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Setting::default()),
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        let kept: Kept = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        match kept.boot == boot()? {
            true => Ok(kept.setting),
            false => Ok(kept.setting.rebooted(clock::monotonic_ns()?)),
        }
    }

    /// Keeps a setting: all of it or, if the machine fails meanwhile, the one before.
    pub fn save(&self, setting: Setting) -> Result<()> {
        let kept = serde_json::to_string(&Kept { boot: boot()?, setting })?;
        self.replace(&kept).with_context(|| format!("cannot keep it in {}", self.path.display()))
    }

    /// The supervisor's end of the socket; one that a dead supervisor left is replaced.
    pub fn listen(&self) -> Result<UnixListener> {
        let path = self.socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let listener = UnixListener::bind(&path).context("cannot listen in the control folder")?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Makes the supervisor read the file; what it says then. `None`: there is no supervisor.
    fn ask(&self) -> Result<Option<String>> {
        let mut stream = match UnixStream::connect(self.socket()) {
            Ok(stream) => stream,
            Err(error) if is_gone(error.kind()) => return Ok(None),
            Err(error) => return Err(error).context("cannot reach the supervisor"),
        };
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        let mut line = String::new();
        match stream.read_to_string(&mut line) {
            Ok(_) if line.is_empty() => Ok(None),
            Ok(_) => Ok(Some(line.trim_end().to_owned())),
            Err(error) if is_gone(error.kind()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => bail!(
                "the supervisor does not answer within {ANSWERS_WITHIN:?}, perhaps it is stopped: \
                 it takes the setting up when it runs on"
            ),
            Err(error) => Err(error).context("the supervisor's answer"),
        }
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let new = self.path.join("setting.new");
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(SETTING))?;
        self.handle.sync_all()
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        file.with_context(|| path.display().to_string())
    }

    /// Short, however long the folder's path is: a socket's has 107 bytes.
    fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.handle.as_raw_fd()))
    }
}

/// Whether nobody listens there any more.
fn is_gone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
    )
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).context(path)?.trim().to_owned())
}
