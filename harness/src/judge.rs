//! From a run to a verdict: pure, and called when the runtime is gone, since a checker may use threads.
//!
//! A run that tested too little is `Unknown`, with every reason: nothing acknowledged, final reads missing, a kind of
//! fault that was injected and never acted. What the world saw go wrong inside is `Invalid` beside what the checkers find.
//!
//! So is a cluster that does not recover: once all is mended every node serves within `--serve-limit`, and answers the final
//! reads within `--final-limit`; what they have to see is the checkers'. Nobody is blamed where something could not be mended,
//! where somebody else had a hand in it, or where a node that answered to the end was asked too much: those are `Unknown`.

use crate::checker::{Anomaly, Verdict, recovery, streaming};
use crate::cluster::NodeId;
use crate::history::{Kind, Process};
use crate::options::{Options, Until};
use crate::recording::{Injection, Phase, Run};
use crate::stats::{Summary, both_ways};
use crate::test::Test;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is found of a node that does not serve after all was mended.
const NOT_RECOVERED: &str = "not-recovered";

/// A verdict and the numbers behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What holds.
    pub verdict: Verdict,
    /// How much was tested.
    pub summary: Summary,
    /// Of a run that was to end at an anomaly: the one that the test's streaming checker had seen when it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Anomaly>,
}

/// Judges a run: the test's checkers, what the world found, and whether it was enough.
pub fn judge(test: &Test, options: &Options, run: &Run) -> Judgement {
    let summary = Summary::of(options, run);
    let mut verdict = findings(run).merge(recovered(options, run));
    verdict = verdict.merge(enough(options, run, &summary));
    for checker in (test.checkers)() {
        verdict = verdict.merge(checker.check(&run.history));
    }
    let ended_by = ended_by(test, options, run);
    if let Some(anomaly) = ended_by.as_ref().filter(|anomaly| !verdict.is_by(&anomaly.found_by)) {
        // A streaming checker raises no false alarm; the one for whole histories may have hit a cap.
        verdict = verdict.merge(Verdict::Invalid(vec![anomaly.clone()]));
    }
    Judgement { verdict, summary, ended_by }
}

fn ended_by(test: &Test, options: &Options, run: &Run) -> Option<Anomaly> {
    let stopped = run.stopped.filter(|_| options.until == Until::Anomaly)?;
    streaming::first_by(test.streaming()?, &run.history, stopped)
}

fn findings(run: &Run) -> Verdict {
    let anomalies: Vec<Anomaly> = run
        .artifacts
        .findings
        .iter()
        .map(|finding| Anomaly {
            name: finding.name.clone(),
            found_by: format!("invariant:{}", finding.name),
            text: format!("{}, at {:.3} s", finding.text, finding.time.as_secs_f64()),
            events: Vec::new(),
        })
        .collect();
    if anomalies.is_empty() { Verdict::Valid } else { Verdict::Invalid(anomalies) }
}

/// What was to be mended and, at the last attempt, could not be. Where a run was healed only that counts: a mend that failed
/// before is tried again there, unless another has done its work.
fn unmended(run: &Run) -> Vec<String> {
    let heal = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal).map(|(_, at)| *at);
    let mending = run.injections.iter().filter(|injection| {
        injection.fault.kind().is_none() && heal.is_none_or(|began| injection.time >= began)
    });
    let mut last = Vec::new();
    for injection in mending {
        last.retain(|other: &&Injection| other.fault != injection.fault);
        last.push(injection);
    }
    let failed = |injection: &Injection| {
        let error = injection.error.as_ref()?;
        Some(format!("`{}` could not be done: {error}", injection.fault))
    };
    last.into_iter().filter_map(failed).collect()
}

/// `Invalid` if a node did not recover after all was mended.
fn recovered(options: &Options, run: &Run) -> Verdict {
    let began = |wanted| run.phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, at)| *at);
    let is_whole = run.ended && run.artifacts.doubts.is_empty() && unmended(run).is_empty();
    // A run in which the cluster never served ends before it is healed.
    if !is_whole || began(Phase::Heal).is_none() {
        return Verdict::Valid;
    }
    let anomaly = |text: String, events| {
        let (name, found_by) = (NOT_RECOVERED.to_owned(), recovery::NAME.to_owned());
        Anomaly { name, found_by, text, events }
    };
    let mut anomalies: Vec<Anomaly> =
        run.unready.iter().map(|sentence| anomaly(sentence.clone(), Vec::new())).collect();
    for (node, count) in &run.unread {
        let last = began(Phase::ReadBack).and_then(|at| last_answer(run, *node, at));
        if let Some(event) = last.filter(|event| !served_until(options, run, *node, *event)) {
            let limit = options.final_limit;
            let text =
                format!("{count} final reads through {node} did not succeed within {limit:?}");
            anomalies.push(anomaly(text, vec![event]));
        }
    }
    if anomalies.is_empty() { Verdict::Valid } else { Verdict::Invalid(anomalies) }
}

/// Where in the history what was last asked of a node since then came to its end.
fn last_answer(run: &Run, node: NodeId, since: Duration) -> Option<usize> {
    run.history.events.iter().rposition(|event| {
        event.node == Some(node)
            && event.process != Process::Nemesis
            && event.kind != Kind::Invoke
            && event.time >= since
    })
}

/// Whether a node answered well when it was last asked or within one operation's time before: then it serves, and too much was
/// asked of it.
fn served_until(options: &Options, run: &Run, node: NodeId, last: usize) -> bool {
    let since = run.history.events[last].time.saturating_sub(options.deadline);
    let ends = run.history.events[..=last].iter().rev().take_while(|event| event.time >= since);
    ends.filter(|event| event.node == Some(node)).any(|event| event.kind == Kind::Ok)
}

/// `Valid` if the run tested what it set out to test.
fn enough(options: &Options, run: &Run, summary: &Summary) -> Verdict {
    let mut reasons = run.unready.clone();
    let (appended, read) = both_ways(&run.history);
    if summary.total.ok == 0 {
        reasons.push(format!("none of {} operations succeeded", summary.total.total()));
    } else if !appended {
        reasons.push("no write was acknowledged".to_owned());
    } else if !read {
        reasons.push("no read succeeded".to_owned());
    }
    for (node, count) in &run.unread {
        reasons.push(format!("{count} final reads through {node} never succeeded"));
    }
    if !run.ended {
        let phase = run.phases.last().map_or(Phase::SetUp, |(phase, _)| *phase);
        let known = run.lasted().as_secs_f64();
        reasons.push(format!("the run is known only up to {known:.3} s, in phase `{phase}`"));
    }
    for (kind, struck) in &summary.faults {
        // What acted is known when the world has said so.
        if struck.effective == 0 && run.ended {
            let injected = struck.injected;
            reasons.push(format!("{kind} was injected {injected} times and never acted"));
        }
    }
    if !options.faults.is_empty() && summary.faults.is_empty() && run.unready.is_empty() {
        let asked: Vec<&str> = options.faults.iter().map(|kind| kind.name()).collect();
        let asked = asked.join(", ");
        reasons.push(format!("faults were asked for ({asked}) and none was injected"));
    }
    reasons.extend(unmended(run));
    reasons.extend(run.artifacts.doubts.iter().cloned());
    if reasons.is_empty() { Verdict::Valid } else { Verdict::Unknown(reasons) }
}
