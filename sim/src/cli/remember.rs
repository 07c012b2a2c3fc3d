//! `remember`: from a kept run to a case of the corpus, and a case that drifted recorded again.

use super::confirm::anew;
use super::progress::Progress;
use super::shrink::{SHRUNK, smaller};
use super::{keep, planned};
use anyhow::{Context, bail, ensure};
use harness::checker::Verdict;
use harness::cli::output::{Output, note};
use harness::plan::Plan;
use harness::report::SEED_OF_REAL;
use harness::store::{self, World};
use serde_json::json;
use sim::corpus::{Broken, Expect, Remembered, SEEDS, SPAN, Story, kebab, marks};
use sim::execute::{Case, Outcome};
use sim::record::hash_text;
use sim::signature::Signature;
use sim::sweep::{Tally, ran};
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

/// Runs that may be spent on a smaller plan.
const BUDGET: u64 = 4000;
/// Seeds that are tried for a case that drifted.
const SEARCHED: u64 = 300;

/// Makes a kept run a case of the corpus, which every test run replays
#[derive(clap::Args)]
#[command(after_help = "\
The run is replayed first and must show what is remembered. With a planted bug the case says that the bug is found; without
one it says that the run is valid, which it will be once the failure is mended: until then `cargo test` fails. A valid run is
remembered with --expect valid, and the marks that make it the story that it is.

Examples:
  cargo sim remember store/redis-append/0x2a --as votes-survive-a-restart --why 'a vote was forgotten by a kill'
  cargo sim remember store/redis-append/0x2a --expect valid --reaches kill --reaches 'snapshot installed' --why '…'
  cargo sim remember --again seeds/redis-append/exec-on-follower.toml")]
pub struct Remember {
    /// A run's folder (its shrunk.plan, if it has one), a plan, or with --again a case
    #[arg(value_name = "FOLDER|PLAN|CASE")]
    place: PathBuf,
    /// The story's name: lower-case words with dashes; otherwise the bug's or the anomaly's
    #[arg(long = "as", value_name = "STORY")]
    name: Option<String>,
    /// Why it is remembered, in one line
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// What its runs must be from now on: invalid or valid
    #[arg(long, value_name = "VERDICT")]
    expect: Option<String>,
    /// A mark, or a kind of fault that acts, without which a valid run is another story
    #[arg(long, value_name = "MARK")]
    reaches: Vec<String>,
    /// The corpus
    #[arg(long, value_name = "DIR", default_value = SEEDS)]
    seeds: PathBuf,
    /// Replaces a case of that name; of a case: looks for a seed that shows it and records that
    #[arg(long)]
    again: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// A run that is to be remembered.
struct Kept {
    /// What is kept of it.
    plan: Plan,
    /// The run that its seed makes: it may have been longer than the plan is.
    seeded: Case,
    /// What it showed when it was kept.
    verdict: Option<Verdict>,
}

impl Remember {
    pub fn act(self) -> anyhow::Result<u8> {
        if self.place.extension().is_some_and(|extension| extension == "toml") {
            return self.record_again();
        }
        let seeds = self.seeds.display();
        ensure!(
            self.seeds.is_dir(),
            "there is no corpus `{seeds}` here: go to the root of the repository, or name one with --seeds"
        );
        let kept = self.kept()?;
        let place = self.place.display().to_string();
        let case = Case::planned(kept.plan.clone(), &place).map_err(anyhow::Error::msg)?;
        let outcome = ran(&case).map_err(anyhow::Error::msg)?;
        let story = self.story(&kept, &outcome)?;
        let name = self.name(&story);
        let remembered = Remembered::at(&self.seeds, &name, story)?;
        match self.again {
            true => remembered.replace(&kept.plan)?,
            false => remembered.write(&kept.plan)?,
        }
        self.tell(&remembered, &kept.plan, &outcome)?;
        Ok(0)
    }

