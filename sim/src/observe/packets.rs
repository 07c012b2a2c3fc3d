//! What the simulated network carries, as Ethernet frames: datagrams in UDP, packets of byte streams in TCP, with the sequence
//! numbers that the simulated kernels use, right lengths and right checksums.
//!
//! | what            | is written as                                                                     |
//! |-----------------|-----------------------------------------------------------------------------------|
//! | node N          | `10.0.0.N`                                                                         |
//! | clients         | `10.1.0.1`                                                                         |
//! | a datagram      | UDP to port 50060 (heartbeats), 50061 or 50062 (snapshots), from the same port      |
//! | a stream        | TCP from a port of its own, from 32768 on, to the port that listens: 6379 is Redis' |
//! | IP's identifier | the low 16 bits of the message's tag: the same at its sender and its receiver        |
//!
//! The window is scaled by 128, as the SYN says. Sequence numbers begin at 0. What is longer than an IP packet may be is several.
//! Cannot show: another address that a fault gives to a node, which keeps its own here; options that the simulated kernels do not have (time stamps, selective acknowledgements); a stream's numbers
//! beyond 4 GiB wrap, as TCP's do.

use super::{Carried, Load};
use crate::stream::{Body, Part};
use bytes::Bytes;
use std::collections::BTreeMap;

const UDP_PORT: u16 = 50_060;
const CLIENT_PORTS: u64 = 32_768;
/// Bytes of a message in one packet: with all headers less than 64 KiB.
const CHUNK: usize = 65_000;
const WINDOW_SCALE: u32 = 7;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// What has been seen of a stream's side.
#[derive(Clone, Copy, Default)]
struct Side {
    /// After the last byte that it has sent.
    next: u64,
    /// Up to where it has acknowledged the other.
    acked: u64,
    window: u64,
}

/// Makes packets; remembers of each stream what packets do not say themselves.
#[derive(Default)]
pub(super) struct Packets(BTreeMap<u64, [Side; 2]>);

/// One TCP header's worth.
struct Segment<'a> {
    ports: [u16; 2],
    seq: u64,
    ack: u64,
    window: u64,
    flags: u8,
    payload: &'a [u8],
}

/// The address of a host.
pub(super) fn address(host: u16) -> [u8; 4] {
    match host {
        0 => [10, 1, 0, 1],
        node => {
            let [high, low] = node.to_be_bytes();
            [10, 0, high, low]
        }
    }
}

impl Packets {
    /// A message as it leaves its sender.
    pub(super) fn of(&mut self, carried: &Carried<'_>) -> Vec<Bytes> {
        let way = Way { tag: carried.tag, from: carried.from, to: carried.to };
        match carried.load {
            Load::Datagram { lane, message } => {
                let port = UDP_PORT + lane as u16;
                chunks(message).map(|(_, chunk)| way.udp(port, chunk)).collect()
            }
            Load::Packet { conn, side, port, body } => {
                let client = (CLIENT_PORTS + conn % (1 << 15)) as u16;
                let ports = if side == 0 { [client, port] } else { [port, client] };
                let own = &mut self.0.entry(conn).or_default()[side];
                let segment = own.segment(ports, body);
                let one = |(at, payload): (usize, _)| {
                    way.tcp(&Segment { seq: segment.seq + at as u64, payload, ..segment })
                };
                chunks(segment.payload).map(one).collect()
            }
        }
    }
}

