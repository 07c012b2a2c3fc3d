//! The rolling hash of a run: equal for two runs if and only if (but for 2^-64) the same events happened at the same
//! virtual nanosecond on the same node with the same payload.
//!
//! FNV-1a's step on 64-bit words instead of bytes: the payload is folded eight bytes at a time, the last word padded with
//! zeros, its length in the event's header. A product only carries upwards, so the high half is folded back after
//! each step; otherwise a difference in a word's top byte would stay in the hash's top byte. Nothing is folded
//! as text.
//!
//! Every [`CHECKPOINT`] events the hash is kept, so that the first divergence of two runs is found by comparing
//! checkpoints and then recording one window of events.

/// Events between two kept hashes.
pub const CHECKPOINT: u64 = 4096;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x100_0000_01b3;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A node's process started.
    Boot = 1,
    /// A node's process ended.
    Down,
    /// A fault was injected.
    Fault,
    /// A datagram left its sender.
    Send,
    /// A datagram reached an inbox.
    Deliver,
    /// A datagram was lost, cut or found nobody.
    Drop,
    /// A packet of a byte stream left its sender.
    PacketOut,
    /// A packet of a byte stream reached a kernel.
    PacketIn,
    /// A packet of a byte stream was lost or cut.
    PacketDrop,
    /// Bytes of a file became durable.
    Synced,
    /// A power cut chose what survives.
    PowerCut,
    /// A node said something of itself.
    Fact,
    /// A run touched something.
    Mark,
    /// Something must never happen and did.
    Finding,
    /// A disk was replaced by an empty one.
    Wiped,
}

/// Which events to keep as text lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of the first event kept, from 0.
    pub from: u64,
    /// At most so many.
    pub limit: usize,
}

/// The hash so far, its checkpoints, and what is being recorded.
pub struct Trace {
    hash: u64,
    events: u64,
    checkpoints: Vec<u64>,
    window: Option<Window>,
    lines: Vec<String>,
}

impl Trace {
    /// An empty trace.
    pub fn new(window: Option<Window>) -> Trace {
        Trace { hash: OFFSET, events: 0, checkpoints: Vec::new(), window, lines: Vec::new() }
    }

    /// Folds one event.
    pub fn event(&mut self, ns: u64, node: u16, kind: Kind, words: &[u64], bytes: &[u8]) {
        let header = u64::from(node) << 48
            | (kind as u64) << 40
            | (words.len() as u64) << 32
            | (bytes.len() as u64 & 0xffff_ffff);
        self.hash = payload(step(step(self.hash, ns), header), words, bytes);
        if self.window.is_some_and(|w| self.events >= w.from && self.lines.len() < w.limit) {
            let hash = payload(OFFSET, words, bytes);
            let number = self.events;
            self.lines.push(format!("#{number} {ns} ns n{node} {kind:?} payload {hash:#018x}"));
        }
        self.events += 1;
        if self.events.is_multiple_of(CHECKPOINT) {
            self.checkpoints.push(self.hash);
        }
    }

    /// Adds words to the last event, if it was recorded: they are no part of the hash.
    pub fn annotate(&mut self, words: impl FnOnce() -> String) {
        if self.lines.is_empty() {
            return;
        }
        let last = self.events.wrapping_sub(1);
        if let Some(line) = self.lines.last_mut()
            && line.starts_with(&format!("#{last} "))
        {
            line.push_str("  ");
            line.push_str(&words());
        }
    }

    /// The rolling hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events were folded.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash after each [`CHECKPOINT`] events.
    pub fn checkpoints(&self) -> &[u64] {
        &self.checkpoints
    }

    /// The recorded lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// A hash of numbers, for folding a list into one word.
pub fn digest(words: &[u64]) -> u64 {
    payload(OFFSET, words, &[])
}

/// Bytes folded onto a hash.
pub fn digest_bytes(hash: u64, bytes: &[u8]) -> u64 {
    payload(hash, &[], bytes)
}

fn payload(hash: u64, words: &[u64], bytes: &[u8]) -> u64 {
    let hash = words.iter().fold(hash, |h, &word| step(h, word));
    let (whole, rest) = bytes.as_chunks::<8>();
    let hash = whole.iter().fold(hash, |h, chunk| step(h, u64::from_le_bytes(*chunk)));
    if rest.is_empty() {
        return hash;
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    step(hash, u64::from_le_bytes(last))
}

fn step(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(PRIME);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(ns: u64, node: u16, kind: Kind, words: &[u64], bytes: &[u8]) -> u64 {
        let mut trace = Trace::new(None);
        trace.event(ns, node, kind, words, bytes);
        trace.hash()
    }

    #[test]
    fn every_part_of_an_event_changes_the_hash() {
        let base = hash(5, 1, Kind::Send, &[7], b"payload of 20 bytes.");
        let others = [
            hash(6, 1, Kind::Send, &[7], b"payload of 20 bytes."),
            hash(5, 2, Kind::Send, &[7], b"payload of 20 bytes."),
            hash(5, 1, Kind::Deliver, &[7], b"payload of 20 bytes."),
            hash(5, 1, Kind::Send, &[8], b"payload of 20 bytes."),
            hash(5, 1, Kind::Send, &[7], b"payload of 20 bytes,"),
            hash(5, 1, Kind::Send, &[7], b"payload of 20 bytes.\0"),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_eq!(base, hash(5, 1, Kind::Send, &[7], b"payload of 20 bytes."));
    }

    #[test]
    fn a_difference_in_a_top_byte_spreads_over_the_hash() {
        let a = hash(0, 0, Kind::Send, &[0, 0], b"");
        let b = hash(0, 0, Kind::Send, &[1 << 63, 0], b"");
        assert!(((a ^ b) & 0xffff_ffff) != 0);
    }

    #[test]
    fn a_window_records_its_events_and_checkpoints_are_kept() {
        let mut trace = Trace::new(Some(Window { from: 2, limit: 2 }));
        for ns in 0..CHECKPOINT {
            trace.event(ns, 3, Kind::Mark, &[], b"x");
        }
        assert_eq!(trace.lines().len(), 2);
        assert!(trace.lines()[0].starts_with("#2 2 ns n3 Mark payload 0x"));
        assert_eq!(trace.checkpoints(), [trace.hash()]);
    }
}
