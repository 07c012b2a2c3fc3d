//! A host over SSH, by the system's own `ssh`: its configuration, agents, jump hosts, certificates and known hosts just work. One
//! connection a host, shared by all commands (a ControlMaster of ours, not the user's).
//!
//! Promises: host keys are checked, always; nothing ever asks a person; a password for sudo goes over standard input alone. A
//! connection that is lost is made again by the next command; the command that it was lost under is not run again. What is left
//! of a tool that was killed (the connection's own process) ends by itself within a minute.

use super::trailer::{parted, with_trailer};
use super::{Command, Input, Output, Remote, RemoteError, Sink, status_of};
use futures_util::future::LocalBoxFuture;
use openssh::{ControlPersist, Error, KnownHosts, Session, SessionBuilder, Stdio};
use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout, timeout_at};

/// How long making a connection may take.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
/// Between two messages that keep it alive; without an answer to three of them it is lost.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Commands at once on a connection: sshd's own limit is 10.
const AT_ONCE: usize = 8;
/// How long a connection's process outlives its last command.
const IDLE_SECONDS: NonZeroUsize = NonZeroUsize::new(60).expect("it is not zero");

/// How to get to a host and to be root there.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `user@host`, `host`, or a name of the configuration's.
    pub destination: String,
    /// If not 22 or the configuration's.
    pub port: Option<u16>,
    /// A private key; otherwise what the agent, the configuration or the defaults have.
    pub key: Option<PathBuf>,
    /// In place of `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// In place of `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// Hosts on the way, in order.
    pub jumps: Vec<String>,
    /// Where sudo asks for one.
    pub sudo_password: Option<Secret>,
}