    fn kept(&self) -> anyhow::Result<Kept> {
        let place = self.place.as_path();
        if !place.is_dir() {
            let (plan, seeded) = (store::plan_of(place)?, planned::case(place)?);
            return Ok(Kept { plan, seeded, verdict: None });
        }
        let name = place.display();
        ensure!(
            place.join("params.json").is_file(),
            "`{name}` is no run folder, which has a params.json"
        );
        let stored = store::load(place)?;
        ensure!(
            stored.params.world == World::Simulated,
            "`{name}` is a run of real processes, which nothing replays: its seed {SEED_OF_REAL}"
        );
        let shrunk = place.join(SHRUNK);
        let plan = store::plan_of(if shrunk.is_file() { &shrunk } else { place })?;
        let seeded = planned::case(place)?;
        Ok(Kept { plan, seeded, verdict: stored.judgement.map(|judgement| judgement.verdict) })
    }

    fn story(&self, kept: &Kept, outcome: &Outcome) -> anyhow::Result<Story> {
        let signature = match &outcome.judgement.verdict {
            Verdict::Unknown(reasons) => {
                bail!("the run is unknown and shows nothing to remember: {}", reasons.join("; "))
            }
            Verdict::Valid => None,
            Verdict::Invalid(_) => Some(signature(kept, outcome)?),
        };
        let expect = self.expected(kept, signature.as_ref())?;
        let case = &kept.seeded;
        if let Some(profile) = case.other_profile() {
            bail!(
                "a run of profile {profile} is not remembered: a case is of the clean profile, or of one bug of it"
            );
        }
        let bug = case.bug.map(|bug| bug.name().to_owned());
        let why = match (&self.why, case.bug, &signature) {
            (Some(why), _, _) => why.clone(),
            (None, Some(bug), _) => format!("{}, planted", bug.origin()),
            (None, None, Some(signature)) => signature.to_string(),
            (None, None, None) => bail!("a valid run needs a reason to be remembered: --why TEXT"),
        };
        let story = Story {
            why,
            test: case.test.name.to_owned(),
            seed: case.seed.to_string(),
            span: SPAN,
            bug,
            expect,
            anomaly: signature.as_ref().map(|signature| signature.anomaly.clone()),
            found_by: signature.map(|signature| signature.found_by),
            reaches: self.reaches.clone(),
            found_at: found_at(&kept.plan),
            options: Story::options_of(case),
        };
        story.check().map_err(anyhow::Error::msg)?;
        let unreached = story.unreached(outcome);
        if !unreached.is_empty() {
            let reached = Vec::from_iter(marks(outcome)).join(", ");
            bail!("the run does not reach `{}`: it reaches {reached}", unreached.join("`, `"));
        }
        Ok(story)
    }

    fn expected(&self, kept: &Kept, signature: Option<&Signature>) -> anyhow::Result<Expect> {
        let said = match self.expect.as_deref() {
            None => None,
            Some("invalid") => Some(Expect::Invalid),
            Some("valid") => Some(Expect::Valid),
            Some(other) => bail!("`{other}` does not fit --expect: invalid or valid"),
        };
        match (said, signature) {
            (None, None) => bail!(
                "the run is valid, so it shows no failure: --expect valid remembers that it is, with --reaches and --why"
            ),
            (Some(Expect::Invalid), None) => {
                bail!("the run is valid, so it cannot be remembered with --expect invalid")
            }
            (Some(said), _) => Ok(said),
            (None, Some(_)) if kept.seeded.bug.is_some() => Ok(Expect::Invalid),
            (None, Some(_)) => Ok(Expect::Valid),
        }
    }

    fn name(&self, story: &Story) -> String {
        let shown = story.bug.as_deref().or(story.anomaly.as_deref());
        self.name.clone().unwrap_or_else(|| kebab(shown.unwrap_or("valid")))
    }

