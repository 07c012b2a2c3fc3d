//! `run`: a test on real processes, told in full and kept while it goes on.

use super::database::{Database, Named};
use super::hosts::Hosts;
use super::performed::{BUG, HOSTS, Performed, test_of};
use super::progress::Progress;
use elastickv::bug::Bug;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::cluster::{Cluster, NodeId};
use harness::fault::FaultKind;
use harness::options::Options;
use harness::record::{Ending, Record};
use harness::recording::{Entry, Run as Known, Sink};
use harness::report::SEED_OF_REAL;
use harness::run::{Hooks, run_with};
use harness::seed::Seed;
use harness::stop::Stop;
use harness::store::log::Growing;
use harness::store::{self, Kept, Params, World};
use harness::test::Test;
use real_cluster::ceiling::{Meter, Rate};
use real_cluster::local::cluster::{LocalCluster, LocalConfig};
use real_cluster::local::faults::supports;
use real_cluster::site::Sites;
use real_cluster::ssh::cluster::{SshCluster, SshConfig};
use real_cluster::{cpu, signals};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::task::LocalSet;

/// Runs a test against real processes and keeps the run in a new folder
#[derive(clap::Args)]
#[command(mut_arg("nodes", |arg| arg.value_name("FILE").help("On these hosts, one a line: [user@]host[:port]").help_heading("Hosts")))]
#[command(mut_arg("faults", |arg| arg.help("What is broken: partition,kill,pause,latency, on hosts also clock,flaky,rate,strobe,drift,reboot; or none")))]
#[command(after_help = "\
Ctrl-C ends the asking; what was broken is mended, everything is read back and judged. A second one ends the nodes at
once, and what is known by then is judged.

Examples:
  cargo real-cluster run redis-append --local 5
  cargo real-cluster run redis-append --local 5 --time 60s --faults partition,kill,pause
  cargo real-cluster run redis-append-calm --local 5 --rate 8000 --clients 100 --keys 500 --time 20s
  cargo real-cluster run redis-append --local 3 --bug exec_on_follower --json
  cargo real-cluster run redis-append --testbed --faults partition,kill,pause,clock
  cargo real-cluster run redis-append --nodes nodes.txt --ssh-key ~/.ssh/cluster")]
