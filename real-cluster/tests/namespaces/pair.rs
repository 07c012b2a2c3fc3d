//! Two hosts of a test's own, each a network namespace, joined by a wire. They go when the test ends, however it ends.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One of two hosts: n1 or n2.
pub struct Host {
    name: String,
    pub number: u16,
}

/// The two.
pub struct Pair {
    pub one: Host,
    pub two: Host,
}

impl Pair {
    /// `None`, and a line that says why, where such hosts cannot be had; with `NFT_REQUIRED=1` that fails the test.
    pub fn new() -> Option<Pair> {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        static AVAILABLE: LazyLock<Result<(), String>> = LazyLock::new(available);
        if let Err(why) = &*AVAILABLE {
            assert!(std::env::var_os("NFT_REQUIRED").is_none(), "NFT_REQUIRED is set, but {why}");
            println!("SKIP network namespaces: {why}");
            return None;
        }
        let pair = format!("rc{}-{}", std::process::id(), TAKEN.fetch_add(1, Ordering::Relaxed));
        let [one, two] = [1, 2].map(|number| Host::new(&format!("{pair}-{number}"), number));
        let (first, second) = (one.name.as_str(), two.name.as_str());
        run(&[
            "ip", "-n", first, "link", "add", "wire", "type", "veth", "peer", "name", "wire",
            "netns", second,
        ]);
        for host in [&one, &two] {
            host.bring_up();
        }
        let pair = Pair { one, two };
        pair.meet();
        Some(pair)
    }

    /// Until they hear each other: a wire takes a while to be up, and neighbours to be found.
    fn meet(&self) {
        for family in 0..2 {
            let [one, two] = [&self.one, &self.two].map(|host| {
                let at = SocketAddr::new(addresses(host.number)[family], 1);
                let socket = host.inside(|| UdpSocket::bind(at).unwrap());
                socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                socket
            });
            for (from, to) in [(&one, &two), (&two, &one)] {
                let at = to.local_addr().unwrap();
                wait("hosts hear each other", || {
                    from.send_to(b"hello", at).is_ok() && to.recv(&mut [0; 5]).is_ok()
                });
            }
        }
    }
}

/// A namespace can be had, and `nft` works in it.
fn available() -> Result<(), String> {
    let probe = format!("rc{}-probe", std::process::id());
    let tried = attempt(&["ip", "netns", "add", &probe])
        .and_then(|()| attempt(&["ip", "netns", "exec", &probe, "nft", "list", "tables"]));
    // Err: it was not made.
    let _ = attempt(&["ip", "netns", "delete", &probe]);
    tried
}

fn attempt(words: &[&str]) -> Result<(), String> {
    let done = Command::new(words[0]).args(&words[1..]).output();
    let done = done.map_err(|error| format!("`{}` cannot be run: {error}", words[0]))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&done.stderr))),
    }
}

/// The addresses of a node, of both families.
pub fn addresses(number: u16) -> [IpAddr; 2] {
    [
        Ipv4Addr::new(10, 77, 0, number as u8).into(),
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number).into(),
    ]
}

impl Host {
    fn new(name: &str, number: u16) -> Host {
        run(&["ip", "netns", "add", name]);
        Host { name: name.to_owned(), number }
    }

    fn bring_up(&self) {
        let [four, six] = addresses(self.number);
        run(&["ip", "-n", &self.name, "address", "add", &format!("{four}/24"), "dev", "wire"]);
        run(&[
            "ip",
            "-n",
            &self.name,
            "address",
            "add",
            &format!("{six}/64"),
            "dev",
            "wire",
            "nodad",
        ]);
        for link in ["lo", "wire"] {
            run(&["ip", "-n", &self.name, "link", "set", link, "up"]);
        }
    }

    /// What is opened or started in there belongs to this host.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A shell command and what it printed; it must succeed.
    pub fn shell(&self, command: &str) -> String {
        let done = self.inside(|| Command::new("sh").args(["-c", command]).output().unwrap());
        said(command, done)
    }

    /// `nft` with these words, told this.
    pub fn nft(&self, words: &[&str], text: &str) -> String {
        let done = self.inside(|| {
            let mut child = Command::new("nft");
            child.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = child.spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        said(text, done)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let gone = Command::new("ip").args(["netns", "delete", &self.name]).status();
        if !gone.is_ok_and(|status| status.success()) {
            eprintln!("the network namespace {} could not be deleted", self.name);
        }
    }
}

fn run(words: &[&str]) {
    attempt(words).unwrap_or_else(|why| panic!("{why}"));
}

fn said(what: &str, done: Output) -> String {
    let [out, err] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(done.status.success(), "{what}\n{}: {err}", done.status);
    out
}

/// Until the condition holds.
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        // Between two looks.
        thread::sleep(Duration::from_millis(5));
    }
}

/// All bytes of a stream, and how long it took to get them.
pub fn time_to_read(mut stream: impl Read) -> (usize, Duration) {
    let (began, mut buffer, mut total) = (Instant::now(), vec![0; 1 << 16], 0);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return (total, began.elapsed()),
            some => total += some,
        }
    }
}