    /// What a stale case names as its remedy.
    fn record_again(self) -> anyhow::Result<u8> {
        let place = self.place.display();
        ensure!(
            self.again,
            "`{place}` is a case already: `cargo sim remember --again {place}` records it again"
        );
        ensure!(
            self.name.is_none() && self.expect.is_none() && self.reaches.is_empty(),
            "a case that is recorded again stays what it is: leave out --as, --expect and --reaches, and edit {place}"
        );
        let mut remembered = Remembered::load(&self.place)?;
        let outcome = match search(&remembered) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                let Story { seed, .. } = remembered.story;
                note(format_args!(
                    "none of {SEARCHED} seeds from {seed} on shows {place}, which is left as it was: change its options, or remove both files if its story is over"
                ));
                return Ok(2);
            }
            Err(Broken::Regression(report)) => {
                Output::default().text(report)?;
                return Ok(1);
            }
            Err(broken) => bail!("{broken}"),
        };
        let plan = match remembered.story.signature() {
            Some(signature) if remembered.story.expect == Expect::Invalid => {
                smaller(&outcome, &signature, BUDGET)?
            }
            _ => keep::plan(&outcome)?,
        };
        confirm(&remembered, &plan)?;
        remembered.story.seed = outcome.case.seed.to_string();
        remembered.story.found_at = found_at(&plan);
        if let Some(why) = &self.why {
            remembered.story.why = why.clone();
        }
        remembered.story.check().map_err(anyhow::Error::msg)?;
        remembered.replace(&plan)?;
        self.tell(&remembered, &plan, &outcome)?;
        Ok(0)
    }

    fn tell(&self, remembered: &Remembered, plan: &Plan, outcome: &Outcome) -> anyhow::Result<()> {
        let Remembered { file, story } = remembered;
        let (operations, faults) = (plan.asks.len(), plan.faults().count());
        let is_red = story.expect == Expect::Valid && outcome.judgement.verdict != Verdict::Valid;
        let mut out = Output::default();
        if self.json {
            out.object(&json!({
                "case": file, "plan": remembered.plan_file(), "story": story,
                "operations": operations, "faults": faults, "holds": !is_red,
            }))?;
        } else {
            out.text(format_args!("remembered {}: {}\n", file.display(), story.says()))?;
            out.text(format_args!(
                "  plan: {operations} operations, {faults} faults and undoings\n"
            ))?;
        }
        if is_red {
            note(format_args!(
                "it must be valid and is not yet: `cargo test -p sim --test seeds` fails until what it shows is mended"
            ));
        }
        Ok(())
    }
}

/// The commit at which it was seen.
fn found_at(plan: &Plan) -> String {
    match plan.taken.commit.as_str() {
        "" => "unknown".to_owned(),
        commit => commit.to_owned(),
    }
}

/// What the replay shows of what the run showed when it was kept.
fn signature(kept: &Kept, outcome: &Outcome) -> anyhow::Result<Signature> {
    let own = Signature::of(outcome).context("an invalid run has an anomaly")?;
    let Some(verdict) = &kept.verdict else { return Ok(own) };
    if own.is_in(verdict) {
        return Ok(own);
    }
    let then = Signature::all(verdict);
    let both = then.iter().find(|signature| signature.is_in(&outcome.judgement.verdict));
    both.cloned().with_context(|| {
        let then: Vec<String> = then.iter().map(ToString::to_string).collect();
        let then = if then.is_empty() { verdict.name().to_owned() } else { then.join(", ") };
        format!("its plan does not show what the run showed, {then}, but {own}: keep the run of this build")
    })
}

/// The first run that shows a case, of so many seeds from its own on.
fn search(remembered: &Remembered) -> Result<Option<Box<Outcome>>, Broken> {
    let error = |sentence: String| Broken::Error(sentence);
    let story = &remembered.story;
    let case = story.seed().and_then(|seed| story.case(seed)).map_err(error)?;
    note(format_args!("{}  {SEARCHED} seeds from {} on", remembered.file.display(), story.seed));
    let progress = Progress::new(case.test.name, SEARCHED);
    let mut tally = Tally::new(&case);
    let jobs = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let found = remembered.first(SEARCHED, jobs, |record| {
        tally.add(record);
        progress.advance(&tally);
    });
    progress.finish();
    Ok(found?.map(|shown| shown.outcome))
}

/// Replays a plan in a fresh process. `Err`: it is another run there.
fn confirm(remembered: &Remembered, plan: &Plan) -> anyhow::Result<()> {
    // Not seen as a part of the corpus, should this process end here.
    let draft = remembered.plan_file().with_file_name(format!(".{}.plan", remembered.name()));
    store::write_plan(&draft, plan)?;
    let said = anew(&[draft.display().to_string()]).map_err(anyhow::Error::msg);
    fs::remove_file(&draft).with_context(|| draft.display().to_string())?;
    let (ours, theirs) = (hash_text(plan.taken.trace_hash), said?["trace_hash"].take());
    ensure!(
        theirs == *ours,
        "the run did not replay: its trace hash was {ours} here and {theirs} in a fresh process"
    );
    Ok(())
}
