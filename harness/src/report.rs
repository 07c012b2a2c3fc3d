//! A verdict in words. Only text: who prints it, and where, is the caller's.
//!
//! ```text
//! redis-append  INVALID   seed 0x9f3c21aa   commit a1b2c3d   5 nodes, kill+partition, 41.2 s simulated
//!   duplicate append: key 7 value 113, appended once by p4 at 18.204 s, read twice by p9 at 19.911 s
//!   around it:   18.9 s kill n3 · 19.1 s n1 leads · 19.4 s heal
//!   replay:      cargo sim replay redis-append 0x9f3c21aa
//!   folder:      store/redis-append/0x9f3c21aa
//!   timeline:    store/redis-append/0x9f3c21aa/timeline.html
//! ```

use crate::checker::{Anomaly, Verdict};
use crate::explain::TIMELINE;
use crate::fault::FaultKind;
use crate::judge::Judgement;
use crate::run::Run;
use crate::store::World;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Anomalies that are told in full; the others are counted, the folder has them all.
const TOLD: usize = 5;
/// How far before and after an anomaly its surroundings reach.
const AROUND: Duration = Duration::from_secs(3);
/// Happenings that are told around an anomaly.
const HAPPENINGS: usize = 8;
/// What a seed is worth where it does not decide everything.
pub const SEED_OF_REAL: &str = "fixes what is asked and broken, not what happens";

/// All that a report tells. `Display` gives several lines for what is not valid, one for what is.
pub struct Report<'a> {
    /// What happened.
    pub run: &'a Run,
    /// What was made of it.
    pub judgement: &'a Judgement,
    /// Where it happened.
    pub world: World,
    /// The commit that ran, if known.
    pub commit: Option<&'a str>,
    /// The command that runs it again.
    pub again: &'a str,
    /// Where it is kept.
    pub folder: Option<&'a Path>,
}

