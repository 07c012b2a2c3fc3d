//! From a failing run to a short story with the same signature: delta debugging (Zeller and Hildebrandt, 2002) on its plan.
//!
//! ```text
//!   Plan ── cut time ── fewer nodes, faults, clients, keys, operations ── closer together ── a calmer world ──> Plan
//!                 ^                                                                              │
//!                 └──────────────── until nothing can be left out, or the budget is spent ───────┘
//! ```
//!
//! Leaving something out shifts what messages meet, and a race may be missed for that alone; so what no longer fails is tried
//! again under a few other seeds before it is given up.
//!
//! Promises: every plan that is taken was run and shows the signature; the same plan, build and budget give the same result,
//! with any number of threads and however often it was interrupted, since what was learned is in a journal. Cannot
//! promise: the smallest plan of all.

use crate::execute::Case;
use crate::signature::Signature;
use crate::sweep::{Hands, Numbers, in_order, ran};
use harness::checker::{Anomaly, Verdict};
use harness::cluster::NodeId;
use harness::fault::Fault;
use harness::plan::Plan;
use harness::run::{Phase, Run};
use harness::seed::Seed;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

mod journal;
mod passes;
mod smaller;

pub use journal::{Journal, JournalError, Shown};

/// What may be spent, and on how many threads.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Runs, those included that a journal remembers.
    pub runs: u64,
    /// Threads.
    pub jobs: NonZeroUsize,
}

/// How large a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Faults and undoings.
    pub faults: usize,
    /// Operations.
    pub asks: usize,
    /// Micro-operations of all of them.
    pub mops: usize,
    /// Clients that ask.
    pub clients: usize,
    /// Nodes.
    pub nodes: u16,
    /// Time until all is healed.
    pub until: Duration,
}

impl Size {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Size {
        let mut threads: Vec<u16> = plan.asks.iter().map(|ask| ask.thread).collect();
        threads.sort_unstable();
        threads.dedup();
        Size {
            faults: plan.faults().count(),
            asks: plan.asks.len(),
            mops: plan.asks.iter().map(|ask| ask.op.length()).sum(),
            clients: threads.len(),
            nodes: plan.options.nodes,
            until: plan.until,
        }
    }
}

/// Told after every candidate: runs so far, and the best plan when it is a new one.
pub type Watch<'w> = &'w mut dyn FnMut(u64, Option<&Plan>);

/// What came of it.
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// Runs that it took.
    pub runs: u64,
    /// Whether the budget was spent before nothing more could be left out.
    pub spent: bool,
}

/// Shrinks a plan that shows a signature. `Err`: it does not show it, or the journal cannot be written.
pub fn shrink(
    plan: &Plan,
    signature: &Signature,
    budget: Budget,
    journal: &Journal,
    watch: Watch,
) -> Result<Shrunk, String> {
    let mut shrinker = Shrinker {
        best: plan.clone(),
        signature,
        budget,
        journal,
        watch,
        runs: 0,
        salts: 0,
        first: plan.seed,
        failed: None,
    };
    if shrinker.take_here(1, |best, _| best.clone()).is_none() {
        let failed = shrinker.failed.take();
        return Err(failed.unwrap_or_else(|| format!("the plan does not show {signature}")));
    }
    passes::all(&mut shrinker);
    let spent = shrinker.is_spent();
    match shrinker.failed.take() {
        Some(error) => Err(error),
        None => Ok(Shrunk { runs: shrinker.runs, spent, plan: shrinker.best }),
    }
}

/// The best plan so far and how a better one is looked for.
struct Shrinker<'a> {
    best: Plan,
    signature: &'a Signature,
    budget: Budget,
    journal: &'a Journal,
    watch: Watch<'a>,
    runs: u64,
    /// Other seeds under which a candidate is tried.
    salts: u64,
    /// The seed that everything began with.
    first: Seed,
    /// The journal could not be written.
    failed: Option<String>,
}