pub struct Run {
    /// Which test: `list` has their names
    test: String,
    /// Starts so many nodes on this machine, on loopback addresses, without root
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    local: Option<String>,
    #[command(flatten)]
    hosts: Hosts,
    #[command(flatten)]
    database: Database,
    /// Leaves the database running on its hosts when the run is over
    #[arg(long, help_heading = "Hosts")]
    leave_running: bool,
    /// What is asked and what is broken, in hex or decimal; not what happens
    #[arg(long, default_value = "1", allow_negative_numbers = true)]
    seed: String,
    /// Where the run's folder is made
    #[arg(long, value_name = "DIR", default_value = "store")]
    out: PathBuf,
    /// Keeps the nodes' data directories also of a valid run
    #[arg(long)]
    keep_data: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

/// The program of this process, also when another build has taken its place in the file system meanwhile: a node that
/// is restarted must be what it was.
const MYSELF: &str = "/proc/self/exe";

/// What is to be run, every word read.
struct Plan {
    test: Test,
    options: Options,
    seed: Seed,
    bug: Option<Bug>,
    place: Place,
    /// Whether faults were asked for by name.
    by_name: bool,
}

/// Where it is run.
enum Place {
    /// On this machine.
    Local,
    /// On hosts, with this database, and the words that mean both.
    Hosts(Sites, Named, String),
}

/// What it is run on.
enum Stage {
    Local,
    Hosts(Box<SshCluster>),
}

/// How it went.
struct Outcome {
    known: Known,
    /// `None` if the nodes were ended at once: of such a run the log is the best there is.
    meter: Option<Meter>,
}

impl Run {
    pub fn act(self) -> anyhow::Result<u8> {
        let plan = self.plan().map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        // What hosts can do must be known before anything is promised.
        let stage = local.block_on(&runtime, self.stage(&plan))?;
        let growing = self.claim(&plan, &stage)?;
        let folder = growing.folder();
        announce(&plan, &folder);
        let outcome = local.block_on(&runtime, perform(&plan, &stage, &growing));
        drop(stage);
        drop(local);
        // Judging may take its time; nothing real is left by then.
        drop(runtime);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                if let Err(lost) = growing.flush() {
                    note(lost);
                }
                let text = format!("{}: the run did not come to its end", folder.display());
                return Err(error.context(text));
            }
        };
        self.conclude(&plan, &growing, outcome)
    }

    fn plan(&self) -> Result<Plan, String> {
        let mut test = test_of(&self.test)?;
        let seed: Seed = self.seed.parse()?;
        let bug: Option<Bug> = self.setup.bug.as_deref().map(str::parse).transpose()?;
        let mut setup = self.setup.clone();
        let nodes = setup.take("nodes");
        let mut said = |word: &str, value: &str| {
            test.defaults.set("nodes", value).map_err(|why| why.replace("--nodes", word))
        };
        let place = match (&self.local, self.hosts.are_meant(nodes.as_deref())) {
            (Some(_), true) => {
                return Err(
                    "--local and hosts are two places: give --local N, --testbed or --nodes FILE"
                        .to_owned(),
                );
            }
            (None, false) => {
                return Err(
                    "where to run is missing: --local N, --testbed or --nodes FILE says so"
                        .to_owned(),
                );
            }
            (Some(_), false) if self.database.is_said() => {
                return Err(
                    "--db and --tcpdump are for hosts: --local starts elastickv-node".to_owned()
                );
            }
            (Some(count), false) => {
                said("--local", count)?;
                Place::Local
            }
            (None, true) => {
                let sites = self.hosts.sites(nodes.as_deref())?;
                said("--nodes", &sites.count().to_string())?;
                let named = self.database.named(&sites)?;
                if bug.is_some() && !matches!(named, Named::ElastickvNode) {
                    return Err(
                        "--bug plants in elastickv-node alone: leave it or --db out".to_owned()
                    );
                }
                Place::Hosts(
                    sites,
                    named,
                    self.hosts.words(nodes.as_deref()) + &self.database.words(),
                )
            }
        };
        let mut options = Options::defaults_of(&test);
        setup.apply(&mut options).map_err(|why| why.replace("--nodes", "--local"))?;
        let by_name = setup.says("faults");
        if by_name && matches!(place, Place::Local) {
            offered(&options.faults, "--local", |kind| supports(kind).map_err(str::to_owned))?;
        }
        Ok(Plan { test, options, seed, bug, place, by_name })
    }

    async fn stage(&self, plan: &Plan) -> anyhow::Result<Stage> {
        let Place::Hosts(sites, named, _) = &plan.place else { return Ok(Stage::Local) };
        let config = SshConfig {
            leave_running: self.leave_running,
            ..SshConfig::new(sites.clone(), PathBuf::from(MYSELF))
        };
        let args = plan.node_args();
        let db = |has_clock| self.database.made(named.clone(), args, has_clock);
        let cluster = SshCluster::connect_all(config, db).await?;
        if plan.by_name {
            offered(&plan.options.faults, "these hosts", |kind| cluster.supported(kind))
                .map_err(anyhow::Error::msg)?;
        }
        for kind in &plan.options.faults {
            if let Err(why) = cluster.supported(*kind) {
                note(format_args!("{kind} is left out: {why}"));
            }
        }
        Ok(Stage::Hosts(Box::new(cluster)))
    }

    fn claim(&self, plan: &Plan, stage: &Stage) -> anyhow::Result<Growing> {
        let nodes: Vec<NodeId> = (1..=plan.options.nodes).map(NodeId).collect();
        let can = |kind: &FaultKind| match stage {
            Stage::Local => supports(*kind).is_ok(),
            Stage::Hosts(cluster) => cluster.supports(*kind),
        };
        let unsupported = plan.options.faults.iter().copied().filter(|kind| !can(kind)).collect();
        let blank = Known::new(plan.test.name, plan.seed, &nodes, unsupported);
        Ok(Growing::create(&self.out, &blank, &plan.params())?)
    }

    fn conclude(&self, plan: &Plan, growing: &Growing, outcome: Outcome) -> anyhow::Result<u8> {
        let folder = growing.folder();
        let Outcome { known, meter } = outcome;
        let before = cpu::this_thread();
        let performed = Performed::new(plan.params(), known).map_err(anyhow::Error::msg)?;
        let cpu_ms = (cpu::this_thread() - before).as_secs_f64() * 1e3;
        let (run, summary) = (&performed.run, &performed.judgement.summary);
        let rate = meter.as_ref().and_then(|meter| {
            let nodes = matches!(plan.place, Place::Local).then(cpu::ended_children);
            Rate::of(run, &plan.options, &summary.windows, meter, nodes)
        });
        let report = performed.report(Some(&folder));
        let ending = Ending::of(&performed.judgement.verdict);
        let params = plan.params();
        let kept = Kept {
            world: World::Real,
            options: &plan.options,
            extra: &params.extra,
            run: &performed.run,
            plan: &performed.plan(),
            judgement: &performed.judgement,
            report: &report,
        };
        let completed = meter.map_or(Ok(()), |_| growing.complete(kept));
        let mut out = Output::default();
        if self.json {
            out.object(&object(&performed.record(&folder, cpu_ms), rate.as_ref()))?;
        } else {
            out.text(report)?;
            out.indented(&performed.judgement.summary)?;
            rate.iter().try_for_each(|rate| out.indented(rate))?;
            if ending == Ending::Valid {
                out.text(format_args!("  the seed:    {SEED_OF_REAL}\n"))?;
                out.text(format_args!("  folder:      {}\n", folder.display()))?;
            }
        }
        // A verdict that cannot be kept was told at least.
        completed?;
        if ending == Ending::Valid && !self.keep_data {
            discard_data(&folder, plan.options.nodes)?;
        }
        Ok(ending.exit_code())
    }
}

