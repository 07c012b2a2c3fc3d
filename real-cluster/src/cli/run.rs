//! `run`: a test on real processes, told in full and kept while it goes on.

use super::performed::Performed;
use super::progress::Progress;
use super::task::{Place, Task, Words, offered};
use elastickv::bug::Profile;
use harness::cli::output::{Output, note};
use harness::cluster::{Cluster, NodeId};
use harness::fault::FaultKind;
use harness::params::Swarm;
use harness::record::{Ending, Record};
use harness::recording::{Entry, Run as Known, Sink};
use harness::report::SEED_OF_REAL;
use harness::run::{Hooks, run_with};
use harness::stop::Stop;
use harness::store::log::Growing;
use harness::store::{self, Kept, World};
use real_cluster::ceiling::{Meter, Rate};
use real_cluster::local::cluster::{LocalCluster, LocalConfig};
use real_cluster::local::faults::supports;
use real_cluster::ssh::cluster::{SshCluster, SshConfig, THIS_PROGRAM};
use real_cluster::{cpu, signals};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::task::LocalSet;

/// Runs a test against real processes and keeps the run in a new folder
#[derive(clap::Args)]
#[command(mut_arg("nodes", |arg| arg.value_name("FILE").help("On these hosts, one a line: [user@]host[:port]").help_heading("Hosts")))]
#[command(mut_arg("faults", |arg| arg.help("What is broken, with commas between: standard, network, clock, disk, process, membership or everything, as far as it is possible; or by name partition,kill,pause,latency,membership,transfer,rolling,split,ceiling,storm, on hosts also jump,flaky,rate,strobe,drift,reboot,leap; or none")))]
#[command(after_help = "\
Ctrl-C ends the asking; what was broken is mended, everything is read back and judged. A second one ends the nodes at
once, and what is known by then is judged.

Examples:
  cargo real-cluster run redis-append --local 5
  cargo real-cluster run redis-append --local 5 --time 60s --faults partition,kill,pause
  cargo real-cluster run redis-append-calm --local 5 --rate 8000 --clients 100 --keys 500 --time 20s
  cargo real-cluster run redis-append --local 3 --bug exec_on_follower --json
  cargo real-cluster run redis-append --testbed --faults standard
  cargo real-cluster run redis-append --nodes nodes.txt --ssh-key ~/.ssh/cluster
  cargo real-cluster run --testbed --plan store/redis-append/0x2a")]
pub struct Run {
    #[command(flatten)]
    words: Words,
    /// Leaves the database running on its hosts when the run is over
    #[arg(long, help_heading = "Hosts")]
    leave_running: bool,
    /// Where the run's folder is made
    #[arg(long, value_name = "DIR", default_value = "store")]
    out: PathBuf,
    /// Keeps the nodes' data directories also of a valid run
    #[arg(long)]
    keep_data: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What it is run on.
enum Stage {
    Local,
    Hosts(Box<SshCluster>),
}

impl Stage {
    fn can(&self, kind: FaultKind) -> Result<(), String> {
        match self {
            Stage::Local => supports(kind).map_err(str::to_owned),
            Stage::Hosts(cluster) => cluster.supported(kind),
        }
    }
}

/// How it went.
struct Outcome {
    known: Known,
    /// `None` if the nodes were ended at once: of such a run the log is the best there is.
    meter: Option<Meter>,
}

impl Run {
    pub fn act(self) -> anyhow::Result<u8> {
        let mut task = Task::read(&self.words).map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        // What hosts can do must be known before anything is promised.
        let stage = local.block_on(&runtime, self.stage(&task))?;
        task.leave_out(|kind| stage.can(kind));
        let growing = self.claim(&task, &stage)?;
        let folder = growing.folder();
        announce(&task, &folder, |kind| stage.can(kind).is_ok());
        let outcome = local.block_on(&runtime, perform(&task, &stage, &growing));
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
        self.conclude(&task, &growing, outcome)
    }

    async fn stage(&self, task: &Task) -> anyhow::Result<Stage> {
        let Place::Hosts(sites, named, _) = &task.place else { return Ok(Stage::Local) };
        let config = SshConfig {
            leave_running: self.leave_running,
            ..SshConfig::new(sites.clone(), self.words.hosts.agent().to_owned())
        };
        let args = task.node_args();
        let groups = task.options.groups;
        let db = |has_clock| self.words.database.made(named.clone(), args, groups, has_clock);
        let cluster = SshCluster::connect_all(config, db).await?;
        offered(&task.named, "these hosts", |kind| cluster.supported(kind))
            .map_err(anyhow::Error::msg)?;
        Ok(Stage::Hosts(Box::new(cluster)))
    }

