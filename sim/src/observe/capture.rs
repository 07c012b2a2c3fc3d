//! What `tcpdump` on each machine would have recorded: every packet that its host sends, and every one that arrives there. So
//! a packet that is lost on its way is in its sender's file, with a comment that says what became of it, and in no other; what
//! is sent again is there again. A file has its host's newest packets, up to [`BYTES_MAX`].
//!
//! Cannot see: drops by a full inbox, which is above the wire; the loopback interface's second look at a packet; at the receiver
//! what is damaged, and datagrams to a machine whose process is gone, which are in the sender's file only.

use super::packets::{Packets, address};
use super::pcapng::{Direction, Writer};
use super::{After, File, Seen, Watch, name};
use crate::clock::WALL_START_MS;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of packets that are kept of one host, the newest.
const BYTES_MAX: usize = 64 << 20;

/// One file for each host.
pub(super) struct Captures {
    packets: Packets,
    hosts: Vec<Capture>,
    under_way: BTreeMap<u64, UnderWay>,
}

/// A message that has left and of which not all copies are accounted for.
struct UnderWay {
    from: u16,
    /// Its sender's number of its first packet.
    first: u64,
    packets: Vec<Bytes>,
    /// Of which nobody knows yet what becomes of them.
    copies: u8,
    arrived: bool,
}

#[derive(Default)]
struct Capture {
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Packets that went before the first that is kept.
    left_out: u64,
}

struct Kept {
    ns: u64,
    bytes: Bytes,
    direction: Direction,
    comment: Option<&'static str>,
}

impl Captures {
    pub(super) fn new(nodes: u16) -> Captures {
        Captures {
            packets: Packets::default(),
            hosts: (0..=nodes).map(|_| Capture::default()).collect(),
            under_way: BTreeMap::new(),
        }
    }

    /// One copy is lost. What has arrived once is not called lost.
    fn lost(&mut self, tag: u64, why: &'static str) {
        let Some(message) = self.under_way.get_mut(&tag) else { return };
        message.copies = message.copies.saturating_sub(1);
        if message.copies == 0 {
            self.over(tag, why);
        }
    }

    /// All that is still under way of it is lost.
    fn over(&mut self, tag: u64, why: &'static str) {
        let Some(message) = self.under_way.remove(&tag).filter(|message| !message.arrived) else {
            return;
        };
        let sender = &mut self.hosts[usize::from(message.from)];
        for number in message.first..message.first + message.packets.len() as u64 {
            sender.comment(number, why);
        }
    }
}

impl Watch for Captures {
    fn see(&mut self, now: u64, seen: &Seen<'_>) {
        match seen {
            Seen::Left { carried, copies } => {
                let packets = self.packets.of(carried);
                let sender = &mut self.hosts[usize::from(carried.from)];
                let first = sender.number();
                for packet in &packets {
                    sender.keep(now, packet, Direction::Out);
                }
                let (from, copies, arrived) = (carried.from, *copies, false);
                let under_way = UnderWay { from, first, packets, copies, arrived };
                self.under_way.insert(carried.tag, under_way);
            }
            // It left long ago; nobody sends it now.
            Seen::Came(carried) if carried.tag == 0 => {
                let receiver = &mut self.hosts[usize::from(carried.to)];
                for packet in self.packets.of(carried) {
                    receiver.keep(now, &packet, Direction::In);
                    receiver.comment(receiver.number() - 1, "an old one, again");
                }
            }
            Seen::Came(carried) => {
                let Some(message) = self.under_way.get_mut(&carried.tag) else { return };
                let receiver = &mut self.hosts[usize::from(carried.to)];
                // A message to oneself has been seen.
                if carried.from != carried.to {
                    message.packets.iter().for_each(|it| receiver.keep(now, it, Direction::In));
                }
                message.arrived = true;
                message.copies = message.copies.saturating_sub(1);
                if message.copies == 0 {
                    self.under_way.remove(&carried.tag);
                }
            }
            Seen::Lost { tag, why, .. } => self.lost(*tag, why),
            Seen::Gone { tag } => self.over(*tag, "to a connection that is over"),
            _ => {}
        }
    }

    fn files(mut self: Box<Self>, _: &After<'_>) -> Vec<File> {
        let open: Vec<u64> = self.under_way.keys().copied().collect();
        open.into_iter().for_each(|tag| self.over(tag, "under way when the run ended"));
        let names: Vec<String> = (0..self.hosts.len() as u16).map(name).collect();
        let hosts = self.hosts.iter().zip(&names);
        let file = |(capture, host): (&Capture, &String)| File {
            path: format!("{host}/tcpdump.pcapng"),
            bytes: capture.file(host, &names),
        };
        hosts.map(file).collect()
    }
}

