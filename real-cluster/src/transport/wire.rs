//! The bytes between two nodes' Raft ports: a hello each way, then frames one way.
//!
//! A hello is 20 bytes: magic, version, from, to, lane, CRC-32. A frame is length, CRC-32 of the payload, payload. All
//! numbers are little-endian.

use super::LANES;
use bytes::{Buf, Bytes, BytesMut};
use elastickv::env::{Lane, NodeId};
use std::io;

/// Of this protocol; a node speaks only one.
pub const VERSION: u16 = 1;
/// Bytes of a hello.
pub(super) const HELLO_LEN: usize = 20;
/// Bytes before a frame's payload.
pub(super) const HEADER: usize = 8;

const MAGIC: [u8; 8] = *b"EKV-RAFT";

/// The longest message of a lane in bytes. The normal lane takes an entry of the largest request (65 MiB) with room to spare.
pub fn lane_max(lane: Lane) -> usize {
    match lane {
        Lane::Heartbeat => 1 << 20,
        Lane::Normal => 128 << 20,
        Lane::Snapshot => 1 << 30,
    }
}

/// Who speaks to whom, and about what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) lane: Lane,
}

impl Hello {
    pub(super) fn encode(self) -> [u8; HELLO_LEN] {
        let mut bytes = [0; HELLO_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.from.0.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.to.0.to_le_bytes());
        bytes[14..16].copy_from_slice(&(self.lane as u16).to_le_bytes());
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HELLO_LEN]) -> io::Result<Hello> {
        let mut rest = &bytes[8..];
        if bytes[..8] != MAGIC {
            return Err(broken("it does not speak this Raft protocol".into()));
        }
        let version = rest.get_u16_le();
        if version != VERSION {
            return Err(broken(format!("it speaks version {version}, this node speaks {VERSION}")));
        }
        let (from, to, lane) = (rest.get_u16_le(), rest.get_u16_le(), rest.get_u16_le());
        if rest.get_u32_le() != crc32fast::hash(&bytes[..16]) {
            return Err(broken("its hello fails its checksum".into()));
        }
        let lane = *LANES
            .get(usize::from(lane))
            .ok_or_else(|| broken(format!("there is no lane {lane}, only 0 to 2")))?;
        Ok(Hello { from: NodeId(from), to: NodeId(to), lane })
    }

    /// What the other end says when it is the one that was meant.
    pub(super) fn answer(self) -> Hello {
        Hello { from: self.to, to: self.from, lane: self.lane }
    }
}

/// Adds a frame to a buffer.
pub(super) fn write_frame(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Takes one frame from the front of a buffer; `Err` with how many bytes are still missing at least, if it is not all there.
pub(super) fn take_frame(buffer: &mut BytesMut, max: usize) -> io::Result<Result<Bytes, usize>> {
    if buffer.len() < HEADER {
        return Ok(Err(HEADER - buffer.len()));
    }
    let mut header = &buffer[..HEADER];
    let (len, crc) = (header.get_u32_le() as usize, header.get_u32_le());
    if len > max {
        return Err(broken(format!("a frame of {len} bytes, where the lane takes {max}")));
    }
    if buffer.len() < HEADER + len {
        return Ok(Err(HEADER + len - buffer.len()));
    }
    buffer.advance(HEADER);
    let payload = buffer.split_to(len).freeze();
    if crc32fast::hash(&payload) != crc {
        return Err(broken(format!("a frame of {len} bytes fails its checksum")));
    }
    Ok(Ok(payload))
}

pub(super) fn broken(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello { from: NodeId(3), to: NodeId(1), lane: Lane::Snapshot }
    }

    #[test]
    fn a_hello_reads_back_and_every_flipped_bit_is_noticed() {
        let bytes = hello().encode();
        assert_eq!(Hello::decode(&bytes).unwrap(), hello());
        for bit in 0..HELLO_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Hello::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn frames_come_back_in_order_however_they_are_cut() {
        let mut wire = Vec::new();
        for payload in [&b"first"[..], b"", b"third"] {
            write_frame(&mut wire, payload);
        }
        let mut buffer = BytesMut::new();
        let mut taken = Vec::new();
        for byte in wire {
            buffer.extend_from_slice(&[byte]);
            if let Ok(frame) = take_frame(&mut buffer, 99).unwrap() {
                taken.push(frame);
            }
        }
        assert_eq!(taken, [&b"first"[..], b"", b"third"]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_frame_too_long_is_refused_by_its_header_alone() {
        let mut buffer = BytesMut::from(&[5, 0, 0, 0, 0, 0, 0, 0][..]);
        assert_eq!(take_frame(&mut buffer, 5).unwrap(), Err(5));
        assert_eq!(take_frame(&mut buffer, 4).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_flipped_payload_is_refused() {
        let mut wire = Vec::new();
        write_frame(&mut wire, b"payload");
        *wire.last_mut().unwrap() ^= 1;
        assert!(take_frame(&mut BytesMut::from(&wire[..]), 99).is_err());
    }
}