impl Report<'_> {
    fn title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.judgement.verdict {
            Verdict::Valid => "valid",
            Verdict::Unknown(_) => "UNKNOWN",
            Verdict::Invalid(_) => "INVALID",
        };
        write!(f, "{}  {name}   seed {}", self.run.test, self.run.seed)?;
        if let Some(commit) = self.commit {
            write!(f, "   commit {commit}")?;
        }
        let lasted = self.judgement.summary.lasted.as_secs_f64();
        let (nodes, faults) = (self.run.nodes.len(), self.faults());
        write!(f, "   {nodes} nodes, {faults}, {lasted:.1} s {}", self.world.name())
    }

    /// The kinds that were injected: `kill+partition`.
    fn faults(&self) -> String {
        let names: Vec<&str> =
            self.judgement.summary.faults.keys().map(|kind| kind.name()).collect();
        if names.is_empty() { "no faults".to_owned() } else { names.join("+") }
    }

    fn evidence(&self, f: &mut fmt::Formatter<'_>, anomaly: &Anomaly) -> fmt::Result {
        let told = named(anomaly);
        let mut lines = told.lines();
        writeln!(f, "  {}   [{}]", lines.next().unwrap_or_default(), anomaly.found_by)?;
        for line in lines {
            writeln!(f, "    {line}")?;
        }
        let around = self.around(anomaly);
        if !around.is_empty() {
            writeln!(f, "  around it:   {}", around.join(" · "))?;
        }
        Ok(())
    }

    /// Faults and changes of leader near the anomaly, in order, the nearest few.
    fn around(&self, anomaly: &Anomaly) -> Vec<String> {
        let Some((from, to)) = self.span(anomaly) else { return Vec::new() };
        let near = |time: Duration| time + AROUND >= from && time <= to + AROUND;
        let distance = |time: Duration| from.saturating_sub(time).max(time.saturating_sub(to));
        let mut happened: Vec<(Duration, String)> = self.happenings();
        happened.retain(|(time, _)| near(*time));
        happened.sort_by_key(|(time, _)| distance(*time));
        happened.truncate(HAPPENINGS);
        happened.sort();
        let told = happened.into_iter();
        told.map(|(time, what)| format!("{:.1} s {what}", time.as_secs_f64())).collect()
    }

    fn happenings(&self) -> Vec<(Duration, String)> {
        let faults = self.run.injections.iter();
        let faults = faults.map(|injection| (injection.time, injection.fault.to_string()));
        let leaders = self.run.leaders.iter().map(|(time, leaders)| {
            let names: Vec<String> = leaders.iter().map(ToString::to_string).collect();
            let what = match names.len() {
                0 => "nobody leads".to_owned(),
                1 => format!("{} leads", names[0]),
                _ => format!("{} lead", names.join(" and ")),
            };
            (*time, what)
        });
        faults.chain(leaders).collect()
    }

    /// From the first to the last of its events; a finding's moment.
    fn span(&self, anomaly: &Anomaly) -> Option<(Duration, Duration)> {
        let events = &self.run.history.events;
        let times: BTreeSet<Duration> =
            anomaly.events.iter().filter_map(|i| events.get(*i)).map(|event| event.time).collect();
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            return Some((*first, *last));
        }
        let findings = self.run.artifacts.findings.iter();
        let finding = findings.filter(|finding| {
            finding.name == anomaly.name && anomaly.text.starts_with(&finding.text)
        });
        finding.map(|finding| (finding.time, finding.time)).next()
    }

    /// Kinds of fault that were asked for and that this run says nothing about.
    fn untested(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |kinds: &[FaultKind]| {
            kinds.iter().copied().map(FaultKind::name).collect::<Vec<_>>().join(", ")
        };
        let (left_out, unused) = (&self.run.unsupported, &self.judgement.summary.unused);
        if !left_out.is_empty() {
            writeln!(f, "  left out:    {}: not possible on this cluster", names(left_out))?;
        }
        if !unused.is_empty() {
            writeln!(f, "  not used:    {}: never injected in this run", names(unused))?;
        }
        Ok(())
    }

    fn stopped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.run.stopped else { return Ok(()) };
        let at = at.as_secs_f64();
        match &self.judgement.ended_by {
            Some(Anomaly { name, found_by, .. }) => {
                writeln!(
                    f,
                    "  stopped:     at {at:.1} s, at the first anomaly: {name}   [{found_by}]"
                )
            }
            None => writeln!(f, "  stopped:     at {at:.1} s, on request"),
        }
    }

    fn whereabouts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.world {
            World::Simulated => writeln!(f, "  replay:      {}", self.again)?,
            World::Real => {
                writeln!(f, "  again:       {}", self.again)?;
                writeln!(f, "  the seed:    {SEED_OF_REAL}")?;
            }
        }
        let Some(folder) = self.folder else { return Ok(()) };
        writeln!(f, "  folder:      {}", folder.display())?;
        match self.judgement.verdict {
            Verdict::Invalid(_) => {
                writeln!(f, "  timeline:    {}", folder.join(TIMELINE).display())
            }
            Verdict::Valid | Verdict::Unknown(_) => Ok(()),
        }
    }
}

/// An anomaly in words that begin with its name; a checker's own words may do so already.
pub fn named(anomaly: &Anomaly) -> String {
    let Anomaly { name, text, .. } = anomaly;
    let is_named = text.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "));
    if is_named { text.clone() } else { format!("{name}: {text}") }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.title(f)?;
        match &self.judgement.verdict {
            Verdict::Valid => {
                writeln!(f, "   {}", self.judgement.summary.total)?;
                self.stopped(f)?;
                return self.untested(f);
            }
            Verdict::Unknown(reasons) => {
                writeln!(f)?;
                for reason in reasons {
                    writeln!(f, "  {reason}")?;
                }
            }
            Verdict::Invalid(anomalies) => {
                writeln!(f)?;
                for anomaly in anomalies.iter().take(TOLD) {
                    self.evidence(f, anomaly)?;
                }
                if let Some(more) = anomalies.len().checked_sub(TOLD).filter(|more| *more > 0) {
                    writeln!(f, "  and {more} more")?;
                }
            }
        }
        self.stopped(f)?;
        self.untested(f)?;
        self.whereabouts(f)
    }
}
