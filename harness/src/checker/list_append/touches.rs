//! All that touches a key side by side: the micro-operations of a history by key, then by transaction, then by their
//! position in it. Keys are numbered as they ascend: a key's number is its *row* here.

use crate::checker::transactional::dependencies::{Moment, Timeline};
use crate::checker::transactional::words::Shown;
use crate::columns::{Cell, Columns, NONE, Outcome, Txn, What};
use crate::history::Process;
use crate::op::{Key, Value};
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// One micro-operation, from its key's point of view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub txn: u32,
    /// The position in the transaction, above the outcome of that, above what it is.
    packed: u32,
    argument: u32,
}

const WHAT_BITS: u32 = 3;
const OUTCOME_BITS: u32 = 2;
const WHATS: [What; 1 << WHAT_BITS] = [
    What::Append,
    What::AppendWide,
    What::ReadNil,
    What::ReadPrefix,
    What::ReadOther,
    What::ReadNil,
    What::ReadNil,
    What::ReadNil,
];
const OUTCOMES: [Outcome; 1 << OUTCOME_BITS] =
    [Outcome::Ok, Outcome::Info, Outcome::Fail, Outcome::Open];

impl Touch {
    fn new(txn: usize, index: usize, outcome: Outcome, cell: Cell) -> Touch {
        let packed = (index as u32) << (WHAT_BITS + OUTCOME_BITS)
            | (outcome as u32) << WHAT_BITS
            | cell.what() as u32;
        Touch { txn: txn as u32, packed, argument: cell.argument }
    }

    /// Its position in the transaction.
    pub fn index(self) -> usize {
        (self.packed >> (WHAT_BITS + OUTCOME_BITS)) as usize
    }

    /// How the transaction ended.
    pub fn outcome(self) -> Outcome {
        OUTCOMES[(self.packed >> WHAT_BITS) as usize % OUTCOMES.len()]
    }

    pub fn what(self) -> What {
        WHATS[self.packed as usize % WHATS.len()]
    }

    /// Whether it appends.
    pub fn appends(self) -> bool {
        matches!(self.what(), What::Append | What::AppendWide)
    }

    /// How much of its key's list it read, where it read that.
    pub fn prefix(self) -> Option<u32> {
        (self.what() == What::ReadPrefix).then_some(self.argument)
    }
}

/// The touches of a history.
#[derive(Debug)]
pub(super) struct Touches<'c> {
    pub columns: &'c Columns,
    /// By row, then by transaction, then by position in it.
    pub all: Vec<Touch>,
    /// Distinct, ascending.
    keys: Vec<Key>,
    /// For each row that of the columns.
    outer: Vec<u32>,
    first: Vec<u32>,
    /// For each row its first slot: one for each append and one more.
    first_slot: Vec<u32>,
}

impl<'c> Touches<'c> {
    /// A counting sort by key.
    pub fn new(columns: &'c Columns, jobs: usize) -> Touches<'c> {
        let mut outer: Vec<u32> = (0..columns.keys().len() as u32).collect();
        outer.sort_by_key(|row| columns.keys()[*row as usize]);
        let mut rows = vec![0u32; outer.len()];
        for (row, of_columns) in outer.iter().enumerate() {
            rows[*of_columns as usize] = row as u32;
        }
        let mut first = vec![0u32; outer.len() + 1];
        let mut first_slot = vec![0u32; outer.len() + 2];
        for cell in columns.cells() {
            let row = rows[cell.row()] as usize;
            first[row + 1] += 1;
            first_slot[row + 1] += u32::from(cell.appends());
        }
        for row in 0..outer.len() {
            first[row + 1] += first[row];
            first_slot[row + 1] += first_slot[row] + 1;
        }
        first_slot[outer.len() + 1] = first_slot[outer.len()];
        let all = by_row(columns, &rows, &first, jobs);
        let keys = outer.iter().map(|row| columns.keys()[*row as usize]).collect();
        Touches { columns, all, keys, outer, first, first_slot }
    }

    /// How many keys there are.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    pub fn key(&self, row: usize) -> Key {
        self.keys[row]
    }

    /// The row of a key that the history names.
    pub fn row(&self, key: Key) -> usize {
        self.keys.binary_search(&key).expect("every key of the history has a row")
    }

    /// Where the touches of a row are.
    pub fn range(&self, row: usize) -> Range<usize> {
        self.first[row] as usize..self.first[row + 1] as usize
    }

    /// Where the slots of a row are.
    pub fn slots(&self, row: usize) -> Range<usize> {
        self.first_slot[row] as usize..self.first_slot[row + 1] as usize
    }

    /// The touches of a row.
    pub fn of(&self, row: usize) -> &[Touch] {
        &self.all[self.range(row)]
    }

