//! How Redis values lie in the store (`adapter/redis_keys.go`, `store/{list,hash,set,zset,stream}_helpers.go`).
//!
//! A collection is members under keys of their own, a base meta record, and one delta a change, whose key embeds the change's commit
//! timestamp. Every writer of a collection also writes the collection's fence, so that writers of one key always conflict with each
//! other and with who read it.
//!
//! Differs from upstream: when a collection expires is kept beside it for every type (`!redis|ttl|`), where upstream has it in the meta
//! records of lists and streams; no legacy encodings; popped list items leave no claim keys.

use super::streams::StreamId;
use crate::codec::{Malformed, Reader, Writer};
use crate::kv::request::Elem;
use bytes::Bytes;

const STRING: &[u8] = b"!redis|str|";
const TTL: &[u8] = b"!redis|ttl|";
const LIST_ITEM: &[u8] = b"!lst|itm|";
const LIST_META_OF_D: &[u8] = b"!lst|metd|";
const STREAM: &[u8] = b"!stream|meta|";
const STREAM_ENTRY: &[u8] = b"!stream|entry|";
const HLL: &[u8] = b"!redis|hll|";
const ZSET_SCORE: &[u8] = b"!zs|scr|";
/// Magic and version.
const STRING_MAGIC: [u8; 2] = [0xff, 0x01];
const HAS_EXPIRY: u8 = 0x01;

/// What a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Items by position.
    List,
    /// Values by field.
    Hash,
    /// Members.
    Set,
    /// Members by score.
    Zset,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 4] = [Kind::List, Kind::Hash, Kind::Set, Kind::Zset];

    /// What TYPE says.
    pub fn name(self) -> &'static str {
        match self {
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::Zset => "zset",
        }
    }

    fn meta(self) -> &'static [u8] {
        match self {
            Kind::List => b"!lst|meta|",
            Kind::Hash => b"!hs|meta|",
            Kind::Set => b"!st|meta|",
            Kind::Zset => b"!zs|meta|",
        }
    }

    fn delta(self) -> &'static [u8] {
        match self {
            Kind::List => b"!lst|meta|d|",
            Kind::Hash => b"!hs|meta|d|",
            Kind::Set => b"!st|meta|d|",
            Kind::Zset => b"!zs|meta|d|",
        }
    }

    fn fence(self) -> &'static [u8] {
        match self {
            Kind::List => b"!redis|txn-wide-list|",
            Kind::Hash => b"!redis|txn-wide-hash|",
            Kind::Set => b"!redis|txn-wide-set|",
            Kind::Zset => b"!redis|txn-wide-zset|",
        }
    }

    /// Of what a member's key begins with; lists have items.
    fn member(self) -> &'static [u8] {
        match self {
            Kind::List => LIST_ITEM,
            Kind::Hash => b"!hs|fld|",
            Kind::Set => b"!st|mem|",
            Kind::Zset => b"!zs|mem|",
        }
    }
}

fn join(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn len4(key: &[u8]) -> [u8; 4] {
    (key.len() as u32).to_be_bytes()
}

/// The record of a string.
pub fn string(key: &[u8]) -> Bytes {
    join(&[STRING, key])
}

/// What all strings' records begin with.
pub fn strings() -> &'static [u8] {
    STRING
}

/// A string's bytes as they are stored, with when it expires, in milliseconds since 1970.
pub fn encode_string(value: &[u8], expires_ms: Option<u64>) -> Bytes {
    match expires_ms {
        None => join(&[&STRING_MAGIC, &[0], value]),
        Some(at) => join(&[&STRING_MAGIC, &[HAS_EXPIRY], &at.to_be_bytes(), value]),
    }
}

/// A stored string's bytes and when it expires.
pub fn decode_string(stored: &Bytes) -> (Bytes, Option<u64>) {
    if !stored.starts_with(&STRING_MAGIC) {
        return (stored.clone(), None);
    }
    match (stored.get(2), stored.get(3..11)) {
        (Some(&HAS_EXPIRY), Some(at)) => {
            let at = u64::from_be_bytes(at.try_into().expect("eight bytes"));
            (stored.slice(11..), Some(at))
        }
        (Some(_), _) => (stored.slice(3..), None),
        (None, _) => (stored.clone(), None),
    }
}

/// When a collection expires: eight bytes, milliseconds since 1970.
pub fn ttl(key: &[u8]) -> Bytes {
    join(&[TTL, key])
}