impl Capture {
    /// The number of the next packet.
    fn number(&self) -> u64 {
        self.left_out + self.kept.len() as u64
    }

    fn keep(&mut self, ns: u64, bytes: &Bytes, direction: Direction) {
        self.bytes += bytes.len();
        self.kept.push_back(Kept { ns, bytes: bytes.clone(), direction, comment: None });
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes.len();
            self.left_out += 1;
        }
    }

    fn comment(&mut self, number: u64, comment: &'static str) {
        let kept = number.checked_sub(self.left_out).and_then(|at| self.kept.get_mut(at as usize));
        if let Some(kept) = kept {
            kept.comment = Some(comment);
        }
    }

    fn file(&self, host: &str, names: &[String]) -> Vec<u8> {
        let comment = match self.left_out {
            0 => "what the host sent and what arrived there, in virtual time".to_owned(),
            count => format!("the {count} packets before these are left out"),
        };
        let mut writer = Writer::new(host, &comment);
        let named = names.iter().enumerate();
        writer.names(named.map(|(host, name)| (address(host as u16), name.as_str())));
        for Kept { ns, bytes, direction, comment } in &self.kept {
            writer.packet(WALL_START_MS * 1_000_000 + ns, bytes, *direction, *comment);
        }
        writer.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Carried, Load};
    use super::*;
    use elastickv::env::Lane;

    fn left(captures: &mut Captures, tag: u64, message: &Bytes, copies: u8) {
        let load = Load::Datagram { lane: Lane::Normal, message };
        let carried = Carried { tag, from: 1, to: 2, load };
        captures.see(tag, &Seen::Left { carried, copies });
    }

    fn came(captures: &mut Captures, tag: u64, message: &Bytes) {
        let load = Load::Datagram { lane: Lane::Normal, message };
        captures.see(tag + 100, &Seen::Came(Carried { tag, from: 1, to: 2, load }));
    }

    #[test]
    fn a_sender_sees_what_it_sends_and_a_receiver_what_arrives() {
        let mut captures = Captures::new(2);
        let message = Bytes::from_static(b"x");
        left(&mut captures, 1, &message, 1);
        left(&mut captures, 2, &message, 0);
        captures.see(2, &Seen::Lost { tag: 2, from: 1, why: "lost" });
        left(&mut captures, 3, &message, 2);
        came(&mut captures, 1, &message);
        came(&mut captures, 3, &message);
        came(&mut captures, 3, &message);
        // Of two copies one is lost, the first or the second.
        for (tag, lost_first) in [(4, true), (5, false)] {
            left(&mut captures, tag, &message, 2);
            for turn in [true, false] {
                match turn == lost_first {
                    true => captures.see(tag, &Seen::Lost { tag, from: 1, why: "cut" }),
                    false => came(&mut captures, tag, &message),
                }
            }
        }
        let comments: Vec<_> = captures.hosts[1].kept.iter().map(|kept| kept.comment).collect();
        assert_eq!(comments, [None, Some("lost"), None, None, None]);
        let times: Vec<u64> = captures.hosts[2].kept.iter().map(|kept| kept.ns).collect();
        assert_eq!(times, [101, 103, 103, 104, 105]);
        assert!(captures.hosts[0].kept.is_empty() && captures.under_way.is_empty());
    }

    #[test]
    fn what_the_network_says_again_arrives_and_nobody_sends_it() {
        let mut captures = Captures::new(2);
        came(&mut captures, 0, &Bytes::from_static(b"old"));
        let kept = captures.hosts[2].kept.front().expect("it is seen");
        assert_eq!((kept.direction, kept.comment), (Direction::In, Some("an old one, again")));
        assert!(captures.hosts[1].kept.is_empty());
    }

    #[test]
    fn the_oldest_packets_go_first_and_are_counted() {
        let mut captures = Captures::new(2);
        let message = Bytes::from(vec![0; 1 << 20]);
        for tag in 0..70 {
            left(&mut captures, tag, &message, 0);
            captures.see(tag, &Seen::Lost { tag, from: 1, why: "lost" });
        }
        let sender = &captures.hosts[1];
        assert!(sender.bytes <= BYTES_MAX && sender.left_out > 0);
        assert_eq!(sender.kept.back().and_then(|kept| kept.comment), Some("lost"));
        let file = sender.file("n1", &["clients".to_owned()]);
        let told = format!("the {} packets before these are left out", sender.left_out);
        assert!(file.windows(told.len()).any(|bytes| bytes == told.as_bytes()));
    }
}