/// Kinds that were asked for by name must be possible.
fn offered(
    kinds: &[FaultKind],
    place: &str,
    can: impl Fn(FaultKind) -> Result<(), String>,
) -> Result<(), String> {
    for kind in kinds {
        if let Err(why) = can(*kind) {
            let all = FaultKind::ALL.into_iter().filter(|kind| can(*kind).is_ok());
            let all: Vec<&str> = all.map(FaultKind::name).collect();
            return Err(format!(
                "`{kind}` is not offered by {place}, since {why}: the faults are {}",
                all.join(", ")
            ));
        }
    }
    Ok(())
}

impl Plan {
    fn params(&self) -> Params {
        let bug = self.bug.map(|bug| (BUG.to_owned(), bug.to_string()));
        let hosts = match &self.place {
            Place::Local => None,
            Place::Hosts(_, _, words) => Some((HOSTS.to_owned(), words.clone())),
        };
        Params {
            world: World::Real,
            test: self.test.name.to_owned(),
            seed: self.seed.to_string(),
            options: self.options.clone(),
            extra: bug.into_iter().chain(hosts).collect(),
            drawn: BTreeMap::new(),
        }
    }

    /// What every node is told.
    fn node_args(&self) -> Vec<String> {
        let Some(bug) = self.bug else { return Vec::new() };
        let wiring = bug.wiring().name();
        ["--bug", bug.name(), "--wiring", wiring].map(str::to_owned).to_vec()
    }
}

/// Says what is about to run, before anything can fail.
fn announce(plan: &Plan, folder: &Path) {
    let (name, seed) = (plan.test.name, plan.seed);
    note(format_args!("{name}  seed {seed} ({}), which {SEED_OF_REAL}", seed.0));
    if let Some(bug) = plan.bug {
        note(format_args!("planted bug {bug} ({}) in every node", bug.origin()));
    }
    note(format_args!("folder {}", folder.display()));
}

async fn perform(plan: &Plan, stage: &Stage, growing: &Growing) -> anyhow::Result<Outcome> {
    match stage {
        Stage::Local => {
            let cluster = LocalCluster::start(LocalConfig {
                nodes: plan.options.nodes,
                program: PathBuf::from(MYSELF),
                node_args: plan.node_args(),
                folder: growing.folder(),
            })?;
            let Some(outcome) = walk(plan, &cluster, growing).await? else {
                cluster.interrupt();
                return cut_short(growing, &cluster.seen_so_far());
            };
            Ok(outcome)
        }
        Stage::Hosts(cluster) => {
            cluster.keep_in(&growing.folder())?;
            let Some(outcome) = walk(plan, &**cluster, growing).await? else {
                let seen = cluster.interrupt().await;
                return cut_short(growing, &seen);
            };
            Ok(outcome)
        }
    }
}

/// The phases of the run; `None` if it is to end at once.
async fn walk(
    plan: &Plan,
    cluster: &dyn Cluster,
    growing: &Growing,
) -> anyhow::Result<Option<Outcome>> {
    let Plan { test, options, seed, .. } = plan;
    let (meter, stop) = (Meter::default(), Stop::default());
    let sink = Progress::new(growing.clone(), meter.clone());
    // A real run is one of few: what was asked for is all used.
    let hooks = Hooks {
        sink: Some(Box::new(sink)),
        stop: stop.clone(),
        every_kind: true,
        ..Hooks::default()
    };
    tokio::select! {
        biased;
        run = run_with(test, options, cluster, *seed, hooks) => {
            Ok(Some(Outcome { known: run?, meter: Some(meter) }))
        }
        ended = signals::twice(&stop) => {
            ended?;
            note("ending the nodes at once; what is known by now is judged");
            Ok(None)
        }
    }
}

/// What is known of a run that was ended at once.
fn cut_short(growing: &Growing, seen: &Entry) -> anyhow::Result<Outcome> {
    // The tear-down would have told it.
    growing.clone().entry(seen);
    growing.flush()?;
    let known = store::load(&growing.folder())?.run;
    Ok(Outcome { known, meter: None })
}

/// What a valid run's nodes wrote is of no more use.
fn discard_data(folder: &Path, nodes: u16) -> anyhow::Result<()> {
    for node in (1..=nodes).map(NodeId) {
        let data = folder.join(node.to_string()).join("data");
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
    }
    Ok(())
}

fn object(record: &Record, rate: Option<&Rate>) -> Value {
    let mut object = json!(record);
    if let Some(rate) = rate {
        object["rate"] = json!(rate);
        object["rate"]["ceiling"] = json!(rate.ceiling());
    }
    object
}
