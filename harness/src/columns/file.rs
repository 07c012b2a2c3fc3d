//! Columns in a file, as they grew: transaction after transaction, in blocks with a checksum each.
//!
//! ```text
//!   "COLS" version
//!   tag length:u32 checksum:u32 content     `T`: transactions   `N`: names of keys   `E`: the end, and how much there was
//! ```
//!
//! Numbers of a content are LEB128. A transaction is told from the one before: event and time of its end, invocation,
//! process, ending, micro-operations. A key that is new follows its row, elements that no read showed before follow the
//! length of the read that did.
//!
//! Promises: no bytes panic or need memory beyond a small multiple of their number; what is not as it was written is an
//! error that names the byte. A file is written and read block by block, and may be written while the columns grow.

use super::{Cell, Columns, Moment, NONE, OUTCOMES, Outcome, Txn, WHAT_BITS, WHATS, What};
use crate::cluster::NodeId;
use crate::interchange::KeyName;
use crate::op::{Key, Value};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// What a file of columns begins with.
pub const MAGIC: [u8; 4] = *b"COLS";
/// The version that is written and read. Raise it when the meaning of the bytes changes.
const VERSION: u8 = 1;
/// A block is written when it is as large as that.
const BLOCK: usize = 1 << 16;
/// Bytes of a block's content, at most.
const BLOCK_MAX: usize = 1 << 26;
const TRANSACTIONS: u8 = b'T';
const NAMES: u8 = b'N';
const END: u8 = b'E';

/// Columns, and what their keys were called where they were no numbers.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The transactions.
    pub columns: Columns,
    /// As in [`Imported`](crate::interchange::Imported).
    pub key_names: BTreeMap<Key, KeyName>,
}

/// Why bytes are no columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {message}")]
pub struct FileError {
    /// Counted from 0.
    pub offset: u64,
    /// What is wrong there and what would be right.
    pub message: String,
}

