//! Bytes of log entries, files and messages: little-endian numbers, length-prefixed strings, CRC frames.
//!
//! Reading never panics: a short or broken buffer is [`Malformed`].

use bytes::{Buf, Bytes};
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

/// Appends values to a buffer.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer.
    pub fn new() -> Writer {
        Writer::default()
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

    /// The buffer.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values from a buffer; byte strings share it.
pub struct Reader(Bytes);

impl Reader {
    /// From the beginning.
    pub fn new(bytes: Bytes) -> Reader {
        Reader(bytes)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.0.try_get_u8().map_err(|_| Malformed)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.0.try_get_u16_le().map_err(|_| Malformed)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.try_get_u32_le().map_err(|_| Malformed)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.0.try_get_u64_le().map_err(|_| Malformed)
    }

    /// Length and bytes.
    pub fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()? as usize;
        if len > self.0.len() {
            return Err(Malformed);
        }
        Ok(self.0.split_to(len))
    }

    /// A count of things that take at least `each` bytes, so that a broken count cannot ask for memory.
    pub fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count.saturating_mul(each.max(1)) > self.0.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// Bytes not yet taken.
    pub fn left(&self) -> usize {
        self.0.len()
    }
}

/// Bytes of a frame's header: length and CRC-32 of the payload.
pub const FRAME_HEADER: usize = 8;

/// Adds a frame (length, CRC-32, payload) to a buffer.
pub fn frame_into(buffer: &mut Vec<u8>, payload: &[u8]) {
    buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    buffer.extend_from_slice(payload);
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
