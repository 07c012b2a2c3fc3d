//! How values are kept on disk: bincode behind a magic word, a format version, a length and a checksum.
//!
//! The only place that names bincode, so the place where a replacement would go. Decoding never panics and
//! never allocates more than its [`Format`] allows, whatever the bytes.

use bincode::Options as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What it begins with: printable, so that a person who looks inside learns something.
    pub magic: &'static str,
    /// The version that is written and read. Raise it when the meaning of the bytes changes.
    pub version: u8,
    /// Bytes of a value, at most.
    pub limit: u64,
}

/// What is known of a run: all of it, or a chunk.
pub const RUN: Format = Format { magic: "HRNS", version: 3, limit: 1 << 30 };
/// A plan: its content is read by names, so that its version need not rise with every new option or fault.
pub const PLAN: Format = Format { magic: "PLAN", version: 1, limit: 1 << 26 };

const MAGIC: usize = 4;
const HEADER: usize = MAGIC + 1 + 8 + 4;

/// Bytes that cannot be read back, or a value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It begins with something else, or is too short.
    #[error("not a file of this kind: it does not begin with {0} and a header of 17 bytes")]
    Foreign(&'static str),
    /// Another version wrote it.
    #[error(
        "written in format {found}, this program reads format {read}: use the version that wrote it"
    )]
    Format {
        /// What the header says.
        found: u8,
        /// What would be right.
        read: u8,
    },
    /// It is larger than any of its kind.
    #[error("{found} bytes, where {limit} is the most")]
    Large {
        /// How large it is, or says it is.
        found: u64,
        /// The most.
        limit: u64,
    },
    /// It was cut short or has a tail.
    #[error("{found} bytes where the header says {expected}: the file was cut or added to")]
    Length {
        /// What the header says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Its bytes changed.
    #[error(
        "the checksum is {found:#010x} where the header says {expected:#010x}: the file was damaged"
    )]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The bytes are whole and mean something else.
    #[error("does not hold the expected value: {0}")]
    Value(String),
}

impl Format {
    /// Bytes of a whole file with one value, at most.
    pub fn file_limit(self) -> u64 {
        self.limit + HEADER as u64
    }

    /// Header and value.
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, CodecError> {
        let payload = bincode::DefaultOptions::new()
            .with_limit(self.limit)
            .serialize(value)
            .map_err(|error| CodecError::Value(error.to_string()))?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(self.magic.as_bytes());
        bytes.push(self.version);
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        Ok(bytes)
    }

    /// The first of several encoded values in a row, and the bytes after it; `None` if the bytes end before it does.
    pub fn split_first(self, bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, CodecError> {
        let begins = &bytes[..bytes.len().min(MAGIC)];
        if !self.magic.as_bytes().starts_with(begins) {
            return Err(CodecError::Foreign(self.magic));
        }
        let Some(header) = bytes.get(..HEADER) else { return Ok(None) };
        let mut length = [0; 8];
        length.copy_from_slice(&header[MAGIC + 1..MAGIC + 9]);
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        Ok(bytes.split_at_checked(HEADER.saturating_add(length)))
    }

    /// The value, if every byte is as it was written.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        let foreign = || CodecError::Foreign(self.magic);
        let (header, payload) = bytes.split_at_checked(HEADER).ok_or_else(foreign)?;
        let header = header.strip_prefix(self.magic.as_bytes()).ok_or_else(foreign)?;
        let (version, rest) = (header[0], &header[1..]);
        if version != self.version {
            return Err(CodecError::Format { found: version, read: self.version });
        }
        let mut length = [0; 8];
        length.copy_from_slice(&rest[..8]);
        let expected = u64::from_le_bytes(length);
        if expected > self.limit {
            return Err(CodecError::Large { found: expected, limit: self.limit });
        }
        if payload.len() as u64 != expected {
            return Err(CodecError::Length { expected, found: payload.len() as u64 });
        }
        let mut checksum = [0; 4];
        checksum.copy_from_slice(&rest[8..]);
        let (expected, found) = (u32::from_le_bytes(checksum), crc32fast::hash(payload));
        if found != expected {
            return Err(CodecError::Checksum { expected, found });
        }
        bincode::DefaultOptions::new()
            .with_limit(self.limit)
            .deserialize(payload)
            .map_err(|error| CodecError::Value(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_any_changed_byte_is_noticed() -> Result<(), CodecError> {
        let value = (7u64, vec!["seven".to_owned()], Some(-7i64));
        let bytes = RUN.encode(&value)?;
        assert_eq!(RUN.decode::<(u64, Vec<String>, Option<i64>)>(&bytes)?, value);
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert!(RUN.decode::<(u64, Vec<String>, Option<i64>)>(&changed).is_err(), "byte {i}");
            assert!(
                RUN.decode::<(u64, Vec<String>, Option<i64>)>(&bytes[..i]).is_err(),
                "cut at {i}"
            );
        }
        Ok(())
    }

    #[test]
    fn another_format_is_refused_with_a_sentence() -> Result<(), CodecError> {
        let mut bytes = RUN.encode(&1u8)?;
        bytes[4] = 9;
        let sentence = RUN.decode::<u8>(&bytes).unwrap_err().to_string();
        assert!(sentence.contains("format 9"), "{sentence}");
        assert_eq!(RUN.decode::<u8>(b"PNG"), Err(CodecError::Foreign("HRNS")));
        Ok(())
    }
}
