//! How values are kept on disk: bincode behind a magic word, a format version, a length and a checksum.
//!
//! The only place that names bincode, so the place where a replacement would go. Decoding never panics and
//! never allocates more than [`LIMIT`], whatever the bytes.

use bincode::Options as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of an encoded value, at most.
pub const LIMIT: u64 = 1 << 30;
/// The format that is written. Raise it when the meaning of the bytes changes.
pub const FORMAT: u8 = 2;

const MAGIC: &[u8; 4] = b"HRNS";
const HEADER: usize = MAGIC.len() + 1 + 8 + 4;

/// Bytes that cannot be read back, or a value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It begins with something else, or is too short.
    #[error("not a file of this program: it does not begin with HRNS and a header of 17 bytes")]
    Foreign,
    /// Another version wrote it.
    #[error(
        "written in format {0}, this program reads format {FORMAT}: use the version that wrote it"
    )]
    Format(u8),
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

/// Header and value.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let payload = bincode::DefaultOptions::new()
        .with_limit(LIMIT)
        .serialize(value)
        .map_err(|error| CodecError::Value(error.to_string()))?;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The first of several encoded values in a row, and the bytes after it; `None` if the bytes end before it does.
pub fn split_first(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, CodecError> {
    let begins = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(begins) {
        return Err(CodecError::Foreign);
    }
    let Some(header) = bytes.get(..HEADER) else { return Ok(None) };
    let mut length = [0; 8];
    length.copy_from_slice(&header[MAGIC.len() + 1..MAGIC.len() + 9]);
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    Ok(bytes.split_at_checked(HEADER.saturating_add(length)))
}

/// The value, if every byte is as it was written.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
        return Err(CodecError::Foreign);
    };
    let Some(header) = header.strip_prefix(MAGIC) else { return Err(CodecError::Foreign) };
    let (format, rest) = (header[0], &header[1..]);
    if format != FORMAT {
        return Err(CodecError::Format(format));
    }
    let mut length = [0; 8];
    length.copy_from_slice(&rest[..8]);
    let expected = u64::from_le_bytes(length);
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
        .with_limit(LIMIT)
        .deserialize(payload)
        .map_err(|error| CodecError::Value(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_any_changed_byte_is_noticed() -> Result<(), CodecError> {
        let value = (7u64, vec!["seven".to_owned()], Some(-7i64));
        let bytes = encode(&value)?;
        assert_eq!(decode::<(u64, Vec<String>, Option<i64>)>(&bytes)?, value);
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert!(decode::<(u64, Vec<String>, Option<i64>)>(&changed).is_err(), "byte {i}");
            assert!(decode::<(u64, Vec<String>, Option<i64>)>(&bytes[..i]).is_err(), "cut at {i}");
        }
        Ok(())
    }

    #[test]
    fn another_format_is_refused_with_a_sentence() -> Result<(), CodecError> {
        let mut bytes = encode(&1u8)?;
        bytes[4] = 9;
        let sentence = decode::<u8>(&bytes).unwrap_err().to_string();
        assert!(sentence.contains("format 9"), "{sentence}");
        assert_eq!(decode::<u8>(b"PNG"), Err(CodecError::Foreign));
        Ok(())
    }
}
