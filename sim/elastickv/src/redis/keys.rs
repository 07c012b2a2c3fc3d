//! How Redis values lie in the store (`adapter/redis_keys.go`, `store/list_helpers.go`).
//!
//! A list is items under their sequence numbers, a base meta record, and one delta a push, whose key embeds the push's commit timestamp.
//! Every list writer also writes the list's fence, so that writers of one list always conflict with each
//! other and with who read it.

use crate::codec::{Malformed, Reader, Writer};
use crate::kv::request::Elem;
use bytes::Bytes;

const STRING: &[u8] = b"!redis|str|";
const LIST_META: &[u8] = b"!lst|meta|";
const LIST_DELTA: &[u8] = b"!lst|meta|d|";
const LIST_ITEM: &[u8] = b"!lst|itm|";
const LIST_FENCE: &[u8] = b"!redis|txn-wide-list|";
/// Flags and no expiry.
const STRING_HEADER: [u8; 3] = [0xff, 0x01, 0x00];

fn join(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

/// The record of a string.
pub fn string(key: &[u8]) -> Bytes {
    join(&[STRING, key])
}

/// A string's bytes as they are stored.
pub fn encode_string(value: &[u8]) -> Bytes {
    join(&[&STRING_HEADER, value])
}

/// A stored string's bytes.
pub fn decode_string(stored: &Bytes) -> Bytes {
    if stored.starts_with(&STRING_HEADER) {
        stored.slice(STRING_HEADER.len()..)
    } else {
        stored.clone()
    }
}

/// What every writer of a list writes and every reader of it reads.
pub fn list_fence(key: &[u8]) -> Bytes {
    join(&[LIST_FENCE, key])
}

/// The base meta record.
pub fn list_meta(key: &[u8]) -> Bytes {
    join(&[LIST_META, key])
}

/// The item at a sequence number, which may be negative; keys sort as numbers do.
pub fn list_item(key: &[u8], seq: i64) -> Bytes {
    join(&[LIST_ITEM, key, &((seq as u64) ^ (1 << 63)).to_be_bytes()])
}

/// What all deltas of a list start with.
pub fn list_delta_prefix(key: &[u8]) -> Bytes {
    join(&[LIST_DELTA, &(key.len() as u32).to_be_bytes(), key])
}

/// A delta whose key is completed by the commit timestamp.
pub fn list_delta(key: &[u8], seq_in_txn: u32, delta: ListDelta) -> Elem {
    let prefix = list_delta_prefix(key);
    let stamp_at = Some(prefix.len() as u32);
    Elem {
        key: join(&[&prefix, &[0; 8], &seq_in_txn.to_be_bytes()]),
        value: Some(delta.encode()),
        stamp_at,
    }
}

/// The user's key inside an internal one, for messages to people (`normalizeRetryableRedisTxnKey`).
pub fn user_key(internal: &[u8]) -> &[u8] {
    for prefix in [STRING, LIST_FENCE] {
        if let Some(key) = internal.strip_prefix(prefix) {
            return key;
        }
    }
    if let Some(rest) = internal.strip_prefix(LIST_DELTA) {
        return rest.get(4..rest.len().saturating_sub(12)).unwrap_or(internal);
    }
    if let Some(rest) = internal.strip_prefix(LIST_ITEM) {
        return rest.get(..rest.len().saturating_sub(8)).unwrap_or(internal);
    }
    internal.strip_prefix(LIST_META).unwrap_or(internal)
}

/// Where a list's items are: sequence numbers `head..head + len`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListMeta {
    /// Sequence number of the first item.
    pub head: i64,
    /// Number of items.
    pub len: i64,
}

impl ListMeta {
    /// As stored.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::new();
        w.u64(self.head as u64).u64(self.len as u64);
        w.finish().into()
    }

    /// From what was stored.
    pub fn decode(bytes: Bytes) -> Result<ListMeta, Malformed> {
        let mut r = Reader::new(bytes);
        Ok(ListMeta { head: r.u64()? as i64, len: r.u64()? as i64 })
    }

    /// After a push.
    #[must_use]
    pub fn moved(self, by: ListDelta) -> ListMeta {
        ListMeta { head: self.head + by.head, len: self.len + by.len }
    }
}

/// What a push changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListDelta {
    /// Added to the head.
    pub head: i64,
    /// Added to the length.
    pub len: i64,
}

impl ListDelta {
    /// As stored.
    pub fn encode(self) -> Bytes {
        ListMeta { head: self.head, len: self.len }.encode()
    }

    /// From what was stored.
    pub fn decode(bytes: Bytes) -> Result<ListDelta, Malformed> {
        ListMeta::decode(bytes).map(|ListMeta { head, len }| ListDelta { head, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_sort_by_their_sequence_number_also_below_zero() {
        let keys: Vec<Bytes> = [-2, -1, 0, 1].map(|seq| list_item(b"k", seq)).into();
        assert!(keys.is_sorted());
    }

    #[test]
    fn every_internal_key_gives_the_user_key_back() {
        let delta = list_delta(b"k", 0, ListDelta { head: 0, len: 1 });
        for internal in
            [string(b"k"), list_fence(b"k"), list_meta(b"k"), list_item(b"k", 5), delta.key]
        {
            assert_eq!(user_key(&internal), b"k", "{internal:?}");
        }
    }

    #[test]
    fn a_string_that_looks_like_a_header_keeps_its_bytes() {
        let odd = [0xff, 0x01, 0x00, 7];
        assert_eq!(decode_string(&encode_string(&odd)), Bytes::copy_from_slice(&odd));
    }
}
