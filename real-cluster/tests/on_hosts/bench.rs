//! A testbed of a test's own, and the tool on it.

use harness::cluster::NodeId;
use real_cluster::nodes;
use real_cluster::remote::openssh::{Access, OpenSsh};
use real_cluster::site::{BASE, Site, Sites};
use real_cluster::testbed::{Testbed, missing};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Long enough for what should happen, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Hosts, and where runs are kept. Taken down when it is dropped.
pub struct Bench {
    pub testbed: Testbed,
    pub store: PathBuf,
}

impl Bench {
    /// `None`, and a line that says so, where there can be no testbed.
    pub fn new(test: &str, hosts: u8) -> Option<Bench> {
        if let Err(why) = missing() {
            assert!(std::env::var_os("TESTBED_REQUIRED").is_none(), "a testbed is required: {why}");
            println!("SKIP {test}: {why}");
            return None;
        }
        let name = format!("t{}-{test}", std::process::id());
        let testbed = Testbed::up(&name, hosts).expect("the testbed is made");
        let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("on hosts").join(test);
        let _ = fs::remove_dir_all(&store);
        Some(Bench { testbed, store })
    }

    /// The tool with these words; the store is this test's.
    pub fn tool(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_real-cluster"));
        command.args(words.split_whitespace()).stdin(Stdio::null());
        if words.starts_with("run ") {
            command.arg("--out").arg(&self.store);
        }
        command
    }

    /// The same on this testbed.
    pub fn here(&self, words: &str) -> Command {
        let mut command = self.tool(words);
        command.arg("--testbed").arg(self.testbed.name());
        command
    }

    /// What a run on this testbed told as JSON, with its exit code.
    pub fn run(&self, words: &str) -> (i32, Value) {
        let output = self.here(&format!("run {words} --json")).output().expect("the tool starts");
        let told = serde_json::from_slice(&output.stdout);
        let told = told.unwrap_or_else(|_| panic!("`{words}` told nothing: {}", said(&output)));
        (output.status.code().unwrap_or(-1), told)
    }

    /// Its hosts, as the library has them.
    pub fn sites(&self) -> Sites {
        let text = fs::read_to_string(self.testbed.nodes_file()).expect("it is there");
        let lines = nodes::parse(&text).expect("it is right");
        let site = |(at, line): (usize, &nodes::NodeLine)| {
            let node = NodeId(at as u16 + 1);
            let config = Some(self.testbed.ssh_config());
            let access = Access {
                destination: line.destination(),
                port: line.port,
                config,
                ..Access::default()
            };
            Site {
                node,
                remote: Rc::new(OpenSsh::new(&node.to_string(), access)),
                host: line.host.clone(),
                address: line.host.parse().expect("an address"),
                ports: line.ports.clone(),
                base: BASE.to_owned(),
            }
        };
        Sites::new(lines.iter().enumerate().map(site).collect())
    }

    /// Runs a script on a host; it succeeds.
    pub fn on(&self, host: &str, script: &str) {
        let output = self.testbed.run_in(host, "sh", &["-c", script]).expect("the host runs it");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Begins a command of [`Bench::here`]; what it tells goes into the file.
    pub fn begin(&self, words: &str) -> (Child, PathBuf) {
        self.begin_command(self.here(words))
    }

    /// The same with words that have spaces.
    pub fn begin_command(&self, mut command: Command) -> (Child, PathBuf) {
        fs::create_dir_all(&self.store).expect("a folder");
        let told = self.store.join("told");
        let file = File::create(&told).expect("a file");
        (command.stderr(file).spawn().expect("the tool starts"), told)
    }

    /// Whether a host has anything of a run: processes of ours, tables, capture.
    pub fn leftovers(&self, host: &str) -> String {
        let look = "ps -eo args | grep -E '^(/opt/real-cluster|sh -c.*leader)' | grep -v grep; nft list tables | grep real_cluster; \
                    ls /opt/real-cluster/*/undo 2> /dev/null; true";
        let output = self.testbed.run_in(host, "sh", &["-c", look]).expect("the host runs it");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Nothing of a run is left on any host.
    pub fn is_clean(&self) {
        for host in self.testbed.hosts() {
            assert_eq!(self.leftovers(&host.name), "", "on {}", host.name);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = Testbed::down(self.testbed.name()) {
            eprintln!("the testbed is left: {error:#}");
        }
    }
}

/// What a command wrote to standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The only error of a command that failed as an environment does.
pub fn refused(output: &Output) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let mut errors = said.lines().filter(|line| line.starts_with("error: "));
    let error = errors.next().unwrap_or_else(|| panic!("no error is told: {said}")).to_owned();
    assert_eq!(errors.next(), None, "one clear message: {said}");
    error
}

/// Waits until a file holds a word.
pub fn until_it_says(child: &mut Child, file: &Path, word: &str) {
    let limit = Instant::now() + PATIENCE;
    while !fs::read_to_string(file).unwrap_or_default().contains(word) {
        assert!(Instant::now() < limit, "`{word}` was not said within {PATIENCE:?}");
        assert!(
            child.try_wait().expect("known").is_none(),
            "{}",
            fs::read_to_string(file).unwrap_or_default()
        );
        // Between two looks.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a host's port answers as Redis does.
pub fn until_it_listens(bench: &Bench, host: &str, port: &str) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let asked = bench.testbed.run_in(host, "redis-cli", &["-p", port, "PING"]);
        if asked.is_ok_and(|output| output.stdout.starts_with(b"PONG")) {
            return;
        }
        assert!(Instant::now() < limit, "port {port} of {host} did not answer within {PATIENCE:?}");
        // Between two looks.
        std::thread::sleep(Duration::from_millis(50));
    }
}
