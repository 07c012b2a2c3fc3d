//! A cluster of hosts over SSH. Its twin in simulation is `sim/src/cluster.rs`.
//!
//! [`SshCluster::connect_all`] finds out what the hosts can do and changes nothing but a folder of its own there;
//! [`Cluster::set_up`] writes down how to undo everything, then begins.
//!
//! In the run's folder, for each node: its logs (`n1/log.txt`) and `n1/metrics.om`, also when the run failed.
//!
//! Cannot see: what happens on a host between two commands; an end that nobody asked for is told when the run ends.

use super::clock::{self, Clocks};
use super::evidence;
use super::hosts::{self, Facts};
use super::net::{self, Net};
use super::{reboot, undo};
use crate::clock::MachineClock;
use crate::db::cycle::tear_down;
use crate::db::{CYCLE_TRIES, Db, End, architecture, cycle, ready};
use crate::effects::Effects;
use crate::remote::{Command, RemoteError, done, files};
use crate::scrape::{self, Source};
use crate::site::{SHIM, Site, Sites, checked_path, port_conflict};
use crate::{node, queue};
use futures_util::future::{LocalBoxFuture, join_all};
use harness::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, Finding, NodeId};
use harness::fault::{Fault, FaultKind};
use harness::recording::Entry;
use harness::seed::Seed;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What the program is called on hosts; its other names are links to it.
const AGENT: &str = "real-cluster";
/// The exit status of a panic.
const PANICKED: i32 = 101;
/// The exit status of what was killed.
const KILLED: i32 = 137;
/// How long ending at once may take.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What a cluster of hosts is made of.
pub struct SshConfig {
    /// Where nodes are.
    pub sites: Sites,
    /// The program that is brought to hosts: this one, or a build of it for their architecture.
    pub agent: PathBuf,
    /// Whether the database goes on when the run ends.
    pub leave_running: bool,
    /// How often setting up is tried.
    pub tries: u32,
}

impl SshConfig {
    /// With what is usual.
    pub fn new(sites: Sites, agent: PathBuf) -> SshConfig {
        SshConfig { sites, agent, leave_running: false, tries: CYCLE_TRIES }
    }
}

/// Hosts.
pub struct SshCluster {
    config: SshConfig,
    nodes: Vec<NodeId>,
    pub(super) sites: Sites,
    pub(super) db: Rc<dyn Db>,
    pub(super) net: Net,
    pub(super) clocks: Clocks,
    pub(super) effects: Effects,
    /// Hosts that restart: what told their life before from the next, and the injection.
    pub(super) rebooted: RefCell<BTreeMap<NodeId, (String, usize)>>,
    /// What may still be broken though nobody was told so, a sentence each.
    pub(super) doubts: RefCell<Vec<String>>,
    clock: MachineClock,
    supported: BTreeMap<FaultKind, Result<(), String>>,
    kept: OnceCell<Kept>,
    scraping: RefCell<Option<JoinHandle<()>>>,
    params: BTreeMap<String, String>,
}

/// Where a run's evidence goes.
struct Kept {
    folder: PathBuf,
    sources: Arc<Vec<Source>>,
}

