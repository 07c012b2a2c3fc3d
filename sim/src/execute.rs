//! One run of a test of the catalog on simulated Elastickv: from (test, options, bug, seed) to a judged run.

use crate::bugs;
use crate::node::Elastickv;
use crate::observe::{File, Observe};
use crate::params::WorldParams;
use crate::run::{on_fresh_thread, simulate_here};
use crate::trace::{self, Window};
use elastickv::bug::{self, BUG, Bug, Bugs, PROFILE, Profile, WIRING};
use elastickv::env::NodeId;
use elastickv::kv::routes::Shards;
use elastickv::options::{Options as NodeOptions, Wiring};
use harness::catalog;
use harness::judge::{Judgement, judge};
use harness::nemesis::disk::DiskBound;
use harness::options::Options;
use harness::params::Swarm;
use harness::plan::{Plan, Taken, Told};
use harness::run::{Hooks, Run, RunError, run_with};
use harness::seed::Seed;
use harness::store::write_lines;
use harness::test::Test;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a run is made of. Equal cases give equal trace hashes.
#[derive(Clone)]
pub struct Case {
    /// The test.
    pub test: Test,
    /// Its options.
    pub options: Options,
    /// A planted bug, if any.
    pub bug: Option<Bug>,
    /// What is wrong beside it.
    pub profile: Profile,
    /// How writes reach Raft.
    pub wiring: Wiring,
    /// Everything else.
    pub seed: Seed,
    /// What the seed makes of the world, unless a test says otherwise.
    pub world: Option<WorldParams>,
    /// What asks and breaks, unless the seed does.
    pub plan: Option<Planned>,
}

/// What a run left behind for people, beside its outcome.
struct Seen {
    /// The events of a window as text.
    events: Vec<String>,
    /// What was observed, for the run's folder.
    files: Vec<File>,
}

/// A plan and where it was found.
#[derive(Clone)]
pub struct Planned {
    /// The decisions.
    pub plan: Arc<Plan>,
    /// As it was typed: the file, or the folder that has it.
    pub place: String,
}

/// A run that is over and judged.
pub struct Outcome {
    /// What it was made of.
    pub case: Case,
    /// What happened.
    pub run: Run,
    /// What was made of it.
    pub judgement: Judgement,
    /// CPU time of the run and its judgement, milliseconds.
    pub cpu_ms: f64,
}

impl Case {
    /// The clean profile with the test's own options.
    pub fn new(test: Test, seed: Seed) -> Case {
        let options = Options::defaults_of(&test);
        let (profile, wiring) = (Profile::Fixed, Wiring::Verified);
        Case { test, options, bug: None, profile, wiring, seed, world: None, plan: None }
    }

    /// With a planted bug and the parameters that its row wants; what is set afterwards goes over them.
    pub fn with_bug(mut self, bug: Bug) -> Result<Case, String> {
        let row = bugs::row(bug);
        self.bug = Some(bug);
        self.wiring = bug.wiring();
        for (word, value) in row.options {
            self.options.set(word, value)?;
        }
        Ok(self)
    }

    /// What the options of a node are in this case.
    pub fn node_options(&self, world: &WorldParams) -> NodeOptions {
        let nodes = (1..=self.options.nodes).map(NodeId).collect();
        let snapshot_entries = match self.options.snapshot_entries {
            0 => world.snapshot_entries,
            said => said,
        };
        NodeOptions {
            compact_every: match world.retention_ms {
                0 => Duration::ZERO,
                _ => Duration::from_secs(2),
            },
            retention: Duration::from_millis(world.retention_ms),
            shards: Shards::among(self.options.groups),
            // A run is shorter than half an hour: what nobody decides has to expire in it.
            txn_lock_ttl: Duration::from_secs(5),
            lock_resolver: Duration::from_secs(2),
            snapshot_entries,
            wiring: self.wiring,
            bugs: self.bug.into_iter().fold(self.profile.bugs(), Bugs::with),
            ..NodeOptions::new(nodes)
        }
    }