impl Shrinker<'_> {
    fn is_spent(&self) -> bool {
        self.runs >= self.budget.runs || self.failed.is_some()
    }

    /// The first of so many candidates that shows the signature becomes the best plan: its index. Under the present seed
    /// first, then all of them under each of the others.
    fn take(
        &mut self,
        count: usize,
        candidate: impl Fn(&Plan, usize) -> Plan + Sync,
    ) -> Option<usize> {
        let present = self.best.seed;
        (0..=self.salts).find_map(|salt| {
            let seed = if salt == 0 { present } else { salted(self.first, salt) };
            self.take_under(seed, count, &candidate)
        })
    }

    /// [`Shrinker::take`] under the present seed alone.
    fn take_here(
        &mut self,
        count: usize,
        candidate: impl Fn(&Plan, usize) -> Plan + Sync,
    ) -> Option<usize> {
        self.take_under(self.best.seed, count, &candidate)
    }

    fn take_under(
        &mut self,
        seed: Seed,
        count: usize,
        candidate: &(impl Fn(&Plan, usize) -> Plan + Sync),
    ) -> Option<usize> {
        let count = (count as u64).min(self.budget.runs.saturating_sub(self.runs));
        let (best, journal, signature) = (&self.best, self.journal, self.signature);
        let make = |index: u64| Plan { seed, ..candidate(best, index as usize) };
        let work = |index: u64| {
            let plan = make(index);
            let digest = journal::digest(&plan);
            (digest, journal.get(digest).unwrap_or_else(|| shown(plan, signature)))
        };
        let is_last = |(_, shown): &(u64, Option<Shown>)| shown.is_some();
        let (mut runs, mut taken, mut failed) = (self.runs, None, None);
        let watch = &mut self.watch;
        let numbers = Numbers { range: 0..count, jobs: self.budget.jobs };
        let hands = Hands { more: || true, last: is_last };
        in_order(
            numbers,
            hands,
            || work,
            |(digest, shown)| {
                let index = runs - self.runs;
                runs += 1;
                taken = shown.map(|shown| (index, shown));
                failed = journal.add(digest, shown).err().map(|error| error.to_string());
                watch(runs, None);
                match failed.is_some() || taken.is_some() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
        let next = taken.map(|(index, shown)| (index as usize, make(index), shown));
        (self.runs, self.failed) = (runs, failed);
        let (index, plan, shown) = next?;
        self.best = plan;
        self.best.taken.trace_hash = shown.trace_hash;
        (self.watch)(self.runs, Some(&self.best));
        Some(index)
    }

    /// [`Shrinker::take`] of candidates that are made already.
    fn take_of(&mut self, candidates: &[Plan]) -> Option<usize> {
        self.take(candidates.len(), |_, index| candidates[index].clone())
    }

    /// When the best plan's failure is complete.
    fn shown_by(&self) -> Option<Duration> {
        self.journal.get(journal::digest(&self.best))?.map(Shown::by)
    }
}

/// Another seed, far from the first and from its neighbours.
fn salted(first: Seed, salt: u64) -> Seed {
    Seed(first.0 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Runs a candidate. One that cannot be run shows nothing.
fn shown(plan: Plan, signature: &Signature) -> Option<Shown> {
    let case = Case::planned(plan, "").ok()?;
    let outcome = ran(&case).ok()?;
    let verdict = &outcome.judgement.verdict;
    let by = moment(&outcome.run, verdict, signature)?;
    Some(Shown::new(by, outcome.run.artifacts.trace_hash))
}

/// The last moment that belongs to an anomaly of this signature: of the one that is complete first.
fn moment(run: &Run, verdict: &Verdict, signature: &Signature) -> Option<Duration> {
    let Verdict::Invalid(anomalies) = verdict else { return None };
    let ours = anomalies
        .iter()
        .filter(|a| a.name == signature.anomaly && a.found_by == signature.found_by);
    let healed = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal);
    let healed = healed.map_or(Duration::MAX, |(_, began)| *began);
    let complete = |anomaly: &Anomaly| {
        let events = anomaly.events.iter().filter_map(|index| run.history.events.get(*index));
        // Reads at the end complete nothing: they come in any case.
        let events = events.filter(|event| event.time < healed);
        let finding = run.artifacts.findings.iter().find(|f| f.name == anomaly.name);
        events.map(|event| event.time).max().or(finding.map(|finding| finding.time))
    };
    // Without a time it is complete at the end.
    ours.map(|anomaly| complete(anomaly).unwrap_or_else(|| run.lasted())).min()
}

/// A fault without what it says of nodes above `nodes`; `None` if nothing is left.
fn within(fault: &Fault, nodes: u16) -> Option<Fault> {
    let is_there = |node: &NodeId| node.0 <= nodes;
    let those_there = |of: &[NodeId]| of.iter().copied().filter(is_there).collect::<Vec<NodeId>>();
    let links_there = |of: &[(NodeId, NodeId)]| {
        let links = of.iter().copied().filter(|(a, b)| is_there(a) && is_there(b));
        links.collect::<Vec<(NodeId, NodeId)>>()
    };
    match fault {
        Fault::Partition { shape, cuts } => {
            let cuts = links_there(cuts);
            (!cuts.is_empty()).then(|| Fault::Partition { shape: shape.clone(), cuts })
        }
        Fault::Slow { nodes: slowed, delay_ms, jitter_ms } => {
            let (nodes, delay_ms, jitter_ms) = (those_there(slowed), *delay_ms, *jitter_ms);
            (!nodes.is_empty()).then_some(Fault::Slow { nodes, delay_ms, jitter_ms })
        }
        Fault::Flaky { nodes, loss_percent, duplicate_percent } => {
            let (loss_percent, duplicate_percent) = (*loss_percent, *duplicate_percent);
            let nodes = those_there(nodes);
            (!nodes.is_empty()).then_some(Fault::Flaky { nodes, loss_percent, duplicate_percent })
        }
        Fault::Throttle { nodes, kib_per_s } => {
            let (nodes, kib_per_s) = (those_there(nodes), *kib_per_s);
            (!nodes.is_empty()).then_some(Fault::Throttle { nodes, kib_per_s })
        }
        Fault::CutClients { nodes, way } => {
            let nodes = those_there(nodes);
            (!nodes.is_empty()).then_some(Fault::CutClients { nodes, way: *way })
        }
        Fault::Reset { nodes } => {
            let nodes = those_there(nodes);
            (!nodes.is_empty()).then_some(Fault::Reset { nodes })
        }
        Fault::Forget { nodes, way } => {
            let nodes = those_there(nodes);
            (!nodes.is_empty()).then_some(Fault::Forget { nodes, way: *way })
        }
        Fault::Hold { links, then } => {
            let links = links_there(links);
            (!links.is_empty()).then_some(Fault::Hold { links, then: *then })
        }
        Fault::Links { links, how } => {
            let links = links_there(links);
            (!links.is_empty()).then_some(Fault::Links { links, how: *how })
        }
        other => other.nodes().iter().all(is_there).then(|| other.clone()),
    }
}
