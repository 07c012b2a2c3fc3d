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
use super::supported::{Grounds, Supported};
use super::{probes, reboot, undo};
use crate::clock::MachineClock;
use crate::db::{CYCLE_TRIES, Db, End, architecture, cycle, ready};
use crate::effects::Effects;
use crate::remote::{Command, done, files};
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

/// The program of this process, also when another build has taken its place in the file system meanwhile: a node that is restarted
/// must be what it was.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
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
    supported: Supported,
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
        let brought = join_all(sites.iter().map(|at| bring(at, &config.agent))).await;
        brought.into_iter().collect::<io::Result<Vec<()>>>()?;
        let shims = join_all(sites.iter().map(probes::shim)).await;
        let no_shim = shims.into_iter().find_map(Result::err);
        let db = db(no_shim.is_none());
        let conflict = port_conflict(sites.iter().map(|at| (at, db.ports(at))));
        if let Some(why) = conflict.or_else(|| evidence::planned(&*db, &sites).err()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let places: Vec<(&Site, &Facts)> = sites.iter().zip(&facts).collect();
        let addresses = hosts::addresses(&places);
        let refusals = probes::network(&places, &addresses).await?;
        let grounds =
            Grounds { places: &places, db: &*db, no_shim: no_shim.as_deref(), refusals: &refusals };
        let supported = grounds.supported();
        let net = Net::new(addresses);
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

    /// Ends everything at once and fetches the logs: what a second Ctrl-C means. What nodes did that they must not, and what could
    /// not be found out.
    pub async fn interrupt(&self) -> Entry {
        self.stop_scraping();
        let mut seen = Artifacts::default();
        seen.doubts.append(&mut self.doubts.borrow_mut());
        for host in join_all(self.sites.iter().map(|at| self.wind_up(at))).await {
            seen.findings.extend(host.findings);
            seen.doubts.extend(host.doubts);
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
        self.db.ports(at).first().map_or_else(|| at.port("redis", 6379), |(_, port)| *port)
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
            let script = undo::script(&lines);
            async move {
                if let Some(kept) = self.kept.get() {
                    fs::write(kept.folder.join(at.node.to_string()).join("undo"), &script)?;
                }
                undo::remember(at, &script).await
            }
        });
        join_all(remembered).await.into_iter().collect::<io::Result<Vec<()>>>()?;
        let cycled = cycle(&*self.db, &self.sites, self.config.tries).await;
        if let Err(error) = cycled {
            for host in join_all(self.sites.iter().map(|at| self.wind_up(at))).await {
                host.doubts.iter().for_each(|why| tracing::warn!("{why}"));
            }
            return Err(io::Error::other(format!("setting up {} failed: {error}", self.db.name())));
        }
        if let Some(kept) = self.kept.get() {
            let scraping = tokio::spawn(scrape::keep_scraping(Arc::clone(&kept.sources)));
            *self.scraping.borrow_mut() = Some(scraping);
        }
        Ok(())
    }

    /// Ends what runs on a host at once and takes its logs home; a host that is lost keeps no other from it.
    async fn wind_up(&self, at: &Site) -> Artifacts {
        let seen = RefCell::new(Artifacts::default());
        let winding = async {
            let told = self.ends_on(at).await;
            seen.borrow_mut().findings.extend(told.findings);
            seen.borrow_mut().doubts.extend(told.doubts);
            if let Some(kept) = self.kept.get() {
                let missing =
                    evidence::fetch_logs_of(&*self.db, &self.sites, at, &kept.folder).await;
                seen.borrow_mut().doubts.extend(missing);
            }
            let left = self.undo_on(at).await;
            seen.borrow_mut().doubts.extend(left);
        };
        if timeout(AT_ONCE, winding).await.is_err() {
            seen.borrow_mut().doubts.push(format!(
                "the host of {} was not asked and mended within {AT_ONCE:?}: `real-cluster heal` mends it",
                at.node
            ));
        }
        seen.into_inner()
    }

    async fn end(&self) -> Artifacts {
        self.stop_scraping();
        if let Some(kept) = self.kept.get() {
            scrape::scrape_once(&kept.sources).await;
        }
        let mut artifacts = Artifacts { params: self.params.clone(), ..Artifacts::default() };
        for at in self.sites.iter() {
            self.settle_clock(at).await;
            let node = at.node;
            artifacts.doubts.extend(match self.clocks.untrue(at).await {
                Ok(None) => None,
                Ok(Some(how)) => {
                    Some(format!("the clock of {node} was not true at the end: {how}"))
                }
                Err(error) => {
                    Some(format!("nobody knows whether the clock of {node} is true: {error}"))
                }
            });
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
        artifacts.doubts.append(&mut self.doubts.borrow_mut());
        for host in join_all(self.sites.iter().map(|at| self.ends_on(at))).await {
            artifacts.findings.extend(host.findings);
            artifacts.doubts.extend(host.doubts);
        }
    }

    /// The same on one host.
    async fn ends_on(&self, at: &Site) -> Artifacts {
        let (time, node, mut seen) = (self.clock.now(), at.node, Artifacts::default());
        let finding = |name: &str, text| Finding { time, name: name.to_owned(), text };
        let ends = match self.db.ends(at).await {
            Ok(ends) => ends,
            Err(error) => {
                seen.doubts.push(format!("nobody knows whether {node} ended by itself: {error}"));
                return seen;
            }
        };
        for End { status, line } in ends {
            match status {
                PANICKED => seen.findings.push(finding("node-panic", format!("{node}: {line}"))),
                KILLED => seen
                    .doubts
                    .push(format!("{node} was killed by another program or for want of memory")),
                _ => seen.findings.push(finding(
                    "node-exit",
                    format!("{node} ended by itself with {status}; its log says: {line}"),
                )),
            }
        }
        seen
    }

    async fn fetch_logs(&self) -> Vec<String> {
        match self.kept.get() {
            Some(kept) => evidence::fetch_logs(&*self.db, &self.sites, &kept.folder).await,
            None => Vec::new(),
        }
    }

    /// Undoes all on every host; what could not be undone, a sentence each.
    async fn undo_all(&self) -> Vec<String> {
        join_all(self.sites.iter().map(|at| self.undo_on(at))).await.concat()
    }

    /// The same on one host.
    async fn undo_on(&self, at: &Site) -> Vec<String> {
        let torn = self.db.tear_down(&self.sites, at).await;
        let torn = torn.err().map(|error| format!("the database could not be torn down: {error}"));
        let healed = undo::heal(&*at.remote, &at.base).await.err().map(|error| {
            format!("what was done to a host is not undone, `real-cluster heal` will: {error}")
        });
        torn.into_iter().chain(healed).collect()
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

/// Whether the program can run on a host.
pub(crate) async fn fits(at: &Site, agent: &Path) -> io::Result<()> {
    architecture::fits(at, agent).await.map_err(|error| {
        let told = error.to_string().replace(THIS_PROGRAM, "this program");
        io::Error::other(told.replace("name that file", "name that file by --agent"))
    })
}

/// Brings the program to a host, under all its names.
pub(crate) async fn bring(at: &Site, agent: &Path) -> io::Result<()> {
    fits(at, agent).await?;
    files::upload(&*at.remote, agent, &at.program(AGENT), 0o755).await?;
    let link = r#"cd -- "$1" || exit 1; shift; agent=$1; shift; for name in "$@"; do ln -sfn -- "$agent" "$name"; done"#;
    let names = [node::NAME, SHIM, queue::NAME, reboot::NAME];
    let link = Command::script("link", link).arg(format!("{}/bin", at.base)).arg(AGENT).args(names);
    done(&*at.remote, &link).await?;
    Ok(())
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