impl SshCluster {
    /// Connects to every host, brings the program there and finds out what the hosts can do. `db` is told whether every host has
    /// the time shim.
    pub async fn connect_all(
        config: SshConfig,
        db: impl FnOnce(bool) -> Rc<dyn Db>,
    ) -> io::Result<SshCluster> {
        let sites = config.sites.clone();
        for at in sites.iter() {
            checked_path(&at.base)
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        }
        let facts = hosts::facts_of_all(sites.iter()).await?;
        let brought = join_all(sites.iter().map(|at| bring(at, &config))).await;
        brought.into_iter().collect::<io::Result<Vec<()>>>()?;
        let shims = join_all(sites.iter().map(shim)).await;
        let no_shim = shims.into_iter().find_map(Result::err);
        let db = db(no_shim.is_none());
        let conflict = port_conflict(sites.iter().map(|at| (at, db.ports(at))));
        if let Some(why) = conflict.or_else(|| evidence::planned(&*db, &sites).err()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let places: Vec<(&Site, &Facts)> = sites.iter().zip(&facts).collect();
        let supported = supported(&places, &*db, no_shim.as_deref());
        let net = Net::new(hosts::addresses(&places));
        let params = told(&places, &*db);
        drop(places);
        let nodes: Vec<NodeId> = sites.iter().map(|at| at.node).collect();
        Ok(SshCluster {
            config,
            nodes,
            sites,
            db,
            net,
            clocks: Clocks::default(),
            effects: Effects::default(),
            rebooted: RefCell::default(),
            doubts: RefCell::default(),
            clock: MachineClock::new(),
            supported,
            kept: OnceCell::new(),
            scraping: RefCell::default(),
            params,
        })
    }

    /// The folder of the run. Without one nothing is brought home.
    pub fn keep_in(&self, folder: &Path) -> io::Result<()> {
        let mut sources = Vec::new();
        for at in self.sites.iter() {
            let folder = folder.join(at.node.to_string());
            fs::create_dir_all(&folder)?;
            sources.extend(self.db.metrics(at).map(|metrics| Source::on_host(at, metrics, folder)));
        }
        let kept = Kept { folder: folder.to_owned(), sources: Arc::new(sources) };
        let again = |_| io::Error::other("the run has a folder");
        self.kept.set(kept).map_err(again)
    }

    /// Whether faults of a kind can be enacted here, or why not.
    pub fn supported(&self, kind: FaultKind) -> Result<(), String> {
        self.supported.get(&kind).cloned().unwrap_or_else(|| Err("no host knows it".to_owned()))
    }

    /// What is heard of the hosts before the run: architecture, kernel, what they cannot do.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// Ends everything at once and fetches the logs: what a second Ctrl-C means. What nodes did that they must not, and what could
    /// not be found out.
    pub async fn interrupt(&self) -> Entry {
        let mut seen = Artifacts::default();
        let ending = async {
            self.stop_scraping();
            self.unasked_ends(&mut seen).await;
            self.fetch_logs().await;
            seen.doubts.extend(self.undo_all().await);
        };
        if timeout(AT_ONCE, ending).await.is_err() {
            seen.doubts.push(format!(
                "hosts were not all asked and mended within {AT_ONCE:?}: `real-cluster heal` mends them"
            ));
        }
        Entry::Found { findings: seen.findings, doubts: seen.doubts }
    }

    pub(super) fn site(&self, node: NodeId) -> Result<&Site, String> {
        self.sites.of(node).ok_or_else(|| self.unknown(node))
    }

    pub(super) fn unknown(&self, node: NodeId) -> String {
        format!("node {node} is not in this cluster (n1..n{})", self.nodes.len())
    }

    pub(super) fn client_port(&self, at: &Site) -> u16 {
        self.db.ports(at).first().map_or(6379, |(_, port)| *port)
    }

    async fn begin(&self) -> io::Result<()> {
        self.clock.begin();
        // What a tool that was killed left behind would be this run's.
        for result in join_all(self.sites.iter().map(|at| undo::heal(&*at.remote, &at.base))).await
        {
            result?;
        }
        let remembered = self.sites.iter().map(|at| {
            let mut lines = net::undo(at);
            lines.extend(self.db.undo(at));
            lines.push(clock::undo(at));
            async move { undo::remember(at, &lines).await }
        });
        join_all(remembered).await.into_iter().collect::<io::Result<Vec<()>>>()?;
        let cycled = cycle(&*self.db, &self.sites, self.config.tries).await;
        if let Err(error) = cycled {
            let missing = self.fetch_logs().await;
            missing.iter().for_each(|why| tracing::warn!("{why}"));
            self.undo_all().await;
            return Err(io::Error::other(format!("setting up {} failed: {error}", self.db.name())));
        }
        if let Some(kept) = self.kept.get() {
            let scraping = tokio::spawn(scrape::keep_scraping(Arc::clone(&kept.sources)));
            *self.scraping.borrow_mut() = Some(scraping);
        }
        Ok(())
    }

    async fn end(&self) -> Artifacts {
        self.stop_scraping();
        if let Some(kept) = self.kept.get() {
            scrape::scrape_once(&kept.sources).await;
        }
        let mut artifacts = Artifacts { params: self.params.clone(), ..Artifacts::default() };
        for at in self.sites.iter() {
            self.settle_clock(at).await;
        }
        for (injection, count) in self.net.acted(&self.sites).await {
            self.effects.acted(injection, count);
        }
        artifacts.effects = self.effects.all();
        self.unasked_ends(&mut artifacts).await;
        let missing = self.fetch_logs().await;
        if !missing.is_empty() {
            artifacts.params.insert("missing".to_owned(), missing.join("; "));
        }
        if let Some(kept) = self.kept.get() {
            scrape::conclude_all(&kept.sources, &mut artifacts);
        }
        if !self.config.leave_running {
            artifacts.doubts.extend(self.undo_all().await);
        }
        artifacts
    }

    /// Ends that nobody asked for.
    async fn unasked_ends(&self, artifacts: &mut Artifacts) {
        let time = self.clock.now();
        artifacts.doubts.append(&mut self.doubts.borrow_mut());
        for at in self.sites.iter() {
            let ends = match self.db.ends(at).await {
                Ok(ends) => ends,
                Err(error) => {
                    artifacts
                        .doubts
                        .push(format!("nobody knows whether {} ended by itself: {error}", at.node));
                    continue;
                }
            };
            for End { status, line } in ends {
                let node = at.node;
                let finding = |name: &str, text| Finding { time, name: name.to_owned(), text };
                match status {
                    PANICKED => {
                        artifacts.findings.push(finding("node-panic", format!("{node}: {line}")))
                    }
                    KILLED => artifacts.doubts.push(format!(
                        "{node} was killed by another program or for want of memory"
                    )),
                    _ => artifacts.findings.push(finding(
                        "node-exit",
                        format!("{node} ended by itself with {status}; its log says: {line}"),
                    )),
                }
            }
        }
    }

    async fn fetch_logs(&self) -> Vec<String> {
        match self.kept.get() {
            Some(kept) => evidence::fetch_logs(&*self.db, &self.sites, &kept.folder).await,
            None => Vec::new(),
        }
    }

    /// Undoes all on every host; what could not be undone, a sentence each.
    async fn undo_all(&self) -> Vec<String> {
        let mut left = Vec::new();
        if let Err(error) = tear_down(&*self.db, &self.sites).await {
            left.push(format!("the database could not be torn down: {error}"));
        }
        let healed = join_all(self.sites.iter().map(|at| undo::heal(&*at.remote, &at.base))).await;
        left.extend(healed.into_iter().filter_map(Result::err).map(|error| {
            format!("what was done to a host is not undone, `real-cluster heal` will: {error}")
        }));
        left
    }

    fn stop_scraping(&self) {
        if let Some(scraping) = self.scraping.borrow_mut().take() {
            scraping.abort();
        }
    }
}

impl Cluster for SshCluster {
    fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn supports(&self, kind: FaultKind) -> bool {
        self.supported(kind).is_ok()
    }