/// A word that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A password, without the line end that files have.
    pub fn new(text: &str) -> Secret {
        Secret(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to be root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Become {
    /// The user is root.
    Root,
    /// `sudo -n`.
    Sudo,
    /// `sudo -S`, with the password as the first line of standard input.
    SudoWithPassword,
}

/// A host.
pub struct OpenSsh {
    name: String,
    access: Access,
    connection: Mutex<Option<Rc<Connection>>>,
    at_once: Semaphore,
    /// Once it was found out.
    root: RefCell<Option<Become>>,
}

struct Connection {
    session: Session,
}

impl OpenSsh {
    /// Not connected yet. `node` is for messages.
    pub fn new(node: &str, access: Access) -> OpenSsh {
        let port = access.port.map(|port| format!(":{port}")).unwrap_or_default();
        OpenSsh {
            name: format!("{node} ({}{port})", access.destination),
            access,
            connection: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
            root: RefCell::default(),
        }
    }

    /// Ends the connection, if there is one.
    pub async fn close(&self) {
        *self.connection.lock().await = None;
    }

    async fn execute(&self, command: &Command) -> Result<Output, RemoteError> {
        let deadline = Instant::now() + command.deadline;
        let permit = timeout_at(deadline.into(), self.at_once.acquire()).await;
        let _permit = permit.map_err(|_| {
            self.unreachable(format_args!(
                "{AT_ONCE} other commands did not end within {:?}",
                command.deadline
            ))
        })?;
        let connection = self.connected(deadline).await?;
        let root = self.root(&connection, deadline).await?;
        self.over(&connection, root, command, deadline).await
    }

    /// Over this connection; if it is lost meanwhile, it is forgotten.
    async fn over(
        &self,
        connection: &Rc<Connection>,
        root: Become,
        command: &Command,
        deadline: Instant,
    ) -> Result<Output, RemoteError> {
        let line = as_root(root, &with_trailer(&command.line()));
        let password = match (root, &self.access.sudo_password) {
            (Become::SudoWithPassword, Some(secret)) => format!("{}\n", secret.0),
            _ => String::new(),
        };
        let why = match timeout_at(
            deadline.into(),
            exchange(&connection.session, &line, password, command),
        )
        .await
        {
            Ok(Ok(Some(output))) => return Ok(output),
            Ok(Ok(None)) => {
                "its end was not seen: it or its shell was killed, or the link was lost".to_owned()
            }
            Ok(Err(Trouble::Local(error))) => return Err(self.unreachable(error)),
            Ok(Err(Trouble::Link(error))) => format!("the link was lost: {}", told(&error)),
            Err(_) => format!("it did not end within {:?}", command.deadline),
        };
        let alive = timeout(Duration::from_secs(1), connection.session.check()).await;
        if !matches!(alive, Ok(Ok(()))) {
            self.forget(connection).await;
        }
        Err(RemoteError::unknown(&self.name, command, why))
    }

    async fn forget(&self, lost: &Rc<Connection>) {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_some_and(|now| Rc::ptr_eq(now, lost)) {
            *connection = None;
        }
    }

    /// The connection; made if there is none, and tried again until the deadline where that may help.
    async fn connected(&self, deadline: Instant) -> Result<Rc<Connection>, RemoteError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(Rc::clone(connection));
        }
        loop {
            match self.connect().await {
                Ok(session) => {
                    let made = Rc::new(Connection { session });
                    *connection = Some(Rc::clone(&made));
                    return Ok(made);
                }
                Err(refusal) if refusal.may_pass && Instant::now() + AGAIN_AFTER < deadline => {
                    sleep(AGAIN_AFTER).await;
                }
                Err(refusal) => return Err(self.unreachable(refusal.why)),
            }
        }
    }

    async fn connect(&self) -> Result<Session, Refusal> {
        let Access { destination, port, key, config, known_hosts, jumps, .. } = &self.access;
        let folder = control_folder().map_err(|error| Refusal {
            why: format!("cannot make a folder for connections: {error}"),
            may_pass: false,
        })?;
        let mut builder = SessionBuilder::default();
        builder.known_hosts_check(KnownHosts::Strict).connect_timeout(CONNECTS_WITHIN);
        builder.server_alive_interval(ALIVE_EVERY).control_directory(folder);
        builder.control_persist(ControlPersist::IdleFor(IDLE_SECONDS));
        if let Some(port) = port {
            builder.port(*port);
        }
        if let Some(key) = key {
            builder.keyfile(key);
        }
        if let Some(config) = config {
            builder.config_file(config);
        }
        if let Some(known_hosts) = known_hosts {
            // ssh takes several, with spaces between, unless they are in quotes.
            builder.user_known_hosts_file(format!("\"{}\"", known_hosts.display()));
        }
        if !jumps.is_empty() {
            builder.jump_hosts(jumps);
        }
        // ssh keeps the time limit itself, but not while it looks names up.
        match timeout(CONNECTS_WITHIN * 2, builder.connect_mux(destination)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(Refusal::of(&told(&error), &self.access)),
            Err(_) => Err(Refusal {
                why: format!("no connection within {:?}", CONNECTS_WITHIN * 2),
                may_pass: true,
            }),
        }
    }

    /// How to be root there; found out once.
    async fn root(
        &self,
        connection: &Rc<Connection>,
        deadline: Instant,
    ) -> Result<Become, RemoteError> {
        if let Some(root) = *self.root.borrow() {
            return Ok(root);
        }
        let succeeds = async |root, command: &Command| {
            let output = self.over(connection, root, command, deadline).await;
            match output {
                Ok(output) => Ok((output.status == 0).then(|| output.text())),
                // sudo that refuses runs nothing, so that nothing writes a trailer.
                Err(RemoteError::Unknown { .. }) if root != Become::Root => Ok(None),
                Err(error) => Err(error),
            }
        };
        let who = Command::new("id").arg("-u");
        let mut found = None;
        if succeeds(Become::Root, &who).await?.as_deref() == Some("0") {
            found = Some(Become::Root);
        }
        let mut ways = vec![Become::Sudo];
        if self.access.sudo_password.is_some() {
            ways.push(Become::SudoWithPassword);
        }
        for way in ways {
            if found.is_none() && succeeds(way, &who).await?.as_deref() == Some("0") {
                found = Some(way);
            }
        }
        *self.root.borrow_mut() = found;
        let why = match self.access.sudo_password {
            None => {
                "the user is not root and `sudo -n` is refused: log in as root, allow sudo without a password (NOPASSWD), or give \
                 the password by --sudo-password-file"
            }
            Some(_) => "the user is not root and sudo refuses it, with the given password too",
        };
        found.ok_or_else(|| RemoteError::NotRoot { host: self.name.clone(), why: why.to_owned() })
    }

    fn unreachable(&self, why: impl fmt::Display) -> RemoteError {
        RemoteError::Unreachable { host: self.name.clone(), why: why.to_string() }
    }
}

impl Remote for OpenSsh {
    fn name(&self) -> &str {
        &self.name
    }

    fn run<'a>(&'a self, command: &'a Command) -> LocalBoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(self.execute(command))
    }
}

/// What went wrong between a command and its end.
enum Trouble {
    /// Here, before it was sent.
    Local(io::Error),
    /// On the way.
    Link(Error),
}

