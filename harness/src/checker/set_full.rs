//! A set that only grows, and all its reads (Jepsen's `set-full`), element by element. An element is *known* once an add of
//! it or a read that shows it has ended. It is *stable* if a read shows it that was asked for later than every read that
//! does not; *lost* if it was known before a read was asked for that does not show it, and no later read does; else it
//! was *never read*. A stable element is *stale* if it was known before a read was asked for that does not show it.
//!
//! Reported as well, which Jepsen's checker cannot: an element that one read shows twice. And an element that nobody
//! can have added.
//!
//! Differs from Jepsen: stale is what the order of events shows, not what lasts a millisecond. Cannot see: elements that are
//! removed, and contradictions between the orders in which two reads show elements to have come.

use super::elements::{Collection, Read, collections};
use super::findings::{Analyse, Findings};
use super::operations::operations;
use super::set_final::unexpected;
use crate::history::History;
use crate::op::{Key, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "set-full";

/// Checks every read of every set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFull {
    /// Whether a stale element is an anomaly: the sets claim to be linearizable.
    pub linearizable: bool,
}

/// What the reads show of one element.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The end of the first read that shows it.
    first: Option<usize>,
    /// Of the reads that show it, the one that was asked for last.
    present: Option<usize>,
    /// Of those that do not, the same.
    absent: Option<usize>,
}

#[derive(Default)]
struct Tally {
    attempted: usize,
    stable: usize,
    lost: usize,
    stale: usize,
    never_read: usize,
    duplicated: usize,
    unexpected: usize,
    removed: usize,
    /// How long after it was known each stable element was still missed.
    latencies: Vec<Duration>,
}

impl Analyse for SetFull {
    fn name(&self) -> &'static str {
        NAME
    }

    fn words(&self) -> String {
        format!("{NAME}{}", if self.linearizable { " --linearizable" } else { "" })
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let collections = collections(&operations)?;
        let mut findings = Findings::new(NAME);
        let mut tally = Tally::default();
        for (key, collection) in &collections {
            let judge = Judge { history, key: *key, collection, linearizable: self.linearizable };
            judge.elements(&mut tally, &mut findings);
            judge.reads(&mut tally, &mut findings);
        }
        tally.tell(&mut findings);
        Ok(findings)
    }
}

/// One key.
struct Judge<'c, 'o, 'h> {
    history: &'h History,
    key: Key,
    collection: &'c Collection<'o, 'h>,
    linearizable: bool,
}

impl Judge<'_, '_, '_> {
    fn elements(&self, tally: &mut Tally, findings: &mut Findings) {
        let seen = seen(self.collection);
        tally.attempted += self.collection.adds.len();
        tally.removed += self.collection.adds.len() - seen.len();
        for (value, seen) in seen {
            self.element(value, seen, tally, findings);
        }
    }

    fn element(&self, value: Value, seen: Seen, tally: &mut Tally, findings: &mut Findings) {
        let reads = &self.collection.reads;
        let add = self.collection.acknowledged(value);
        let known = [add.and_then(|add| add.returned()), seen.first].into_iter().flatten().min();
        let asked = |read: usize| reads[read].operation.invoked;
        // Whether the last read that misses it should not have.
        let missed = seen.absent.filter(|absent| known.is_some_and(|known| known < asked(*absent)));
        let stable = seen.present.is_some_and(|present| seen.absent.is_none_or(|a| a < present));
        if stable {
            tally.stable += 1;
            tally.stale += usize::from(missed.is_some());
            tally.latencies.push(self.latency(known, missed.map(asked)));
        } else if missed.is_some() {
            tally.lost += 1;
        } else {
            tally.never_read += 1;
        }
        let (name, then) = match missed {
            Some(_) if !stable => ("lost", "no later read shows it"),
            Some(_) if self.linearizable => ("stale", "a later read shows it again"),
            _ => return,
        };
        let Some(absent) = missed else { return };
        let key = self.key;
        let sentence = format!(
            "key {key}, element {value} was known to be there before a read was asked for that does not show it; {then}"
        );
        // Who knew of it, who missed it, who saw it again.
        let mut shown_by = Vec::new();
        let knew = reads.iter().find(|read| Some(read.returned) == known);
        shown_by.extend(knew.map(|read| read.operation).or(add));
        shown_by.push(reads[absent].operation);
        shown_by.extend(seen.present.filter(|_| stable).map(|present| reads[present].operation));
        findings.anomaly(self.history, name, sentence, &shown_by);
    }

    fn latency(&self, known: Option<usize>, missed: Option<usize>) -> Duration {
        let time = |event: usize| self.history.events[event].time;
        match (known, missed) {
            (Some(known), Some(missed)) => time(missed).saturating_sub(time(known)),
            _ => Duration::ZERO,
        }
    }

    /// What one read shows that it must not show.
    fn reads(&self, tally: &mut Tally, findings: &mut Findings) {
        for read in &self.collection.reads {
            let mut values = read.values.to_vec();
            values.sort_unstable();
            let mut twice: Vec<Value> =
                values.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            twice.dedup();
            for value in twice {
                tally.duplicated += 1;
                let key = self.key;
                let times = values.iter().filter(|other| **other == value).count();
                let sentence = format!("key {key}, element {value} is {times} times in one read");
                findings.anomaly(self.history, "duplicate", sentence, &[read.operation]);
            }
            tally.unexpected += unexpected(self.history, self.key, self.collection, read, findings);
        }
    }
}

/// Of every element that stays; reads are named by their places, which are in the order of their invocations.
fn seen(collection: &Collection) -> BTreeMap<Value, Seen> {
    let mut seen: BTreeMap<Value, Seen> =
        collection.kept().map(|value| (value, Seen::default())).collect();
    let mut always: Vec<Value> = seen.keys().copied().collect();
    for (place, Read { values, returned, .. }) in collection.reads.iter().enumerate().rev() {
        let mut values = values.to_vec();
        values.sort_unstable();
        for value in &values {
            let Some(seen) = seen.get_mut(value) else { continue };
            seen.present.get_or_insert(place);
            seen.first = Some(seen.first.map_or(*returned, |first| first.min(*returned)));
        }
        // Only the last read that misses an element counts: those that were missed are done with.
        always.retain(|value| {
            let shown = values.binary_search(value).is_ok();
            if !shown && let Some(seen) = seen.get_mut(value) {
                seen.absent = Some(place);
            }
            shown
        });
    }
    seen
}

impl Tally {
    fn tell(mut self, findings: &mut Findings) {
        findings.number("attempted", self.attempted);
        findings.number("stable", self.stable);
        findings.number("lost", self.lost);
        findings.number("stale", self.stale);
        findings.number("never read", self.never_read);
        findings.number("duplicated", self.duplicated);
        findings.number("unexpected", self.unexpected);
        self.latencies.sort_unstable();
        let quantiles = [
            ("stable latency ms, least", 0),
            ("stable latency ms, median", 50),
            ("stable latency ms, 95 %", 95),
            ("stable latency ms, 99 %", 99),
            ("stable latency ms, most", 100),
        ];
        let count = self.latencies.len();
        for (name, percent) in quantiles {
            if let Some(latency) = self.latencies.get((count * percent / 100).min(count.max(1) - 1))
            {
                findings.number(name, latency.as_millis());
            }
        }
        if self.stable == 0 {
            let Tally { attempted, removed, never_read, .. } = self;
            findings.reason(format!(
                "no element was seen to stay ({attempted} elements, of which {removed} may have been removed and \
                 {never_read} were never read after they were known): too little was tested to say more"
            ));
        }
    }
}