    /// The test with the options that this case starts from, the bug's row included, as its defaults: what differs
    /// from them must be said on a command line.
    pub fn base(&self) -> Test {
        let plain = Case::new(self.test.clone(), self.seed);
        let base = match self.bug {
            Some(bug) => plain.with_bug(bug).expect("the rows of the detection table are options"),
            None => plain,
        };
        Test { defaults: base.options, ..base.test }
    }

    /// What the case says beyond test, seed and options, as words: `--bug NAME --profile NAME --wiring NAME`.
    pub fn extra_words(&self) -> Vec<String> {
        let bug = self.bug.map(|bug| ["--bug".to_owned(), bug.to_string()]);
        let profile = self.other_profile().map(|name| ["--profile".to_owned(), name]);
        let wiring = self.other_wiring().map(|name| ["--wiring".to_owned(), name]);
        bug.into_iter().chain(profile).chain(wiring).flatten().collect()
    }

    /// The wiring's name, unless it is the one that the bug needs, or that is used without a bug.
    pub fn other_wiring(&self) -> Option<String> {
        let usual = self.bug.map_or(Wiring::Verified, Bug::wiring);
        (self.wiring != usual).then(|| self.wiring.name().to_owned())
    }

    /// The profile's name, unless it is the clean one.
    pub fn other_profile(&self) -> Option<String> {
        (self.profile != Profile::Fixed).then(|| self.profile.to_string())
    }

    /// The words that make this case again on a command line: test, seed, bug, options that differ; or where its plan is.
    pub fn words(&self) -> Vec<String> {
        let mut words = match &self.plan {
            Some(Planned { place, .. }) => vec![place.clone()],
            None => vec![self.test.name.to_owned(), self.seed.to_string()],
        };
        if self.plan.is_none() {
            words.extend(self.extra_words());
            words.extend(self.options.replay_args(&self.base()));
        }
        let planned = self.plan.as_ref().map(|planned| &planned.plan.told.overrides[..]);
        let overrides = self.world.iter().flat_map(|world| &world.overrides);
        let said = overrides.filter(|fate| !planned.unwrap_or_default().contains(fate));
        words.extend(said.flat_map(|fate| ["--message".to_owned(), fate.to_string()]));
        words
    }

    /// What a run folder keeps of the case beyond its options.
    pub fn extra(&self) -> BTreeMap<String, String> {
        let bug = self.bug.map(|bug| (BUG.to_owned(), bug.to_string()));
        let profile = self.other_profile().map(|name| (PROFILE.to_owned(), name));
        let wiring = (WIRING.to_owned(), self.wiring.name().to_owned());
        bug.into_iter().chain(profile).chain([wiring]).collect()
    }

    /// The case of a run folder. A real run does not say how it was wired: as its bug needs it.
    pub fn stored(
        test: Test,
        seed: Seed,
        options: Options,
        extra: &BTreeMap<String, String>,
    ) -> Result<Case, String> {
        let bug::Told { bug, wiring, profile } = bug::told(extra)?;
        let wiring = wiring.unwrap_or_else(|| bug.map_or(Wiring::Verified, Bug::wiring));
        Ok(Case { test, options, bug, profile, wiring, seed, world: None, plan: None })
    }

    /// The case that a plan decides; `place` is what is typed to run it again.
    pub fn planned(plan: Plan, place: &str) -> Result<Case, String> {
        let test = catalog::find(&plan.test)?;
        plan.check(&test)?;
        let Plan { seed, ref options, ref told, .. } = plan;
        let params = match told.world.is_empty() {
            true => WorldParams::from_seed(seed),
            false => WorldParams::from_numbers(&told.world)?,
        };
        let world = Some(WorldParams { overrides: told.overrides.clone(), ..params });
        let case = Case::stored(test, seed, options.clone(), &told.extra)?;
        let place = place.to_owned();
        Ok(Case { world, plan: Some(Planned { plan: Arc::new(plan), place }), ..case })
    }

