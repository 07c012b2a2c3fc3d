//! Bytes of log entries, files and messages: little-endian numbers, length-prefixed strings, CRC frames.
//!
//! Reading never panics: a short or broken buffer is [`Malformed`].

use bytes::Bytes;
use std::fmt;

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed bytes")
    }
}

impl std::error::Error for Malformed {}

/// Most records and requests are shorter.
const ROOM: usize = 160;

/// Appends values to a buffer.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer, with room for most of what is written.
    pub fn new() -> Writer {
        Writer(Vec::with_capacity(ROOM))
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Writer {
        self.0.push(value);
        self
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Writer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Writer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Writer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Length and bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Writer {
        self.u32(value.len() as u32);
        self.0.extend_from_slice(value);
        self
    }

    /// Bytes as they are.
    pub fn raw(&mut self, value: &[u8]) -> &mut Writer {
        self.0.extend_from_slice(value);
        self
    }

    /// The buffer.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values from a buffer; byte strings share it.
pub struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    /// From the beginning.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = self.bytes[self.at..].first_chunk::<N>().ok_or(Malformed)?;
        self.at += N;
        Ok(*array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Length and bytes.
    pub fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()? as usize;
        if len > self.left() {
            return Err(Malformed);
        }
        self.at += len;
        Ok(self.bytes.slice(self.at - len..self.at))
    }

    /// A count of things that take at least `each` bytes, so that a broken count cannot ask for memory.
    pub fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count.saturating_mul(each.max(1)) > self.left() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(Malformed) }
    }

    /// Bytes not yet taken.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
}

/// Bytes of a frame's header: length and CRC-32 of the payload.
pub const FRAME_HEADER: usize = 8;

/// Adds a frame (length, CRC-32, payload) to a buffer.
pub fn frame_into(buffer: &mut Vec<u8>, payload: &[u8]) {
    frame_with(buffer, |writer| {
        writer.raw(payload);
    });
}

/// Adds a frame whose payload is written where it stays.
pub fn frame_with(buffer: &mut Vec<u8>, payload: impl FnOnce(&mut Writer)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_HEADER]);
    let mut writer = Writer(std::mem::take(buffer));
    payload(&mut writer);
    *buffer = writer.finish();
    let (header, payload) = buffer[start..].split_at_mut(FRAME_HEADER);
    header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
}

/// The frame at `offset`: its payload and the offset after it. `None` where the file ends, is torn or is broken.
pub fn frame_at(file: &Bytes, offset: usize) -> Option<(Bytes, usize)> {
    let header = file.get(offset..offset + FRAME_HEADER)?;
    let len = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(header[4..].try_into().ok()?);
    // Eight zero bytes would be a whole empty frame; file systems leave such tails after a power loss.
    if len == 0 {
        return None;
    }
    let start = offset + FRAME_HEADER;
    let end = start.checked_add(len)?;
    let payload = file.get(start..end)?;
    (crc32fast::hash(payload) == crc).then(|| (file.slice(start..end), end))
}

/// FNV-1a over 8-byte words, finished with a mixer: quick, and the same everywhere.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        let mut words = part.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            state = (state ^ u64::from_le_bytes(bytes)).wrapping_mul(0x100_0000_01b3);
            state ^= state >> 29;
        }
        for byte in words.remainder() {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        state = (state ^ part.len() as u64).wrapping_mul(0x100_0000_01b3);
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^ (state >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_or_flipped_frame_is_no_frame() {
        let mut file = Vec::new();
        frame_into(&mut file, b"first");
        let second = file.len();
        frame_into(&mut file, b"second");
        let whole = Bytes::from(file.clone());
        let (payload, next) = frame_at(&whole, 0).unwrap();
        assert_eq!((&payload[..], next), (&b"first"[..], second));
        assert_eq!(frame_at(&whole.slice(..whole.len() - 1), second), None);
        *file.last_mut().unwrap() ^= 1;
        assert_eq!(frame_at(&Bytes::from(file), second), None);
        assert_eq!(frame_at(&whole, whole.len()), None);
        assert_eq!(frame_at(&Bytes::from_static(&[0; 64]), 0), None);
    }

    #[test]
    fn a_count_larger_than_the_buffer_is_malformed() {
        let mut writer = Writer::new();
        writer.u32(1_000_000);
        assert_eq!(Reader::new(writer.finish().into()).count(8), Err(Malformed));
    }

    #[test]
    fn moving_a_byte_between_parts_changes_the_hash() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }
}