impl Side {
    fn segment<'b>(&mut self, ports: [u16; 2], body: &'b Body) -> Segment<'b> {
        let (seq, flags, payload): (u64, u8, &[u8]) = match body {
            Body::Segment { seq, ack, edge, part } => {
                (self.acked, self.window) = (*ack, edge.saturating_sub(*ack));
                let acks = if *ack > 0 { ACK } else { 0 };
                match part {
                    Part::Syn => (*seq, SYN | acks, &[]),
                    Part::Data(bytes) => (*seq, PSH | acks, bytes),
                    Part::Fin => (*seq, FIN | acks, &[]),
                }
            }
            Body::Ack { ack, edge } => {
                (self.acked, self.window) = (*ack, edge.saturating_sub(*ack));
                (self.next, ACK, &[])
            }
            // As a keep-alive does: a number that the other side has, so that it answers.
            Body::Probe => (self.next.saturating_sub(1), ACK, &[]),
            // A kernel that knows of no stream acknowledges the SYN that it refuses.
            Body::Reset => {
                self.acked = self.acked.max(1);
                (self.next, RST | ACK, &[])
            }
        };
        let phantom = u64::from(flags & (SYN | FIN) != 0);
        self.next = self.next.max(seq + payload.len() as u64 + phantom);
        Segment { ports, seq, ack: self.acked, window: self.window, flags, payload }
    }
}

/// The bytes in parts that fit, with where each begins; one part of nothing for nothing.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let nothing = bytes.is_empty().then_some((0, bytes));
    let parts = bytes.chunks(CHUNK).enumerate().map(|(number, part)| (number * CHUNK, part));
    nothing.into_iter().chain(parts)
}

/// From where to where.
#[derive(Clone, Copy)]
struct Way {
    tag: u64,
    from: u16,
    to: u16,
}

