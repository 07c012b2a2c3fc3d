//! A cluster of processes on this machine: no root, no SSH, loopback addresses only. Its twin is `sim/src/cluster.rs`.
//!
//! Each node is a process with an address, a folder and a log of its own; between the nodes, and between clients and
//! nodes, stand our proxies ([`crate::local::net`]). The seed fixes what is asked and broken, not what happens.
//!
//! In the folder, for each node: `n1/log.txt` (stderr of every boot), `n1/data/`, `n1/metrics.om` at the end.
//!
//! Promises: no process outlives the value, however it ends, also when the tool is killed (nodes are told to die with
//! it); two clusters run side by side.
//! Cannot show: lost page caches, clocks that differ, machines that do not share their processors.

use crate::clock::MachineClock;
use crate::db::Metrics;
use crate::local::faults::supports;
use crate::local::net::{Block, Links, Party, Port};
use crate::local::seat::{Recipe, Seat, Seen, Unasked};
use crate::scrape::{self, Source};
use futures_util::future::{LocalBoxFuture, join_all};
use harness::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, NodeId};
use harness::fault::{Fault, FaultKind};
use harness::recording::Entry;
use harness::seed::Seed;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::compat::TokioAsyncReadCompatExt;

/// How long a node may take to end well.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// What a local cluster is made of.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// Nodes n1 to this one.
    pub nodes: u16,
    /// `elastickv-node`, or a program that is it under that name.
    pub program: PathBuf,
    /// Words for every node, besides who and where it is.
    pub node_args: Vec<String>,
    /// Raft groups of every node.
    pub groups: u16,
    /// Where nodes keep what they keep.
    pub folder: PathBuf,
}

/// Processes on loopback addresses.
pub struct LocalCluster {
    config: LocalConfig,
    nodes: Vec<NodeId>,
    seats: Vec<Seat>,
    clock: MachineClock,
    /// Until the links take it over.
    block: RefCell<Option<Block>>,
    links: OnceCell<Arc<Links>>,
    seen: Seen,
    sources: Arc<Vec<Source>>,
    scraping: RefCell<Option<JoinHandle<()>>>,
    params: RefCell<BTreeMap<String, String>>,
}

impl LocalCluster {
    /// What it is made of.
    pub(crate) fn config(&self) -> &LocalConfig {
        &self.config
    }

    /// Claims addresses and ports and makes the nodes' folders; [`Cluster::set_up`] starts the nodes.
    pub fn start(config: LocalConfig) -> io::Result<LocalCluster> {
        // Whoever looks at a process' command line sees whose it is.
        let folder = std::path::absolute(&config.folder)?;
        let config = LocalConfig { folder, ..config };
        allow_all_descriptors();
        let block = Block::claim(config.nodes)?;
        let nodes: Vec<NodeId> = block.nodes().collect();
        let mut sources = Vec::new();
        let mut seats = Vec::new();
        for node in &nodes {
            let folder = config.folder.join(node.to_string());
            fs::create_dir_all(&folder).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()))
            })?;
            let recipe = Recipe {
                program: config.program.clone(),
                args: words(&config, &block, *node, &folder),
                data: folder.join("data"),
                log: folder.join("log.txt"),
            };
            let seat = Seat::new(*node, recipe);
            sources.push(Source {
                node: node.to_string(),
                address: block.target(*node, Port::Metrics),
                metrics: Metrics::Http(block.port(Port::Metrics)),
                folder,
                boots: seat.boots(),
            });
            seats.push(seat);
        }
        let params = told(&config, &block);
        Ok(LocalCluster {
            config,
            nodes,
            seats,
            clock: MachineClock::new(),
            block: RefCell::new(Some(block)),
            links: OnceCell::new(),
            seen: Seen::default(),
            sources: Arc::new(sources),
            scraping: RefCell::default(),
            params: RefCell::new(params),
        })
    }

    /// Kills every process at once and does not wait: what a second Ctrl-C means.
    pub fn interrupt(&self) {
        self.seats.iter().for_each(Seat::interrupt);
    }

    /// What nodes did by now that they must not, and what was done to them, in order: what the tear-down would tell.
    pub fn seen_so_far(&self) -> Entry {
        let Unasked { findings, doubts } =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Entry::Found { findings, doubts }
    }

    /// The process of a node, as long as there is one.
    pub fn process_id(&self, node: NodeId) -> Option<u32> {
        self.seat(node).ok()?.process()?.id()
    }

    pub(crate) fn links(&self) -> io::Result<&Arc<Links>> {
        self.links.get().ok_or_else(|| io::Error::other("the cluster has not been set up"))
    }

    pub(crate) fn seat(&self, node: NodeId) -> Result<&Seat, FaultError> {
        let seat = self.seats.iter().find(|seat| seat.node() == node);
        seat.ok_or_else(|| FaultError(self.unknown(node)))
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(crate) fn began(&self) -> Instant {
        self.clock.began()
    }

    pub(crate) fn unknown(&self, node: NodeId) -> String {
        format!("node {node} is not in this cluster (n1..n{})", self.nodes.len())
    }

    async fn begin(&self, seed: Seed) -> io::Result<()> {
        self.clock.begin();
        let version = version(&self.config.program).await?;
        self.params.borrow_mut().insert("node version".to_owned(), version);
        let block = self.block.borrow_mut().take();
        let block = block.ok_or_else(|| io::Error::other("the cluster was set up before"))?;
        let links = Arc::new(Links::start(block, seed)?);
        let links = self.links.get_or_init(|| links);
        for seat in &self.seats {
            seat.start(links, &self.seen, self.began()).await?;
        }
        let scraping = tokio::spawn(scrape::keep_scraping(Arc::clone(&self.sources)));
        *self.scraping.borrow_mut() = Some(scraping);
        Ok(())
    }

    async fn end(&self) -> Artifacts {
        // Stopped ones can say what they counted, and end well, only when they run.
        self.seats.iter().for_each(Seat::resume);
        self.stop_scraping();
        scrape::scrape_once(&self.sources).await;
        let ended = join_all(self.seats.iter().map(|seat| seat.end(ENDS_WITHIN))).await;
        let mut params = self.params.borrow().clone();
        for (node, _) in self.nodes.iter().zip(ended).filter(|(_, well)| !well) {
            let text = format!("did not end within {ENDS_WITHIN:?} of SIGTERM and was killed");
            params.insert(format!("{node} at the end"), text);
        }
        let mut artifacts = Artifacts { params, ..Artifacts::default() };
        if let Some(links) = self.links.get() {
            links.stop();
            artifacts.effects = links.effects().all();
        }
        scrape::conclude_all(&self.sources, &mut artifacts);
        let Unasked { findings, doubts } =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (artifacts.findings, artifacts.doubts) = (findings, doubts);
        artifacts
    }

    fn stop_scraping(&self) {
        if let Some(scraping) = self.scraping.borrow_mut().take() {
            scraping.abort();
        }
    }
}

