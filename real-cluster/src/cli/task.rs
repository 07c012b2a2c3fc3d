//! What `run` is to do, every word read: a test with what a seed makes of it, or a plan.

use super::database::{Database, Named};
use super::hosts::Hosts;
use super::performed::{HOSTS, OF_THIS_WORLD, PLAN, test_of};
use elastickv::bug::{self, BUG, Bug, PROFILE, Profile, WIRING};
use elastickv::options::Wiring;
use harness::catalog;
use harness::cli::output::note;
use harness::cli::setup::Setup;
use harness::fault::FaultKind;
use harness::nemesis::disk::DiskBound;
use harness::options::Options;
use harness::plan::Plan;
use harness::seed::Seed;
use harness::store::{self, Params, World};
use harness::test::Test;
use real_cluster::local::faults::supports;
use real_cluster::site::Sites;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What says it.
#[derive(clap::Args)]
pub struct Words {
    /// Which test: `list` has their names; a plan has it in it
    #[arg(required_unless_present = "plan")]
    test: Option<String>,
    /// Asks and breaks what a plan says, in place of what a seed makes: a .plan file, or the folder of a run, simulated or real
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Starts so many nodes on this machine, on loopback addresses, without root
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    local: Option<String>,
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub database: Database,
    /// What is asked and what is broken, in hex or decimal; not what happens [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<String>,
    #[command(flatten)]
    setup: Setup,
}

/// What is to be run.
pub struct Task {
    pub test: Test,
    pub options: Options,
    pub seed: Seed,
    pub bug: Option<Bug>,
    /// What is wrong beside it.
    pub profile: Profile,
    /// How writes reach Raft, if not as usual.
    pub wiring: Option<Wiring>,
    pub place: Place,
    /// The kinds of fault that were asked for by name.
    pub named: Vec<FaultKind>,
    /// What is asked and broken, if a plan says so, and where that is.
    pub plan: Option<(Plan, String)>,
}

/// Where it is run.
pub enum Place {
    /// On this machine.
    Local,
    /// On hosts, with this database, and the words that mean both.
    Hosts(Sites, Named, String),
}

impl Place {
    fn is_elastickv_node(&self) -> bool {
        matches!(self, Place::Local | Place::Hosts(_, Named::ElastickvNode, _))
    }
}

impl Task {
    /// Reads all words.
    pub fn read(words: &Words) -> Result<Task, String> {
        let plan = words.plan.as_deref().map(|place| plan(words, place)).transpose()?;
        let name = plan.as_ref().map(|(plan, _)| &plan.test).or(words.test.as_ref());
        let mut test = test_of(name.expect("clap asks for one of both"))?;
        let seed: Seed = match (&plan, &words.seed) {
            (Some((plan, _)), _) => plan.seed,
            (None, said) => said.as_deref().unwrap_or("1").parse()?,
        };
        let bug::Told { bug, wiring, profile } = match &plan {
            Some((plan, place)) => {
                bug::told(&plan.told.extra).map_err(|why| format!("{place}: {why}"))?
            }
            None => {
                let bug = words.setup.bug.as_deref().map(str::parse).transpose()?;
                let profile = words.setup.profile.as_deref().map(str::parse).transpose()?;
                let wiring = words.setup.wiring.as_deref().map(str::parse).transpose()?;
                bug::Told { bug, wiring, profile: profile.unwrap_or_default() }
            }
        };
        let is_made_for_ours = bug.is_some() || profile != Profile::Fixed || wiring.is_some();
        let wiring = wiring.or(bug.map(Bug::wiring));
        let place = place(words, &mut test, is_made_for_ours)?;
        let mut options = Options::defaults_of(&test);
        if let Some((plan, _)) = &plan {
            let nodes = options.nodes;
            if plan.options.nodes != nodes {
                let planned = plan.options.nodes;
                return Err(format!(
                    "the plan is of {planned} nodes, and here are {nodes}: give {planned}"
                ));
            }
            let own = options.words_and_values().into_iter();
            let own = own.filter(|(word, _)| OF_THIS_WORLD.contains(word));
            options = plan.options.clone();
            for (word, value) in own {
                options.set(word, &value)?;
            }
        }
        let mut setup = words.setup.clone();
        setup.take("nodes");
        setup.apply(&mut options).map_err(|why| why.replace("--nodes", "--local"))?;
        for (word, is_said) in
            [("groups", options.groups > 1), ("snapshot-entries", options.snapshot_entries > 0)]
        {
            if is_said && !place.is_elastickv_node() {
                return Err(format!("--{word} is for elastickv-node alone: leave it or --db out"));
            }
        }
        // The layers of a real node have no rare branches; a plan of a simulated run may say that its had.
        if options.buggify > 0 && setup.says("buggify") {
            return Err(
                "--buggify is for simulations: a real node takes no rare branches".to_owned()
            );
        }
        options.buggify = 0;
        if options.disk_bound != DiskBound::Minority && setup.says("disk-bound") {
            return Err(
                "--disk-bound is for simulations: no disk is lost on a real cluster".to_owned()
            );
        }
        options.disk_bound = DiskBound::Minority;
        let named = setup.named();
        if matches!(place, Place::Local) {
            offered(&named, "--local", |kind| supports(kind).map_err(str::to_owned))?;
        }
        for sentence in setup.left_out(&options) {
            note(sentence);
        }
        Ok(Task { test, options, seed, bug, profile, wiring, place, named, plan })
    }