impl Way {
    fn udp(self, port: u16, payload: &[u8]) -> Bytes {
        let mut udp = Vec::with_capacity(8 + payload.len());
        udp.extend(port.to_be_bytes());
        udp.extend(port.to_be_bytes());
        udp.extend((8 + payload.len() as u16).to_be_bytes());
        udp.extend([0; 2]);
        udp.extend(payload);
        // 0 would say that there is none.
        let sum = match self.checksum(17, &udp) {
            0 => 0xffff,
            sum => sum,
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        self.frame(17, &udp)
    }

    fn tcp(self, segment: &Segment<'_>) -> Bytes {
        let Segment { ports, seq, ack, window, flags, payload } = *segment;
        let opens = flags & SYN != 0;
        // The window of a SYN is not scaled.
        let window = if opens { window } else { window >> WINDOW_SCALE };
        let options: &[u8] =
            if opens { &[2, 4, 0xff, 0xd7, 1, 3, 3, WINDOW_SCALE as u8] } else { &[] };
        let ack = if flags & ACK != 0 { ack } else { 0 };
        let mut tcp = Vec::with_capacity(28 + payload.len());
        tcp.extend(ports[0].to_be_bytes());
        tcp.extend(ports[1].to_be_bytes());
        tcp.extend((seq as u32).to_be_bytes());
        tcp.extend((ack as u32).to_be_bytes());
        tcp.push(((20 + options.len() as u8) / 4) << 4);
        tcp.push(flags);
        tcp.extend((window.min(0xffff) as u16).to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(options);
        tcp.extend(payload);
        let sum = self.checksum(6, &tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.frame(6, &tcp)
    }

    /// With the addresses, as TCP and UDP count them.
    fn checksum(self, protocol: u8, payload: &[u8]) -> u16 {
        let mut pseudo = Vec::with_capacity(12);
        pseudo.extend(address(self.from));
        pseudo.extend(address(self.to));
        pseudo.extend([0, protocol]);
        pseudo.extend((payload.len() as u16).to_be_bytes());
        folded(sum(&pseudo) + sum(payload))
    }

    fn frame(self, protocol: u8, payload: &[u8]) -> Bytes {
        let mut ip = Vec::with_capacity(20);
        ip.extend([0x45, 0]);
        ip.extend((20 + payload.len() as u16).to_be_bytes());
        ip.extend((self.tag as u16).to_be_bytes());
        // Never in fragments.
        ip.extend([0x40, 0, 64, protocol, 0, 0]);
        ip.extend(address(self.from));
        ip.extend(address(self.to));
        let sum = folded(sum(&ip));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = Vec::with_capacity(34 + payload.len());
        for host in [self.to, self.from] {
            frame.extend([2, 0]);
            frame.extend(address(host));
        }
        frame.extend([8, 0]);
        frame.extend(ip);
        frame.extend(payload);
        frame.into()
    }
}

/// 16-bit words, the last one padded with zeros.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>() + last
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elastickv::env::Lane;

    fn datagram(message: &'static [u8]) -> Vec<Bytes> {
        let message = Bytes::from_static(message);
        let load = Load::Datagram { lane: Lane::Normal, message: &message };
        Packets::default().of(&Carried { tag: 7, from: 1, to: 2, load })
    }

    fn packet(packets: &mut Packets, side: usize, body: &Body) -> Bytes {
        let load = Load::Packet { conn: 3, side, port: 6379, body };
        let (from, to) = if side == 0 { (0, 2) } else { (2, 0) };
        packets.of(&Carried { tag: 7, from, to, load }).remove(0)
    }

    #[test]
    fn a_header_has_the_checksum_of_the_example_that_everybody_uses() {
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(folded(sum(&header)), 0xb861);
    }

    #[test]
    fn a_checksum_over_a_packet_with_its_checksum_is_all_ones() {
        for message in [&b"even"[..], b"odd", b""] {
            let frame = &datagram(message)[0];
            let (ip, udp) = (&frame[14..34], &frame[34..]);
            assert_eq!(folded(sum(ip)), 0);
            let mut pseudo = frame[26..34].to_vec();
            pseudo.extend([0, 17, 0, udp.len() as u8]);
            assert_eq!(folded(sum(&pseudo) + sum(udp)), 0, "{message:?}");
        }
    }

    #[test]
    fn a_message_longer_than_a_packet_is_several() {
        let long: &'static [u8] = vec![1; 2 * CHUNK + 1].leak();
        let lengths: Vec<usize> = datagram(long).iter().map(Bytes::len).collect();
        assert_eq!(lengths, [CHUNK + 42, CHUNK + 42, 43]);
    }

    #[test]
    fn a_stream_has_the_numbers_of_its_kernels() {
        let mut packets = Packets::default();
        let seen = |frame: &Bytes| {
            let word = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().expect("four"));
            (word(38), word(42), frame[47])
        };
        let segment = |seq, ack, part| Body::Segment { seq, ack, edge: ack + 65_536, part };
        let syn = packet(&mut packets, 0, &segment(0, 0, Part::Syn));
        assert_eq!(seen(&syn), (0, 0, SYN));
        assert_eq!(syn[54..62], [2, 4, 0xff, 0xd7, 1, 3, 3, 7]);
        assert_eq!(seen(&packet(&mut packets, 1, &segment(0, 1, Part::Syn))), (0, 1, SYN | ACK));
        let ack = Body::Ack { ack: 1, edge: 65_537 };
        let acked = packet(&mut packets, 0, &ack);
        assert_eq!(seen(&acked), (1, 1, ACK));
        assert_eq!(acked[48..50], [2, 0], "a window of 65,536 bytes, scaled");
        let data = segment(1, 1, Part::Data(Bytes::from_static(b"PING\r\n")));
        let asked = packet(&mut packets, 0, &data);
        assert_eq!(seen(&asked), (1, 1, PSH | ACK));
        assert_eq!(asked[54..], *b"PING\r\n");
        assert_eq!(seen(&packet(&mut packets, 0, &data)), (1, 1, PSH | ACK), "the same again");
        assert_eq!(seen(&packet(&mut packets, 0, &segment(7, 1, Part::Fin))), (7, 1, FIN | ACK));
        assert_eq!(seen(&packet(&mut packets, 0, &Body::Reset)), (8, 1, RST | ACK));
    }

    #[test]
    fn a_refused_connection_is_reset_with_its_syn_acknowledged() {
        let mut packets = Packets::default();
        let syn = Body::Segment { seq: 0, ack: 0, edge: 65_536, part: Part::Syn };
        packet(&mut packets, 0, &syn);
        let refused = packet(&mut packets, 1, &Body::Reset);
        assert_eq!((&refused[38..46], refused[47]), (&[0, 0, 0, 0, 0, 0, 0, 1][..], RST | ACK));
    }
}