    fn set_up(&self, _: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(self.begin())
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let at =
                self.site(node).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
            ready::connect(at, self.client_port(at)).await
        })
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        Box::pin(self.enact(fault))
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            match self.db.primary() {
                Some(primary) => primary.primaries(&self.sites).await,
                None => Vec::new(),
            }
        })
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        Box::pin(self.end())
    }
}

impl Drop for SshCluster {
    fn drop(&mut self) {
        self.stop_scraping();
    }
}

/// Brings the program to a host, under all its names.
async fn bring(at: &Site, config: &SshConfig) -> io::Result<()> {
    architecture::fits(at, &config.agent).await.map_err(io::Error::other)?;
    files::upload(&*at.remote, &config.agent, &at.program(AGENT), 0o755).await?;
    let link = r#"cd -- "$1" || exit 1; shift; agent=$1; shift; for name in "$@"; do ln -sfn -- "$agent" "$name"; done"#;
    let names = [node::NAME, SHIM, queue::NAME, reboot::NAME];
    let link = Command::script("link", link).arg(format!("{}/bin", at.base)).arg(AGENT).args(names);
    done(&*at.remote, &link).await?;
    Ok(())
}

/// Whether a program runs under the shim there, or why not.
async fn shim(at: &Site) -> Result<(), String> {
    let control = at.path("clock-probe");
    let script = r#"shim=$1 control=$2; mkdir -p -- "$(dirname -- "$control")"
"$shim" run --control "$control" -- true; status=$?; rm -rf -- "$control"; exit "$status""#;
    let probe = Command::script("time-shim probe", script).args([&at.program(SHIM), &control]);
    match done(&*at.remote, &probe).await {
        Ok(_) => Ok(()),
        Err(RemoteError::Failed { complaint, .. }) => {
            Err(format!("{}: the time shim does not work: {complaint}", at.node))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// What can be enacted on these hosts with this database.
fn supported(
    places: &[(&Site, &Facts)],
    db: &dyn Db,
    no_shim: Option<&str>,
) -> BTreeMap<FaultKind, Result<(), String>> {
    let network = || {
        if let Some((one, other)) = hosts::neighbours(places) {
            return Err(format!(
                "{one} and {other} share a host: what passes between them crosses no network"
            ));
        }
        if let Some((at, _)) = places.iter().find(|(_, facts)| !facts.has("nft")) {
            return Err(format!("{} has no nft: apt-get install nftables there", at.node));
        }
        let own: Vec<_> = places.iter().filter_map(|(at, _)| hosts::control_address(at)).collect();
        match places.iter().find(|(at, facts)| {
            own.contains(&at.address) || facts.addresses().any(|address| own.contains(&address))
        }) {
            Some((at, _)) => Err(format!(
                "{} is the machine that drives the cluster, and would be cut off itself",
                at.node
            )),
            None => Ok(()),
        }
    };
    let capability = |has: bool, what: &str| match has {
        true => Ok(()),
        false => Err(format!("the database {} has no `{what}`", db.name())),
    };
    let clock = || match (db.has_clock(), no_shim) {
        (true, _) => Ok(()),
        (false, Some(why)) => Err(why.to_owned()),
        (false, None) => {
            Err(format!("the database {} does not run under the time shim", db.name()))
        }
    };
    let all = FaultKind::ALL.into_iter().map(|kind| {
        let can = match kind {
            FaultKind::Partition | FaultKind::Latency | FaultKind::Flaky | FaultKind::Throttle => {
                network()
            }
            FaultKind::Kill => capability(db.kill().is_some(), "kill"),
            FaultKind::Pause => capability(db.pause().is_some(), "pause"),
            FaultKind::Clock | FaultKind::Strobe | FaultKind::Drift => clock(),
            FaultKind::Reboot => match hosts::neighbours(places) {
                Some((one, other)) => {
                    Err(format!("{one} and {other} share a host, and would restart together"))
                }
                None => capability(db.kill().is_some(), "start"),
            },
            FaultKind::Power => Err("SSH cannot cut a machine's power (use reboot)".to_owned()),
        };
        (kind, can)
    });
    all.collect()
}

/// What a run tells people about where it ran.
fn told(places: &[(&Site, &Facts)], db: &dyn Db) -> BTreeMap<String, String> {
    let mut params = BTreeMap::from([
        ("database".to_owned(), db.name().to_owned()),
        ("tool version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("world".to_owned(), format!("{} nodes over SSH", places.len())),
    ]);
    for (at, facts) in places {
        let text = format!(
            "{} at {}, {}, Linux {}",
            at.remote.name(),
            at.address,
            facts.machine(),
            facts.get("kernel")
        );
        params.insert(at.node.to_string(), text);
    }
    params
}
