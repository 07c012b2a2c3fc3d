//! A history of list-append transactions as columns: what a checker wants to know, in a few dozen bytes a transaction.
//!
//! Append-only: a transaction is added when it completes, and those still open at the end. What a read shows of a list is
//! mostly a beginning of what another read shows: then only its length is kept, and the elements once for the key. That it is
//! one was compared, element by element; any other list is kept as it was read.
//!
//! Promises: whatever was pushed comes back, as [`MopRef`]s. What is lost of a [`History`](crate::history::History): faults,
//! reasons of failures, micro-operations that were asked but for a completion that does not repeat them, operations of other
//! alphabets but for their being there, and what is beyond 584 years of a time.

pub mod file;
mod history;
mod keys;

use crate::cluster::NodeId;
use crate::op::{Key, Mop, Value};
use keys::Rows;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// Nobody knows.
    Info,
    /// It did not happen.
    Fail,
    /// The history ends before it does: nobody knows, and nobody said so.
    Open,
}

const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::Info, Outcome::Fail, Outcome::Open];

/// A place in the history: the position of an event, and nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The event's position.
    pub event: u32,
    /// Its time in nanoseconds.
    pub time: u64,
}

/// A transaction but for its micro-operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Txn {
    /// The number of its client.
    pub process: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Its completion, or its invocation while open.
    pub ended: Moment,
    /// Its invocation, where the history has one.
    pub invoked: Option<Moment>,
    /// The node that its event names.
    pub node: Option<NodeId>,
}

/// A micro-operation, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MopRef<'c> {
    /// `[:append k v]`
    Append {
        /// The list.
        key: Key,
        /// The element added at its end.
        value: Value,
    },
    /// `[:r k [..]]`
    Read {
        /// The list.
        key: Key,
        /// All its elements, oldest first.
        values: Option<&'c [Value]>,
    },
}

impl MopRef<'_> {
    /// The list it touches.
    pub fn key(&self) -> Key {
        match self {
            MopRef::Append { key, .. } | MopRef::Read { key, .. } => *key,
        }
    }
}

impl<'m> From<&'m Mop> for MopRef<'m> {
    fn from(mop: &'m Mop) -> MopRef<'m> {
        match mop {
            Mop::Append { key, value } => MopRef::Append { key: *key, value: *value },
            Mop::Read { key, values } => MopRef::Read { key: *key, values: values.as_deref() },
        }
    }
}

/// No transaction, no event, no position.
pub(crate) const NONE: u32 = u32::MAX;

/// What a micro-operation is, and what its argument means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The element.
    Append,
    /// Where the element stands among those of more than 32 bits.
    AppendWide,
    /// Nothing is known of what it read.
    ReadNil,
    /// So many elements of the key's list.
    ReadPrefix,
    /// Where the list stands among those that are kept as they were read.
    ReadOther,
}

const WHATS: [What; 5] =
    [What::Append, What::AppendWide, What::ReadNil, What::ReadPrefix, What::ReadOther];

/// Room for [`What`] below the row of a key.
const WHAT_BITS: u32 = 3;
/// Keys, micro-operations of one transaction and transactions, each at most.
const COUNT_MAX: usize = 1 << 27;

/// A micro-operation as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    packed: u32,
    pub argument: u32,
}

impl Cell {
    fn new(row: usize, what: What, argument: usize) -> Cell {
        Cell { packed: (row as u32) << WHAT_BITS | what as u32, argument: argument as u32 }
    }

    /// The key's row.
    pub fn row(self) -> usize {
        (self.packed >> WHAT_BITS) as usize
    }

    /// Whether it appends.
    pub fn appends(self) -> bool {
        self.packed & ((1 << WHAT_BITS) - 1) <= What::AppendWide as u32
    }

    pub fn what(self) -> What {
        WHATS[(self.packed & ((1 << WHAT_BITS) - 1)) as usize]
    }
}