    /// What the world is like.
    pub fn world(&self) -> WorldParams {
        self.world.clone().unwrap_or_else(|| WorldParams {
            buggify_ppm: u64::from(self.options.buggify) * 10_000,
            lifts_disk_bound: self.options.disk_bound == DiskBound::None,
            ..WorldParams::from_seed(self.seed)
        })
    }

    /// What the seed makes of the run, in words by name: the world, and which faults it uses where no plan says so.
    pub fn drawn(&self) -> BTreeMap<String, String> {
        let mut drawn = self.world().to_map();
        if self.plan.is_none() {
            drawn.extend(Swarm::of(self.seed, &self.options.faults, false).told());
        }
        drawn
    }

    /// Runs it on a fresh thread and judges it there, when the runtime is gone.
    pub fn execute(self) -> Result<Outcome, RunError> {
        self.perform(None, Observe::default()).map(|(outcome, _)| outcome)
    }

    /// [`Case::execute`], with the events of a window as text.
    pub fn execute_recorded(self, window: Window) -> Result<(Outcome, Vec<String>), RunError> {
        let (outcome, seen) = self.perform(Some(window), Observe::default())?;
        Ok((outcome, seen.events))
    }

    /// [`Case::execute`], with what is to be observed of it.
    pub fn execute_observed(self, observe: Observe) -> Result<(Outcome, Vec<File>), RunError> {
        let (outcome, seen) = self.perform(None, observe)?;
        Ok((outcome, seen.files))
    }

    fn perform(
        self,
        record: Option<Window>,
        observe: Observe,
    ) -> Result<(Outcome, Seen), RunError> {
        on_fresh_thread(move || {
            let before = thread_cpu_ms();
            let world = self.world();
            let record = record.or(world.record);
            let world = WorldParams { record, ..world };
            let guest = Rc::new(Elastickv::new(self.node_options(&world)));
            let (test, options, seed) = (self.test.clone(), self.options.clone(), self.seed);
            let drivers = self.plan.as_ref().map(|planned| planned.plan.drivers());
            let walk = simulate_here(seed, world, options.nodes, guest, |cluster| async move {
                let hooks = Hooks { drivers, ..Hooks::default() };
                if observe.is_any() {
                    cluster.world().observe_as(observe);
                }
                let done = run_with(&test, &options, &*cluster, seed, hooks).await?;
                let events = cluster.world().trace().lines().to_vec();
                let files = cluster.world().written(&done, &options);
                Ok::<_, RunError>((done, Seen { events, files }))
            });
            let (mut done, seen) = walk?;
            done.artifacts.trace_hash = with_history(&done);
            let judgement = judge(&self.test, &self.options, &done);
            let cpu_ms = thread_cpu_ms() - before;
            Ok((Outcome { case: self, run: done, judgement, cpu_ms }, seen))
        })
    }
}

impl Outcome {
    /// The run's decisions; `commit` and `build` are the ones that ran. Of a planned run they are its plan's: where threads
    /// were busy at other times than the plan knew of, its history does not show all moments that were waited for.
    pub fn plan(&self, commit: &str, build: u64) -> Plan {
        let Outcome { case, run, .. } = self;
        let world = case.world();
        let told =
            Told { extra: case.extra(), world: world.to_numbers(), overrides: world.overrides };
        let trace_hash = run.artifacts.trace_hash;
        let taken = Taken { commit: commit.to_owned(), build, trace_hash };
        match &case.plan {
            Some(Planned { plan, .. }) => Plan { told, taken, ..Plan::clone(plan) },
            None => Plan::of(run, &case.options, told, taken),
        }
    }
}

/// The run's hash: what happened in the world, then what the clients saw.
pub(crate) fn with_history(run: &Run) -> u64 {
    let mut text = Vec::new();
    write_lines(&run.history, &mut text).expect("memory takes every write");
    trace::digest_bytes(run.artifacts.trace_hash, &text)
}

/// CPU time of this thread so far; 0 where the system does not say.
pub fn thread_cpu_ms() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = schedstat.split(' ').next().and_then(|first| first.parse::<u64>().ok());
    nanos.unwrap_or(0) as f64 / 1e6
}