/// Runs a line; `None` if its trailer did not come.
async fn exchange(
    session: &Session,
    line: &str,
    password: String,
    command: &Command,
) -> Result<Option<Output>, Trouble> {
    let mut input = password.into_bytes();
    let mut rest = None;
    match &command.input {
        Input::None => {}
        Input::Bytes(bytes) => input.extend_from_slice(bytes),
        Input::File(path) => {
            rest = Some(tokio::fs::File::open(path).await.map_err(Trouble::Local)?)
        }
    }
    let mut to = match &command.output {
        Sink::Memory => None,
        Sink::File(path) => {
            Some(tokio::fs::File::from_std(File::create(path).map_err(Trouble::Local)?))
        }
    };
    let mut remote = session.raw_command(line);
    remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = remote.spawn().await.map_err(Trouble::Link)?;
    let (pipe, out, err) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let feed = async {
        if let Some(mut pipe) = pipe {
            // Err: it ended, or closed its input, without reading all of it; its status says whether that was well.
            let _ = pipe.write_all(&input).await;
            if let Some(file) = &mut rest {
                let _ = tokio::io::copy(file, &mut pipe).await;
            }
        }
    };
    let take = async {
        let mut bytes = Vec::new();
        match (out, &mut to) {
            (Some(mut out), Some(file)) => {
                tokio::io::copy(&mut out, file).await?;
                file.flush().await?;
            }
            (Some(mut out), None) => drop(out.read_to_end(&mut bytes).await?),
            (None, _) => {}
        }
        Ok::<_, io::Error>(bytes)
    };
    let listen = async {
        let mut bytes = Vec::new();
        if let Some(mut err) = err {
            // Err: then the trailer is not there.
            let _ = err.read_to_end(&mut bytes).await;
        }
        bytes
    };
    let ((), stdout, stderr) = tokio::join!(feed, take, listen);
    let ended = child.wait().await;
    let Some((status, stderr)) = parted(&stderr) else {
        return match ended {
            Err(error) => Err(Trouble::Link(error)),
            Ok(_) => Ok(None),
        };
    };
    // The shell that writes the trailer ends well; if it did not, the trailer is not the command's.
    match (ended.ok().and_then(status_of), stdout) {
        (Some(0), Ok(stdout)) => Ok(Some(Output { status, stdout, stderr })),
        _ => Ok(None),
    }
}

fn as_root(root: Become, line: &str) -> String {
    match root {
        Become::Root => line.to_owned(),
        Become::Sudo => format!("sudo -n {line}"),
        // -k: a password that was given a moment ago counts for nothing, so that the first line is always read.
        Become::SudoWithPassword => format!("sudo -k -S -p '' {line}"),
    }
}

/// Why there is no connection.
struct Refusal {
    why: String,
    /// Whether trying again may help.
    may_pass: bool,
}

impl Refusal {
    /// From what ssh says.
    fn of(said: &str, access: &Access) -> Refusal {
        let has = |words: &str| said.contains(words);
        let never = |why: String| Refusal { why, may_pass: false };
        if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            never("its host key is another than known_hosts has: if the machine was made anew, replace its line there \
                   (ssh-keygen -R)".to_owned())
        } else if has("Host key verification failed") || has("host key is known for") {
            never("its host key is not in known_hosts: look at it and add it (ssh-keyscan), or name the file by --known-hosts"
                .to_owned())
        } else if has("Permission denied") {
            let key = access.key.as_ref().map_or_else(
                || "the keys of the agent and of the configuration".to_owned(),
                |key| format!("the key {}", key.display()),
            );
            never(format!(
                "it refuses {key}: name the right one by --ssh-key, or add it to the host's authorized_keys"
            ))
        } else if has("Could not resolve hostname") {
            never("its name cannot be resolved: write an address in the nodes file, or add the name to DNS or /etc/hosts".to_owned())
        } else if has("Bad owner or permissions")
            || has("UNPROTECTED PRIVATE KEY")
            || has("no such identity")
        {
            never(first_line(said))
        } else {
            Refusal { why: format!("cannot connect: {}", first_line(said)), may_pass: true }
        }
    }
}

fn first_line(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("ssh said nothing").to_owned()
}

/// An error with what is behind it.
fn told(error: &Error) -> String {
    let behind = std::error::Error::source(error).map(ToString::to_string);
    behind.unwrap_or_else(|| error.to_string())
}

/// A folder with a short path (a socket's may have 108 bytes), for this user alone.
fn control_folder() -> io::Result<PathBuf> {
    let user = nix::unistd::getuid();
    let folder = Path::new("/tmp").join(format!("real-cluster-{user}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder)?;
    let ours = found.is_dir() && found.uid() == user.as_raw() && found.mode() & 0o077 == 0;
    match ours {
        true => Ok(folder),
        false => Err(io::Error::other(format!("{} is not ours alone", folder.display()))),
    }
}