    fn claim(&self, task: &Task, stage: &Stage) -> anyhow::Result<Growing> {
        let nodes: Vec<NodeId> = (1..=task.options.nodes).map(NodeId).collect();
        let unsupported =
            task.options.faults.iter().copied().filter(|kind| stage.can(*kind).is_err()).collect();
        let blank = Known::new(task.test.name, task.seed, &nodes, unsupported);
        Ok(Growing::create(&self.out, &blank, &task.params())?)
    }

    fn conclude(&self, task: &Task, growing: &Growing, outcome: Outcome) -> anyhow::Result<u8> {
        let folder = growing.folder();
        let Outcome { known, meter } = outcome;
        let before = cpu::this_thread();
        let performed = Performed::new(task.params(), known).map_err(anyhow::Error::msg)?;
        let cpu_ms = (cpu::this_thread() - before).as_secs_f64() * 1e3;
        let (run, summary) = (&performed.run, &performed.judgement.summary);
        let rate = meter.as_ref().and_then(|meter| {
            let nodes = matches!(task.place, Place::Local).then(cpu::ended_children);
            Rate::of(run, &task.options, &summary.windows, meter, nodes)
        });
        let report = performed.report(Some(&folder));
        let ending = Ending::of(&performed.judgement.verdict);
        let params = task.params();
        let kept = Kept {
            world: World::Real,
            options: &task.options,
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
            discard_data(&folder, task.options.nodes)?;
        }
        Ok(ending.exit_code())
    }
}

/// Says what is about to run, before anything can fail.
fn announce(task: &Task, folder: &Path, can: impl Fn(FaultKind) -> bool) {
    let (name, seed) = (task.test.name, task.seed);
    if let Some((plan, place)) = &task.plan {
        let (asks, faults) = (plan.asks.len(), plan.faults().count());
        note(format_args!("plan {place}: {asks} operations, {faults} faults and undoings"));
    }
    note(format_args!("{name}  seed {seed} ({}), which {SEED_OF_REAL}", seed.0));
    if let Some(bug) = task.bug {
        note(format_args!("planted bug {bug} ({}) in every node", bug.origin()));
    }
    if task.profile != Profile::Fixed {
        note(format_args!("profile {} in every node", task.profile));
    }
    if let Some(sentence) = task.test.unwatched(&task.options) {
        note(sentence);
    }
    if task.plan.is_none() {
        let faults: Vec<FaultKind> =
            task.options.faults.iter().copied().filter(|kind| can(*kind)).collect();
        for (name, value) in Swarm::of(task.seed, &faults, true).told() {
            note(format_args!("  {name:<22} {value}"));
        }
    }
    note(format_args!("folder {}", folder.display()));
}

async fn perform(task: &Task, stage: &Stage, growing: &Growing) -> anyhow::Result<Outcome> {
    match stage {
        Stage::Local => {
            let cluster = LocalCluster::start(LocalConfig {
                nodes: task.options.nodes,
                program: PathBuf::from(THIS_PROGRAM),
                node_args: task.node_args(),
                groups: task.options.groups,
                folder: growing.folder(),
            })?;
            let Some(outcome) = walk(task, &cluster, growing).await? else {
                cluster.interrupt();
                return cut_short(growing, &cluster.seen_so_far());
            };
            Ok(outcome)
        }
        Stage::Hosts(cluster) => {
            cluster.keep_in(&growing.folder())?;
            let Some(outcome) = walk(task, &**cluster, growing).await? else {
                let seen = cluster.interrupt().await;
                return cut_short(growing, &seen);
            };
            Ok(outcome)
        }
    }
}

/// The phases of the run; `None` if it is to end at once.
async fn walk(
    task: &Task,
    cluster: &dyn Cluster,
    growing: &Growing,
) -> anyhow::Result<Option<Outcome>> {
    let Task { test, options, seed, .. } = task;
    let (meter, stop) = (Meter::default(), Stop::default());
    let sink = Progress::new(growing.clone(), meter.clone());
    // A real run is one of few: what was asked for is all used.
    let hooks = Hooks {
        sink: Some(Box::new(sink)),
        stop: stop.clone(),
        every_kind: true,
        drivers: task.plan.as_ref().map(|(plan, _)| plan.drivers_elsewhere()),
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