    /// Says which faults cannot be had, and takes them out of the plan.
    pub fn leave_out(&mut self, can: impl Fn(FaultKind) -> Result<(), String>) {
        for kind in &self.options.faults {
            if let Err(why) = can(*kind) {
                note(format_args!("{kind} is left out: {why}"));
            }
        }
        let Some((plan, _)) = &mut self.plan else { return };
        let kinds = plan.kinds().into_iter().filter(|kind| can(*kind).is_err());
        let kinds: Vec<FaultKind> = kinds.collect();
        let left = plan.without(&kinds);
        let (all, kept) = (plan.faults().count(), left.faults().count());
        if kept < all {
            note(format_args!(
                "{} of the plan's {all} faults and undoings are left out",
                all - kept
            ));
        }
        match plan.told.overrides.len() {
            0 => {}
            count => note(format_args!(
                "what the plan says of {count} single messages is left out: no real network can be told"
            )),
        }
        *plan = left;
    }

    pub fn params(&self) -> Params {
        let bug = self.bug.map(|bug| (BUG.to_owned(), bug.to_string()));
        let profile = self.other_profile().map(|name| (PROFILE.to_owned(), name.to_owned()));
        let other = self.wiring.filter(|wiring| *wiring != self.usual_wiring());
        let wiring = other.map(|wiring| (WIRING.to_owned(), wiring.name().to_owned()));
        let hosts = match &self.place {
            Place::Local => None,
            Place::Hosts(_, _, words) => Some((HOSTS.to_owned(), words.clone())),
        };
        let plan = self.plan.as_ref().map(|(_, place)| (PLAN.to_owned(), place.clone()));
        Params {
            world: World::Real,
            test: self.test.name.to_owned(),
            seed: self.seed.to_string(),
            options: self.options.clone(),
            extra: bug.into_iter().chain(profile).chain(wiring).chain(hosts).chain(plan).collect(),
            drawn: BTreeMap::new(),
        }
    }

    /// What every node is told.
    pub fn node_args(&self) -> Vec<String> {
        let wiring = self.wiring.map(|wiring| ["--wiring", wiring.name()].map(str::to_owned));
        let bug = self.bug.map(|bug| ["--bug", bug.name()].map(str::to_owned));
        let profile = self.other_profile().map(|name| ["--profile", name].map(str::to_owned));
        let entries = self.options.snapshot_entries;
        let snapshots =
            (entries > 0).then(|| ["--snapshot-entries".to_owned(), entries.to_string()]);
        bug.into_iter().chain(profile).chain(wiring).chain(snapshots).flatten().collect()
    }

    /// Without a word of it.
    fn usual_wiring(&self) -> Wiring {
        self.bug.map_or(Wiring::Verified, Bug::wiring)
    }

    fn other_profile(&self) -> Option<&'static str> {
        (self.profile != Profile::Fixed).then(|| self.profile.name())
    }
}

/// Kinds that were asked for by name must be possible.
pub fn offered(
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

/// The plan that was named, where nothing else was said of what it decides.
fn plan(words: &Words, place: &Path) -> Result<(Plan, String), String> {
    let plan = store::plan_of(place).map_err(|error| error.to_string())?;
    if let Some(test) = words.test.as_ref().filter(|test| **test != plan.test) {
        catalog::find(test)?;
        return Err(format!(
            "the plan is of test `{}`, not of `{test}`: leave the name out",
            plan.test
        ));
    }
    let decided = Options::words().into_iter().filter(|word| !OF_THIS_WORLD.contains(word));
    let said = decided.filter(|word| *word != "nodes" && words.setup.says(word));
    let mut said: Vec<&str> = said.collect();
    said.extend(words.setup.bug.as_ref().map(|_| "bug"));
    said.extend(words.setup.profile.as_ref().map(|_| "profile"));
    said.extend(words.setup.wiring.as_ref().map(|_| "wiring"));
    said.extend(words.seed.as_ref().map(|_| "seed"));
    match said.first() {
        Some(word) => {
            Err(format!("--{word} is decided by the plan: leave it out, or run without --plan"))
        }
        None => Ok((plan, place.display().to_string())),
    }
}

/// Where to run; the number of nodes becomes the test's own.
fn place(words: &Words, test: &mut Test, planted: bool) -> Result<Place, String> {
    let nodes = words.setup.clone().take("nodes");
    let mut said = |word: &str, value: &str| {
        test.defaults.set("nodes", value).map_err(|why| why.replace("--nodes", word))
    };
    match (&words.local, words.hosts.are_meant(nodes.as_deref())) {
        (Some(_), true) => {
            Err("--local and hosts are two places: give --local N, --testbed or --nodes FILE"
                .to_owned())
        }
        (None, false) => {
            Err("where to run is missing: --local N, --testbed or --nodes FILE says so".to_owned())
        }
        (Some(_), false) if words.database.is_said() => {
            Err("--db, --watchdog and --tcpdump are for hosts: --local starts elastickv-node"
                .to_owned())
        }
        (Some(count), false) => {
            said("--local", count)?;
            Ok(Place::Local)
        }
        (None, true) => {
            let sites = words.hosts.sites(nodes.as_deref())?;
            said("--nodes", &sites.count().to_string())?;
            let named = words.database.named(&sites)?;
            if planted && !matches!(named, Named::ElastickvNode) {
                return Err(
                    "a bug can be planted in elastickv-node alone: leave it or --db out".to_owned()
                );
            }
            let words = words.hosts.words(nodes.as_deref()) + &words.database.words();
            Ok(Place::Hosts(sites, named, words))
        }
    }
}