impl Cluster for LocalCluster {
    fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn supports(&self, kind: FaultKind) -> bool {
        supports(kind).is_ok() && (kind != FaultKind::Split || self.config.groups > 1)
    }

    fn set_up(&self, seed: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(self.begin(seed))
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let links = self.links()?;
            if !self.nodes.contains(&node) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, self.unknown(node)));
            }
            let proxy = links.block().proxy(Party::Clients, node, Port::Redis);
            let stream = TcpStream::connect(proxy).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream.compat()) as Connection)
        })
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        Box::pin(self.enact(fault))
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            let addresses: Vec<_> = self.sources.iter().map(|source| source.address).collect();
            let leads = scrape::lead(&addresses).await;
            self.nodes
                .iter()
                .zip(leads)
                .filter(|(_, leads)| *leads)
                .map(|(node, _)| *node)
                .collect()
        })
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        Box::pin(self.end())
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.stop_scraping();
        // All die at the same time; each seat then waits for its own.
        self.interrupt();
    }
}

/// Every link listens, and each connection through one takes two sockets and its client's: more than the 1024 descriptors
/// that many systems begin with and let a process raise.
fn allow_all_descriptors() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Err: it stays as it is, and what cannot be opened is told where that happens.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// What a node is started with.
fn words(config: &LocalConfig, block: &Block, node: NodeId, folder: &Path) -> Vec<String> {
    let mut words = vec![
        format!("--id={}", node.0),
        format!("--data={}", folder.join("data").display()),
        format!("--listen={}", block.own(node)),
        format!("--die-with-parent={}", std::process::id()),
    ];
    words.extend(Port::ALL.map(|port| format!("--{}-port={}", port.name(), block.port(port))));
    words.extend(
        block
            .nodes()
            .filter(|peer| *peer != node)
            .map(|peer| format!("--peer={}={}", peer.0, block.as_seen_by(Party::Node(node), peer))),
    );
    if config.groups > 1 {
        words.push(format!("--groups={}", config.groups));
    }
    words.extend(config.node_args.iter().cloned());
    words
}

/// What a run tells people about where it ran.
fn told(config: &LocalConfig, block: &Block) -> BTreeMap<String, String> {
    let ports = Port::ALL.map(|port| format!("{} {}", port.name(), block.port(port))).join(", ");
    // A name that is looked up in PATH is no file's.
    let program = fs::canonicalize(&config.program).unwrap_or_else(|_| config.program.clone());
    let mut params = BTreeMap::from([
        ("ports".to_owned(), ports),
        ("program".to_owned(), program.display().to_string()),
        ("tool version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("world".to_owned(), format!("{} local processes", config.nodes)),
    ]);
    if !config.node_args.is_empty() {
        params.insert("node arguments".to_owned(), config.node_args.join(" "));
    }
    if let Ok(release) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        params.insert("kernel".to_owned(), release.trim().to_owned());
    }
    for node in block.nodes() {
        let clients = block.proxy(Party::Clients, node, Port::Redis);
        params.insert(node.to_string(), format!("{}, to clients {clients}", block.own(node)));
    }
    params
}

/// What the program says of itself; also the earliest time to find that it is not there.
async fn version(program: &Path) -> io::Result<String> {
    let mut command = std::process::Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, crate::node::NAME);
    command.arg("--version").stdin(std::process::Stdio::null());
    let output = Command::from(command).kill_on_drop(true).output().await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
    })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() && !text.is_empty() {
        true => Ok(text),
        false => Err(io::Error::other(format!(
            "{} does not tell its version: is it elastickv-node?",
            program.display()
        ))),
    }
}