/// The record of a stream.
pub fn stream(key: &[u8]) -> Bytes {
    join(&[STREAM, &len4(key), key])
}

/// What all streams' records begin with; four bytes of the key's length follow.
pub fn streams() -> &'static [u8] {
    STREAM
}

/// An entry of a stream; keys sort as identities do.
pub fn entry(key: &[u8], id: StreamId) -> Bytes {
    join(&[STREAM_ENTRY, &len4(key), key, &id.to_bytes()])
}

/// What all entries of a stream begin with.
pub fn entries(key: &[u8]) -> Bytes {
    join(&[STREAM_ENTRY, &len4(key), key])
}

/// The record of a HyperLogLog.
pub fn hll(key: &[u8]) -> Bytes {
    join(&[HLL, key])
}

/// What all HyperLogLogs' records begin with.
pub fn hlls() -> &'static [u8] {
    HLL
}

/// What every writer of a collection writes and every reader of it reads.
pub fn fence(kind: Kind, key: &[u8]) -> Bytes {
    join(&[kind.fence(), key])
}

/// What all fences of a kind begin with.
pub fn fences(kind: Kind) -> &'static [u8] {
    kind.fence()
}

/// The base meta record. Of a list whose key begins as what deltas begin with, under a prefix of its own.
pub fn meta(kind: Kind, key: &[u8]) -> Bytes {
    match kind {
        Kind::List if key.starts_with(b"d|") => join(&[LIST_META_OF_D, key]),
        Kind::List => join(&[kind.meta(), key]),
        _ => join(&[kind.meta(), &len4(key), key]),
    }
}

/// Whether an internal key is of a list.
pub fn is_of_list(key: &[u8]) -> bool {
    key.starts_with(b"!lst|")
}

/// The item of a list at a sequence number, which may be negative; keys sort as numbers do.
pub fn list_item(key: &[u8], seq: i64) -> Bytes {
    join(&[LIST_ITEM, key, &((seq as u64) ^ (1 << 63)).to_be_bytes()])
}

/// A field of a hash, a member of a set or a sorted set.
pub fn member(kind: Kind, key: &[u8], member: &[u8]) -> Bytes {
    join(&[kind.member(), &len4(key), key, member])
}

/// What all members of a collection begin with, but for lists.
pub fn members(kind: Kind, key: &[u8]) -> Bytes {
    member(kind, key, b"")
}

/// A member of a sorted set under its score: keys sort by score, then by member.
pub fn score_entry(key: &[u8], score: f64, member: &[u8]) -> Bytes {
    join(&[ZSET_SCORE, &len4(key), key, &sortable(score), member])
}

/// What all members of a sorted set under their scores begin with.
pub fn score_entries(key: &[u8]) -> Bytes {
    join(&[ZSET_SCORE, &len4(key), key])
}

/// A score and its member, from what follows [`score_entries`].
pub fn split_score(rest: &[u8]) -> Option<(f64, &[u8])> {
    let (score, member) = rest.split_at_checked(8)?;
    let bits = u64::from_be_bytes(score.try_into().ok()?);
    let bits = if bits >> 63 == 1 { bits ^ (1 << 63) } else { !bits };
    Some((f64::from_bits(bits), member))
}

/// Eight bytes that sort as the numbers do.
fn sortable(score: f64) -> [u8; 8] {
    let bits = score.to_bits();
    let bits = if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) };
    bits.to_be_bytes()
}

/// What all deltas of a collection start with.
pub fn delta_prefix(kind: Kind, key: &[u8]) -> Bytes {
    join(&[kind.delta(), &len4(key), key])
}

/// A delta whose key is completed by the commit timestamp.
pub fn delta(kind: Kind, key: &[u8], seq_in_txn: u32, by: Meta) -> Elem {
    let prefix = delta_prefix(kind, key);
    let stamp_at = Some(prefix.len() as u32);
    Elem {
        key: join(&[&prefix, &[0; 8], &seq_in_txn.to_be_bytes()]),
        value: Some(by.encode()),
        stamp_at,
    }
}

