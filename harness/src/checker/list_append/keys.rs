//! What each key shows by itself, by several threads if asked: each has neighbouring keys, and what they find is put together
//! in the order of the keys.

use super::direct::Findings;
use super::plain::{self, Plain, Scratch};
use super::slots::{Shares, Slots};
use super::touches::Touches;
use super::versions::Versions;
use crate::columns::{NONE, Outcome};
use std::ops::Range;
use std::thread;

/// What some keys show.
#[derive(Debug)]
pub(super) struct Looked {
    pub findings: Findings,
    pub appends: Plain,
    /// The rows of those that are not plain, ascending: the micro-operations of all others have their slots.
    pub careful: Vec<usize>,
}

/// Looks at every key. The error is what makes it impossible to order its versions: that of the first key.
pub(super) fn look(
    all: &Touches,
    slots: Option<&mut Slots>,
    jobs: usize,
) -> Result<Looked, String> {
    let Some(slots) = slots else { return look_at(all, 0..all.rows(), None) };
    let mut parts = parts(all, slots.shares(), jobs).into_iter();
    let first = parts.next().expect("there is a part for every thread, and one thread at least");
    let looked: Vec<Result<Looked, String>> = thread::scope(|scope| {
        let looking = |(rows, shares)| scope.spawn(|| look_at(all, rows, Some(shares)));
        let threads: Vec<_> = parts.map(looking).collect();
        let first = look_at(all, first.0, Some(first.1));
        let done = threads.into_iter().map(|thread| thread.join());
        let later =
            done.map(|looked| looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(first).chain(later).collect()
    });
    looked.into_iter().reduce(|sum, part| Ok(sum?.and(part?))).expect("there is a first part")
}

/// Neighbouring keys with about as many touches each.
fn parts<'s>(all: &Touches, shares: Shares<'s>, jobs: usize) -> Vec<(Range<usize>, Shares<'s>)> {
    let (mut parts, mut rest, mut from) = (Vec::new(), shares, 0);
    for part in 1..jobs {
        let goal = all.all.len() / jobs * part;
        let mut to = from;
        while to < all.rows() && all.range(to).end <= goal {
            to += 1;
        }
        let (shares, later) = rest.split(all.slots(to).start);
        parts.push((from..to, shares));
        (rest, from) = (later, to);
    }
    parts.push((from..all.rows(), rest));
    parts
}

impl Looked {
    fn and(mut self, later: Looked) -> Looked {
        self.findings.extend(later.findings);
        self.appends.written += later.appends.written;
        self.appends.observed += later.appends.observed;
        self.careful.extend(later.careful);
        self
    }
}

fn look_at(
    all: &Touches,
    rows: Range<usize>,
    mut shares: Option<Shares>,
) -> Result<Looked, String> {
    let mut looked =
        Looked { findings: Findings::default(), appends: Plain::default(), careful: Vec::new() };
    let mut scratch = Scratch::default();
    for row in rows {
        if let Some(shares) = &mut shares {
            let mut share = shares.of(all.slots(row));
            if let Some(Plain { written, observed }) =
                plain::look(all, row, &mut scratch, &mut share)
            {
                looked.appends.written += written;
                looked.appends.observed += observed;
                continue;
            }
            share.clear(all.of(row).iter().map(|touch| all.cell(*touch)));
        }
        looked.careful.push(row);
        let versions = Versions::new(all, row)?;
        looked.findings.add(all, &versions);
        for append in &versions.appends {
            let happened = all.columns.outcome(append.txn as usize) != Outcome::Fail;
            looked.appends.written += usize::from(happened);
            looked.appends.observed += usize::from(happened && append.position != NONE);
        }
    }
    Ok(looked)
}
