//! Node processes for tests: started on addresses and folders of their own, spoken to in RESP, ended by their process id.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
pub const LIMIT: Duration = Duration::from_secs(30);
pub const REDIS: u16 = 17_021;
const INTERNAL: u16 = 17_022;
pub const RAFT: u16 = 17_023;
pub const METRICS: u16 = 17_024;

/// A place of its own for the nodes of one test: loopback addresses and a folder, which goes when the test passes.
pub struct Place {
    net: [u8; 2],
    pub folder: PathBuf,
}

impl Place {
    pub fn new() -> Place {
        static TAKEN: AtomicU8 = AtomicU8::new(0);
        let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let [.., high, low] = process.to_be_bytes();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nodes-{process}-{nth}"));
        fs::create_dir_all(&folder).unwrap();
        Place { net: [128 + high % 64, low.wrapping_add(nth.wrapping_mul(37))], folder }
    }

    pub fn address(&self, id: u16) -> Ipv4Addr {
        Ipv4Addr::new(127, self.net[0], self.net[1], id as u8)
    }

    pub fn data(&self, id: u16) -> PathBuf {
        self.folder.join(format!("n{id}"))
    }

    /// A node and its peers, with more words for its command line.
    pub fn command(&self, id: u16, peers: &[u16], words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elastickv-node"));
        command.args(["--id", &id.to_string(), "--listen", &self.address(id).to_string()]);
        command.arg("--data").arg(self.data(id));
        for peer in peers {
            command.args(["--peer", &format!("{peer}={}", self.address(*peer))]);
        }
        for (flag, port) in [
            ("--redis-port", REDIS),
            ("--internal-port", INTERNAL),
            ("--raft-port", RAFT),
            ("--metrics-port", METRICS),
        ] {
            command.args([flag, &port.to_string()]);
        }
        command.arg("--die-with-parent").args(words).stdin(Stdio::null());
        command
    }

    /// A cluster in which every node serves.
    pub fn cluster(&self, nodes: u16, words: &[&str]) -> Vec<Node> {
        let all: Vec<Node> = (1..=nodes).map(|id| self.start(id, nodes, words)).collect();
        all.into_iter().map(Node::serving).collect()
    }

    /// Starts a node of a cluster of so many; it may not serve yet.
    pub fn start(&self, id: u16, nodes: u16, words: &[&str]) -> Node {
        let log = self.folder.join(format!("n{id}.log"));
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let peers: Vec<u16> = (1..=nodes).filter(|peer| *peer != id).collect();
        let child = self.command(id, &peers, words).stderr(stderr).spawn().unwrap();
        Node { child, address: self.address(id), log }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Err: it is left for people to look at.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running node. Dropping it kills it.
pub struct Node {
    pub child: Child,
    pub address: Ipv4Addr,
    log: PathBuf,
}

impl Node {
    /// Waits until a write goes through: there is a leader, and this node knows it.
    pub fn serving(self) -> Node {
        let deadline = Instant::now() + LIMIT;
        loop {
            let tried = self.redis().and_then(|mut redis| redis.ask("DEL no-key"));
            match tried {
                Ok(reply) if reply == ":0" => return self,
                other => assert!(Instant::now() < deadline, "{other:?}, log:\n{}", self.log()),
            }
            pause();
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn redis(&self) -> std::io::Result<Redis> {
        Redis::connect(self.address)
    }

    /// SIGKILL, and wait.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Err: it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Between two looks at a condition: the machine has other things to do.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// A connection that speaks inline commands and reads one reply each, flattened to one line: `[1 2]` is an array.
pub struct Redis(BufReader<TcpStream>);

impl Redis {
    pub fn connect(address: Ipv4Addr) -> std::io::Result<Redis> {
        let stream = TcpStream::connect((address, REDIS))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Redis(BufReader::new(stream)))
    }

    pub fn ask(&mut self, command: &str) -> std::io::Result<String> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    pub fn reply(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        match (line.as_bytes()[0], line[1..].parse::<usize>()) {
            (b'$', Ok(len)) => {
                let mut bytes = vec![0; len + 2];
                self.0.read_exact(&mut bytes)?;
                Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
            }
            (b'*', Ok(count)) => {
                let items: Result<Vec<String>, _> = (0..count).map(|_| self.reply()).collect();
                Ok(format!("[{}]", items?.join(" ")))
            }
            _ => Ok(line.to_owned()),
        }
    }
}