/// The user's key inside an internal one, for messages to people (`normalizeRetryableRedisTxnKey`).
pub fn user_key(internal: &[u8]) -> &[u8] {
    let fences = Kind::ALL.map(Kind::fence);
    for prefix in [STRING, TTL, HLL, LIST_META_OF_D].into_iter().chain(fences) {
        if let Some(key) = internal.strip_prefix(prefix) {
            return key;
        }
    }
    if let Some(rest) = internal.strip_prefix(LIST_ITEM) {
        return rest.get(..rest.len().saturating_sub(8)).unwrap_or(internal);
    }
    let with_length = Kind::ALL.into_iter().flat_map(|kind| match kind {
        Kind::List => [kind.delta()].to_vec(),
        _ => [kind.delta(), kind.meta(), kind.member()].to_vec(),
    });
    for prefix in with_length.chain([ZSET_SCORE, STREAM, STREAM_ENTRY]) {
        if let Some(rest) = internal.strip_prefix(prefix) {
            return counted(rest).unwrap_or(internal);
        }
    }
    internal.strip_prefix(Kind::List.meta()).unwrap_or(internal)
}

/// A key behind its length.
fn counted(rest: &[u8]) -> Option<&[u8]> {
    let (length, rest) = rest.split_at_checked(4)?;
    rest.get(..u32::from_be_bytes(length.try_into().ok()?) as usize)
}

/// How much a collection holds, and of a list where: sequence numbers `head..head + len`. What a change adds to that is one, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Sequence number of the first item of a list.
    pub head: i64,
    /// Number of members.
    pub len: i64,
}

impl Meta {
    /// So many more members, or fewer.
    pub fn grown(len: i64) -> Meta {
        Meta { head: 0, len }
    }

    /// As stored.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::new();
        w.u64(self.head as u64).u64(self.len as u64);
        w.finish().into()
    }

    /// From what was stored.
    pub fn decode(bytes: Bytes) -> Result<Meta, Malformed> {
        let mut r = Reader::new(bytes);
        Ok(Meta { head: r.u64()? as i64, len: r.u64()? as i64 })
    }

    /// After a change.
    #[must_use]
    pub fn moved(self, by: Meta) -> Meta {
        Meta { head: self.head + by.head, len: self.len + by.len }
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
    fn members_sort_by_score_then_by_name_and_come_back() {
        let scores =
            [f64::NEG_INFINITY, -1e300, -2.5, -1.0, 0.0, 1e-300, 1.0, 1.5, 1e300, f64::INFINITY];
        let keys: Vec<Bytes> = scores
            .iter()
            .flat_map(|score| [score_entry(b"k", *score, b"a"), score_entry(b"k", *score, b"b")])
            .collect();
        assert!(keys.is_sorted());
        let prefix = score_entries(b"k").len();
        let back: Vec<f64> = keys
            .iter()
            .step_by(2)
            .map(|key| split_score(&key[prefix..]).expect("whole").0)
            .collect();
        assert_eq!(back, scores);
        assert_eq!(split_score(&keys[1][prefix..]).expect("whole").1, b"b");
        assert_eq!(split_score(b"short"), None);
    }

    #[test]
    fn every_internal_key_gives_the_user_key_back() {
        let mut all =
            vec![string(b"k"), ttl(b"k"), list_item(b"k", 5), score_entry(b"k", 1.5, b"m")];
        all.extend([stream(b"k"), entry(b"k", StreamId { ms: 1, seq: 2 }), hll(b"k")]);
        for kind in Kind::ALL {
            all.extend([
                fence(kind, b"k"),
                meta(kind, b"k"),
                delta(kind, b"k", 0, Meta::grown(1)).key,
            ]);
        }
        all.extend([Kind::Hash, Kind::Set, Kind::Zset].map(|kind| member(kind, b"k", b"member")));
        for internal in all {
            assert_eq!(user_key(&internal), b"k", "{internal:?}");
        }
        for odd in [&b"d|"[..], b"d|7", b"d|\0\0\0\x01k", b"k|", b""] {
            for internal in [meta(Kind::List, odd), delta(Kind::List, odd, 0, Meta::grown(1)).key] {
                assert_eq!(user_key(&internal), odd, "{internal:?}");
            }
        }
    }

    #[test]
    fn a_string_that_looks_like_a_header_keeps_its_bytes_and_its_expiry() {
        for value in
            [&[0xff, 0x01, 0x00, 7][..], &[0xff, 0x01, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 1], b""]
        {
            for expires in [None, Some(0), Some(u64::MAX)] {
                let stored = encode_string(value, expires);
                assert_eq!(decode_string(&stored), (Bytes::copy_from_slice(value), expires));
            }
        }
    }
}