/// Writes columns that may still grow.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    block: Vec<u8>,
    /// How many transactions and keys were written, and of each key's list how much.
    txns: usize,
    lists: Vec<usize>,
    last: Moment,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        out.write_all(&MAGIC)?;
        out.write_all(&[VERSION])?;
        let last = Moment { event: 0, time: 0 };
        Ok(Writer { out, block: Vec::new(), txns: 0, lists: Vec::new(), last })
    }

    /// Writes what the columns have more than when they were written last. They must be the same, grown.
    pub fn catch_up(&mut self, columns: &Columns) -> io::Result<()> {
        while self.txns < columns.len() {
            self.transaction(columns, self.txns);
            self.txns += 1;
            if self.block.len() >= BLOCK {
                self.flush(TRANSACTIONS)?;
            }
        }
        self.flush(TRANSACTIONS)
    }

    /// Writes what is missing, and the end.
    pub fn finish(mut self, kept: &Kept) -> io::Result<W> {
        self.catch_up(&kept.columns)?;
        for (key, name) in &kept.key_names {
            self.name(*key, name);
            if self.block.len() >= BLOCK {
                self.flush(NAMES)?;
            }
        }
        self.flush(NAMES)?;
        for count in [kept.columns.len(), kept.columns.cells().len()] {
            put(&mut self.block, count as u64);
        }
        self.flush(END)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush(&mut self, tag: u8) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        if self.block.len() > BLOCK_MAX {
            let (count, number) = (self.block.len(), self.txns);
            let message = format!(
                "{count} bytes for transaction {number} and its neighbours, where {BLOCK_MAX} are the most"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let length = (self.block.len() as u32).to_le_bytes();
        let checksum = checksum(tag, length, &self.block).to_le_bytes();
        self.out.write_all(&[tag])?;
        self.out.write_all(&length)?;
        self.out.write_all(&checksum)?;
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    fn transaction(&mut self, columns: &Columns, number: usize) {
        let Txn { process, outcome, ended, invoked, node } = columns.txn(number);
        let block = &mut self.block;
        put(block, ended.event.wrapping_sub(self.last.event).into());
        put(block, ended.time.wrapping_sub(self.last.time));
        put(block, invoked.map_or(0, |invoked| u64::from(ended.event - invoked.event) + 1));
        if let Some(invoked) = invoked {
            put(block, ended.time.wrapping_sub(invoked.time));
        }
        put(block, process.into());
        put(block, node.map_or(0, |node| u64::from(node.0) + 1) << 2 | outcome as u64);
        put(block, columns.cells_of(number).len() as u64);
        self.last = ended;
        for cell in columns.cells_of(number) {
            self.cell(columns, *cell);
        }
    }

    fn cell(&mut self, columns: &Columns, cell: Cell) {
        let (row, block) = (cell.row(), &mut self.block);
        // How large an element is need not be told.
        let what = match cell.what() {
            What::AppendWide => What::Append,
            what => what,
        };
        put(block, (row as u64) << WHAT_BITS | what as u64);
        if row == self.lists.len() {
            put(block, columns.keys()[row]);
            self.lists.push(0);
        }
        if let Some(value) = columns.appended(cell.what(), cell.argument) {
            return put(block, value);
        }
        let Some(values) = columns.values(row, what, cell.argument) else { return };
        put(block, values.len() as u64);
        let known = if what == What::ReadPrefix { &mut self.lists[row] } else { &mut 0 };
        values.iter().skip(*known).for_each(|value| put(block, *value));
        *known = values.len().max(*known);
    }

    fn name(&mut self, key: Key, name: &KeyName) {
        let (kind, text) = match name {
            KeyName::Keyword(text) => (0, text.clone()),
            KeyName::Text(text) => (1, text.clone()),
            KeyName::Number(number) => (2, number.to_string()),
        };
        put(&mut self.block, key);
        put(&mut self.block, kind);
        put(&mut self.block, text.len() as u64);
        self.block.extend_from_slice(text.as_bytes());
    }
}

fn put(block: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        block.push(number as u8 | 0x80);
        number >>= 7;
    }
    block.push(number as u8);
}

fn checksum(tag: u8, length: [u8; 4], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(&length);
    hasher.update(content);
    hasher.finalize()
}

/// Reads a file to its end.
pub fn read(input: impl Read) -> Result<Kept, FileError> {
    let mut reader = Reader {
        input,
        offset: 0,
        kept: Kept::default(),
        last: Moment { event: 0, time: 0 },
        processes: BTreeMap::new(),
    };
    reader.head()?;
    while reader.block()? {}
    Ok(reader.kept)
}

struct Reader<R> {
    input: R,
    /// Of the next byte of the input.
    offset: u64,
    kept: Kept,
    last: Moment,
    /// By process the event that ended its last transaction, or [`NONE`] while that is open.
    processes: BTreeMap<u32, u32>,
}

impl<R: Read> Reader<R> {
    fn head(&mut self) -> Result<(), FileError> {
        let head = self.bytes(MAGIC.len() + 1, "a head of 5 bytes")?;
        if head[..MAGIC.len()] != MAGIC {
            return Err(at(0, "not a file of columns: it does not begin with COLS".to_string()));
        }
        let version = head[MAGIC.len()];
        if version != VERSION {
            return Err(at(
                4,
                format!(
                    "written in format {version}, this program reads format {VERSION}: use the version that wrote it"
                ),
            ));
        }
        Ok(())
    }

    /// Whether more follows.
    fn block(&mut self) -> Result<bool, FileError> {
        let begin = self.offset;
        let head = self.bytes(9, "a block, the last of which is an end")?;
        let (tag, length) = (head[0], [head[1], head[2], head[3], head[4]]);
        let expected = u32::from_le_bytes([head[5], head[6], head[7], head[8]]);
        let count = u32::from_le_bytes(length) as usize;
        if count > BLOCK_MAX {
            let message = format!("a block of {count} bytes, where {BLOCK_MAX} are the most");
            return Err(at(begin, message));
        }
        let content = self.bytes(count, "the content of a block")?;
        let found = checksum(tag, length, &content);
        if found != expected {
            return Err(at(
                begin,
                format!(
                    "the checksum of the block is {found:#010x} where its head says {expected:#010x}: the file was damaged"
                ),
            ));
        }
        let mut content = Content { bytes: &content, next: 0, begin: begin + 9 };
        match tag {
            TRANSACTIONS => {
                while !content.is_over() {
                    self.transaction(&mut content)?;
                }
            }
            NAMES => {
                while !content.is_over() {
                    self.name(&mut content)?;
                }
            }
            END => return self.end(&mut content).map(|()| false),
            other => {
                let message =
                    format!("a block `{}`, expected T, N or E", char::from(other).escape_default());
                return Err(at(begin, message));
            }
        }
        Ok(true)
    }

    fn end(&mut self, content: &mut Content) -> Result<(), FileError> {
        let here = [self.kept.columns.len(), self.kept.columns.cells().len()];
        for (what, here) in ["transactions", "micro-operations"].into_iter().zip(here) {
            let (offset, said) = (content.offset(), content.number()?);
            if said != here as u64 {
                return Err(at(offset, format!("{here} {what} where the end says {said}")));
            }
        }
        let mut more = [0];
        match self.input.read(&mut more) {
            Ok(0) if content.is_over() => Ok(()),
            Ok(_) => Err(at(content.offset(), "something after the end".to_string())),
            Err(error) => Err(at(self.offset, error.to_string())),
        }
    }

    fn transaction(&mut self, content: &mut Content) -> Result<(), FileError> {
        let begin = content.offset();
        let event = self.last.event.wrapping_add(content.small("an event")?);
        let time = self.last.time.wrapping_add(content.number()?);
        let ended = Moment { event, time };
        let invoked = match content.small("an invocation")?.checked_sub(1) {
            None => None,
            Some(before) => {
                let event = event.checked_sub(before).ok_or_else(|| {
                    at(begin, format!("an invocation {before} events before event {event}"))
                })?;
                Some(Moment { event, time: time.wrapping_sub(content.number()?) })
            }
        };
        let process = content.small("a process")?;
        let ending = content.small("an ending")?;
        let outcome = OUTCOMES[(ending & 3) as usize];
        let node = (ending >> 2).checked_sub(1).map(u16::try_from).transpose();
        let node = node.map_err(|_| at(begin, format!("node {} is none", (ending >> 2) - 1)))?;
        let txn = Txn { process, outcome, ended, invoked, node: node.map(NodeId) };
        self.one_at_a_time(&txn).map_err(|message| at(begin, message))?;
        self.kept.columns.begin(txn).map_err(|message| at(begin, message))?;
        for _ in 0..content.number()? {
            let cell = self.cell(content)?;
            self.kept.columns.cells.push(cell);
        }
        self.last = ended;
        self.kept.columns.finish().map_err(|message| at(begin, message))
    }

    /// A process asks one thing at a time.
    fn one_at_a_time(&mut self, txn: &Txn) -> Result<(), String> {
        let Txn { process, outcome, ended, invoked, .. } = *txn;
        let open = outcome == Outcome::Open;
        let last = self.processes.insert(process, if open { NONE } else { ended.event });
        match (last, invoked) {
            (Some(last), Some(invoked)) if last >= invoked.event => Err(format!(
                "process {process} asks at event {} while its transaction before is open: one thing at a time",
                invoked.event
            )),
            _ => Ok(()),
        }
    }

    fn cell(&mut self, content: &mut Content) -> Result<Cell, FileError> {
        let begin = content.offset();
        let packed = content.number()?;
        let what = WHATS.get((packed & ((1 << WHAT_BITS) - 1)) as usize);
        let row = (packed >> WHAT_BITS) as usize;
        let columns = &mut self.kept.columns;
        let known = columns.lists.len();
        if row > known {
            return Err(at(begin, format!("key number {row} where {known} keys are known")));
        }
        if row == known {
            let key = content.number()?;
            if columns.row_of(key) != known {
                return Err(at(begin, format!("key {key} is new, but it is known")));
            }
        }
        match what {
            Some(What::Append) => Ok(columns.append(row, content.number()?)),
            Some(What::ReadNil) => Ok(columns.read(row, None)),
            Some(What::ReadPrefix) => {
                let length = content.length(columns.lists[row].len())?;
                while columns.lists[row].len() < length {
                    columns.lists[row].push(content.number()?);
                }
                Ok(Cell::new(row, What::ReadPrefix, length))
            }
            Some(What::ReadOther) => {
                let length = content.length(0)?;
                let values: Result<Vec<Value>, FileError> =
                    (0..length).map(|_| content.number()).collect();
                Ok(columns.keep_other(row, &values?))
            }
            Some(What::AppendWide) | None => {
                let message = "neither an append nor a read of a known kind".to_string();
                Err(at(begin, message))
            }
        }
    }

    fn name(&mut self, content: &mut Content) -> Result<(), FileError> {
        let begin = content.offset();
        let (key, kind) = (content.number()?, content.number()?);
        let length = content.length(0)?;
        let text = content.text(length)?;
        let name = match kind {
            0 => KeyName::Keyword(text),
            1 => KeyName::Text(text),
            2 => KeyName::Number(
                text.parse().map_err(|_| at(begin, format!("{text:?} is not a number")))?,
            ),
            _ => return Err(at(begin, format!("a name of kind {kind}, expected 0, 1 or 2"))),
        };
        self.kept.key_names.insert(key, name);
        Ok(())
    }

    /// So many bytes; memory grows with those that are there.
    fn bytes(&mut self, count: usize, what: &str) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(count as u64).read_to_end(&mut bytes);
        let offset = self.offset + bytes.len() as u64;
        read.map_err(|error| at(offset, error.to_string()))?;
        if bytes.len() < count {
            let missing = count - bytes.len();
            return Err(at(
                offset,
                format!("the file ends {missing} bytes early: expected {what}"),
            ));
        }
        self.offset = offset;
        Ok(bytes)
    }
}