/// The columns.
#[derive(Clone, Debug)]
pub struct Columns {
    // By transaction: in the order of their completions, open ones last.
    ended: Vec<u32>,
    ended_at: Vec<u64>,
    invoked: Vec<u32>,
    invoked_at: Vec<u64>,
    process: Vec<u32>,
    /// Outcome below the node's number plus one.
    ending: Vec<u32>,
    /// One more than transactions.
    first_cell: Vec<u32>,
    closed: usize,
    cells: Vec<Cell>,
    // By row.
    rows: Rows,
    lists: Vec<Vec<Value>>,
    // By number.
    wide: Vec<Value>,
    others: Vec<Value>,
    /// One more than lists.
    other_start: Vec<usize>,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            ended: Vec::new(),
            ended_at: Vec::new(),
            invoked: Vec::new(),
            invoked_at: Vec::new(),
            process: Vec::new(),
            ending: Vec::new(),
            first_cell: vec![0],
            closed: 0,
            cells: Vec::new(),
            rows: Rows::default(),
            lists: Vec::new(),
            wide: Vec::new(),
            others: Vec::new(),
            other_start: vec![0],
        }
    }
}

impl Columns {
    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.ended.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty()
    }

    /// Adds a transaction: one that ended later than all before it, or one that is still open, after all that ended.
    /// The error says what is wrong with it.
    pub fn push<'m>(
        &mut self,
        txn: Txn,
        mops: impl IntoIterator<Item = MopRef<'m>>,
    ) -> Result<(), String> {
        self.begin(txn)?;
        for mop in mops {
            let cell = match mop {
                MopRef::Append { key, value } => {
                    let row = self.row_of(key);
                    self.append(row, value)
                }
                MopRef::Read { key, values } => {
                    let row = self.row_of(key);
                    self.read(row, values)
                }
            };
            self.cells.push(cell);
        }
        self.finish()
    }

    /// A transaction.
    pub fn txn(&self, number: usize) -> Txn {
        let (event, ending) = (self.invoked[number], self.ending[number]);
        let node = (ending >> 2).checked_sub(1).map(|node| NodeId(node as u16));
        let invoked = Moment { event, time: self.invoked_at[number] };
        Txn {
            process: self.process[number],
            outcome: self.outcome(number),
            ended: Moment { event: self.ended[number], time: self.ended_at[number] },
            invoked: (event != NONE).then_some(invoked),
            node,
        }
    }

    /// Its micro-operations.
    pub fn mops(&self, number: usize) -> impl Iterator<Item = MopRef<'_>> {
        self.cells_of(number).iter().map(|cell| self.mop(*cell))
    }

    /// The keys, in the order in which they came.
    pub fn keys(&self) -> &[Key] {
        self.rows.keys()
    }

    pub(crate) fn outcome(&self, number: usize) -> Outcome {
        OUTCOMES[(self.ending[number] & 3) as usize]
    }

    /// How many transactions ended: these come first.
    pub(crate) fn closed(&self) -> usize {
        self.closed
    }

    /// The events of the transactions, ascending among those that ended.
    pub(crate) fn ended(&self) -> &[u32] {
        &self.ended
    }

    /// The event of the invocation, or [`NONE`].
    pub(crate) fn invoked(&self, number: usize) -> u32 {
        self.invoked[number]
    }

    pub(crate) fn process(&self, number: usize) -> u32 {
        self.process[number]
    }

    /// How many transactions that ended had done so before this one was invoked; `None` where nobody saw that.
    pub(crate) fn ended_before(&self, number: usize) -> Option<usize> {
        let invoked = self.invoked[number];
        if invoked == NONE {
            return None;
        }
        // Mostly as many back as there are processes.
        let mut high = number.min(self.closed);
        let mut step = 8;
        while let Some(low) = high.checked_sub(step) {
            if self.ended[low] < invoked {
                return Some(
                    low + 1 + self.ended[low + 1..high].partition_point(|ended| *ended < invoked),
                );
            }
            high = low;
            step *= 2;
        }
        Some(self.ended[..high].partition_point(|ended| *ended < invoked))
    }

    /// The number of a transaction's first micro-operation.
    pub(crate) fn first_cell(&self, number: usize) -> usize {
        self.first_cell[number] as usize
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub(crate) fn cells_of(&self, number: usize) -> &[Cell] {
        &self.cells[self.first_cell(number)..self.first_cell(number + 1)]
    }

    /// What every read of the key that is kept by its length shows the beginning of.
    pub(crate) fn list(&self, row: usize) -> &[Value] {
        &self.lists[row]
    }

    /// The element of an append.
    pub(crate) fn appended(&self, what: What, argument: u32) -> Option<Value> {
        match what {
            What::Append => Some(argument.into()),
            What::AppendWide => Some(self.wide[argument as usize]),
            What::ReadNil | What::ReadPrefix | What::ReadOther => None,
        }
    }

    /// The list of a read.
    pub(crate) fn values(&self, row: usize, what: What, argument: u32) -> Option<&[Value]> {
        let at = argument as usize;
        match what {
            What::Append | What::AppendWide | What::ReadNil => None,
            What::ReadPrefix => Some(&self.lists[row][..at]),
            What::ReadOther => Some(&self.others[self.other_start[at]..self.other_start[at + 1]]),
        }
    }

    fn mop(&self, cell: Cell) -> MopRef<'_> {
        let (row, what) = (cell.row(), cell.what());
        let key = self.rows.keys()[row];
        match self.appended(what, cell.argument) {
            Some(value) => MopRef::Append { key, value },
            None => MopRef::Read { key, values: self.values(row, what, cell.argument) },
        }
    }

    fn begin(&mut self, txn: Txn) -> Result<(), String> {
        let Txn { process, outcome, ended, invoked, node } = txn;
        let is_open = outcome == Outcome::Open;
        if let Some(last) = self.ended.last()
            && !is_open
            && (self.closed < self.len() || ended.event <= *last)
        {
            return Err(format!(
                "a transaction ends at event {} after one of event {last}: they come in the order in which they end, \
                 open ones last",
                ended.event
            ));
        }
        if let Some(invoked) = invoked
            && (invoked.event > ended.event || invoked.event == ended.event && !is_open)
        {
            return Err(format!(
                "a transaction is invoked at event {} and ends at event {}: first the one, then the other",
                invoked.event, ended.event
            ));
        }
        if self.len() == COUNT_MAX || ended.event == NONE {
            return Err(format!("more than {COUNT_MAX} transactions, or an event beyond 2^32 - 2"));
        }
        self.ended.push(ended.event);
        self.ended_at.push(ended.time);
        self.invoked.push(invoked.map_or(NONE, |invoked| invoked.event));
        self.invoked_at.push(invoked.map_or(0, |invoked| invoked.time));
        self.process.push(process);
        let node = node.map_or(0, |node| u32::from(node.0) + 1);
        self.ending.push(node << 2 | outcome as u32);
        self.closed += usize::from(!is_open);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        let from = self.first_cell.last().copied().unwrap_or_default() as usize;
        let count = self.cells.len();
        if count - from > COUNT_MAX || count >= NONE as usize || self.lists.len() > COUNT_MAX {
            return Err(format!(
                "more than {COUNT_MAX} micro-operations in one transaction, or keys, or 2^32 micro-operations in all"
            ));
        }
        self.first_cell.push(count as u32);
        Ok(())
    }

    fn row_of(&mut self, key: Key) -> usize {
        let row = self.rows.row(key);
        if row == self.lists.len() {
            self.lists.push(Vec::new());
        }
        row
    }

    fn append(&mut self, row: usize, value: Value) -> Cell {
        if let Ok(value) = u32::try_from(value) {
            return Cell::new(row, What::Append, value as usize);
        }
        self.wide.push(value);
        Cell::new(row, What::AppendWide, self.wide.len() - 1)
    }

    fn read(&mut self, row: usize, values: Option<&[Value]>) -> Cell {
        let Some(values) = values else { return Cell::new(row, What::ReadNil, 0) };
        let list = &mut self.lists[row];
        let both = values.len().min(list.len());
        if values[..both] == list[..both] {
            list.extend_from_slice(&values[both..]);
            return Cell::new(row, What::ReadPrefix, values.len());
        }
        self.keep_other(row, values)
    }

    fn keep_other(&mut self, row: usize, values: &[Value]) -> Cell {
        self.others.extend_from_slice(values);
        self.other_start.push(self.others.len());
        Cell::new(row, What::ReadOther, self.other_start.len() - 2)
    }
}

#[cfg(test)]
pub(crate) mod tests;