    /// What those reads of a row show the beginning of that are no more than that.
    pub fn list(&self, row: usize) -> &'c [Value] {
        self.columns.list(self.outer[row] as usize)
    }

    /// The element that a touch appended.
    pub fn appended(&self, touch: Touch) -> Option<Value> {
        self.columns.appended(touch.what(), touch.argument)
    }

    /// The list that a touch of a row read.
    pub fn values(&self, row: usize, touch: Touch) -> Option<&'c [Value]> {
        self.columns.values(self.outer[row] as usize, touch.what(), touch.argument)
    }

    /// The number of the micro-operation among all.
    pub fn cell(&self, touch: Touch) -> usize {
        self.columns.first_cell(touch.txn as usize) + touch.index()
    }

    /// The event that stands for a transaction.
    pub fn event(&self, txn: u32) -> usize {
        self.columns.ended()[txn as usize] as usize
    }

    /// A transaction as words need it.
    pub fn shown(&self, txn: u32) -> Shown {
        let Txn { process, outcome, ended, invoked, node } = self.columns.txn(txn as usize);
        let at = |moment: crate::columns::Moment| {
            (moment.event as usize, Duration::from_nanos(moment.time))
        };
        let process = Process::Client(process);
        Shown { process, outcome, node, ended: at(ended), invoked: invoked.map(at) }
    }
}

/// Each thread fills in the touches of neighbouring rows.
fn by_row(columns: &Columns, rows: &[u32], first: &[u32], jobs: usize) -> Vec<Touch> {
    let none = Touch { txn: NONE, packed: 0, argument: 0 };
    let mut touches = vec![none; columns.cells().len()];
    let count = first.len() - 1;
    thread::scope(|scope| {
        let (mut rest, mut from) = (&mut touches[..], 0);
        for job in 1..jobs {
            let goal = columns.cells().len() / jobs * job;
            let to = from + first[from..count].partition_point(|first| (*first as usize) < goal);
            let (part, later) = rest.split_at_mut((first[to] - first[from]) as usize);
            scope.spawn(move || fill(columns, rows, &first[from..=to], from as u32, part));
            (rest, from) = (later, to);
        }
        fill(columns, rows, &first[from..], from as u32, rest);
    });
    touches
}

/// Fills in the touches of rows, the first of which is `from`.
fn fill(columns: &Columns, rows: &[u32], first: &[u32], from: u32, touches: &mut [Touch]) {
    let mut free: Vec<u32> = first.iter().map(|slot| slot - first[0]).collect();
    let count = free.len() as u32 - 1;
    for txn in 0..columns.len() {
        let outcome = columns.outcome(txn);
        for (index, cell) in columns.cells_of(txn).iter().enumerate() {
            let row = rows[cell.row()].wrapping_sub(from);
            if row < count {
                let slot = &mut free[row as usize];
                touches[*slot as usize] = Touch::new(txn, index, outcome, *cell);
                *slot += 1;
            }
        }
    }
}

impl Timeline for Touches<'_> {
    fn count(&self) -> usize {
        self.columns.len()
    }

    fn outcome(&self, txn: u32) -> Outcome {
        self.columns.outcome(txn as usize)
    }

    fn process(&self, txn: u32) -> Process {
        Process::Client(self.columns.process(txn as usize))
    }

    fn each_moment(&self, mut act: impl FnMut(u32, Moment)) {
        let invoked = Invoked::new(self.columns);
        for ended in 0..=self.columns.closed() {
            invoked.after(ended).iter().for_each(|txn| act(*txn, Moment::Invoked));
            if ended < self.columns.closed() && self.columns.outcome(ended) == Outcome::Ok {
                act(ended as u32, Moment::Succeeded);
            }
        }
    }
}

/// The transactions by how many had ended when they were invoked.
struct Invoked {
    start: Vec<u32>,
    txns: Vec<u32>,
}

impl Invoked {
    fn new(columns: &Columns) -> Invoked {
        let mut start = vec![0u32; columns.closed() + 2];
        for ended in (0..columns.len()).filter_map(|txn| columns.ended_before(txn)) {
            start[ended + 1] += 1;
        }
        for ended in 0..=columns.closed() {
            start[ended + 1] += start[ended];
        }
        let mut free = start.clone();
        let mut txns = vec![0u32; start[columns.closed() + 1] as usize];
        for txn in 0..columns.len() {
            let Some(ended) = columns.ended_before(txn) else { continue };
            let slot = &mut free[ended];
            txns[*slot as usize] = txn as u32;
            *slot += 1;
        }
        Invoked { start, txns }
    }

    fn after(&self, ended: usize) -> &[u32] {
        &self.txns[self.start[ended] as usize..self.start[ended + 1] as usize]
    }
}