/// What stands in a block.
struct Content<'b> {
    bytes: &'b [u8],
    next: usize,
    /// Of its first byte in the file.
    begin: u64,
}

impl Content<'_> {
    fn is_over(&self) -> bool {
        self.next == self.bytes.len()
    }

    fn offset(&self) -> u64 {
        self.begin + self.next as u64
    }

    fn number(&mut self) -> Result<u64, FileError> {
        let begin = self.offset();
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.next) else {
                return Err(at(begin, "the block ends where a number is expected".to_string()));
            };
            self.next += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(at(begin, "a number of more than 64 bits".to_string()))
    }

    fn small(&mut self, what: &str) -> Result<u32, FileError> {
        let (begin, number) = (self.offset(), self.number()?);
        u32::try_from(number)
            .map_err(|_| at(begin, format!("{number} is too large for {what}, expected 32 bits")))
    }

    /// A length of something of which so much is known, and the rest is here.
    fn length(&mut self, known: usize) -> Result<usize, FileError> {
        let (begin, number) = (self.offset(), self.number()?);
        let here = self.bytes.len() - self.next;
        usize::try_from(number)
            .ok()
            .filter(|length| *length <= known.saturating_add(here))
            .ok_or_else(|| {
                at(
                    begin,
                    format!("a length of {number} where {known} are known and {here} bytes follow"),
                )
            })
    }

    fn text(&mut self, length: usize) -> Result<String, FileError> {
        let begin = self.offset();
        let bytes = self.bytes[self.next..].get(..length);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        self.next += length;
        text.ok_or_else(|| at(begin, "not the text that a name is".to_string()))
    }
}

fn at(offset: u64, message: String) -> FileError {
    FileError { offset, message }
}
