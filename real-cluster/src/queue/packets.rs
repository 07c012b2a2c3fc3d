//! A packet queue of the kernel (NFQUEUE): what came is told by number, and goes on when its number is accepted.
//!
//! Only numbers cross: no content is copied, and segments that hosts joined stay joined. Where a number is lost because too much
//! waits to be read, the kernel drops the packet; that is counted, not fatal. From `linux/netfilter/nfnetlink_queue.h`.

use super::netlink::{ACK, Head, Message, Messages, Socket, read};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// So many packets can be held.
pub(super) const HELD_MAX: u32 = 65_536;

const SUBSYSTEM: u16 = 3 << 8;
const PACKET: u16 = SUBSYSTEM;
const VERDICT: u16 = SUBSYSTEM | 1;
const CONFIGURE: u16 = SUBSYSTEM | 2;

/// In a configuration: an order, how much is copied, how much is held, and flags under their mask.
const COMMAND: u16 = 1;
const COPY: u16 = 2;
const LENGTH: u16 = 3;
const MASK: u16 = 4;
const FLAGS: u16 = 5;
const BIND: [u8; 4] = [1, 0, 0, 0];
/// Any range, and numbers only.
const COPY_NOTHING: [u8; 5] = [0, 0, 0, 0, 1];
const FAIL_OPEN: u32 = 1;
const JOINED: u32 = 4;

/// In what comes and in what goes.
const PACKET_HEAD: u16 = 1;
const VERDICT_HEAD: u16 = 2;
const ACCEPT: u32 = 1;

/// As many as are read before those that are due are let go.
const READ_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Packets {
    socket: Socket,
    number: u16,
    overruns: u64,
}

impl Packets {
    /// What comes through a hook that was left behind, before that is removed, is lost with it.
    pub(super) fn bind(number: u16) -> nix::Result<Packets> {
        let socket = Socket::open()?;
        let mut messages = Messages::default();
        configure(&mut messages, number);
        socket.ask(&messages)?;
        Ok(Packets { socket, number, overruns: 0 })
    }

    /// What has come by now, the oldest first.
    pub(super) fn receive(&mut self) -> nix::Result<Vec<u32>> {
        let mut came = Vec::new();
        while came.len() < READ_MAX {
            match self.socket.receive() {
                Ok(Some(datagram)) => {
                    came.extend(read(&datagram).filter_map(|message| packet(&message)))
                }
                Ok(None) => break,
                Err(Errno::ENOBUFS) => self.overruns += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(came)
    }

    /// They go on, in this order. One whose device is gone is gone with it.
    pub(super) fn accept(&self, packets: &[u32]) -> nix::Result<()> {
        // A message is far smaller than a page, and so is a few hundred of them than the send buffer.
        for some in packets.chunks(256) {
            let mut messages = Messages::default();
            for packet in some {
                accept(&mut messages, self.number, *packet);
            }
            self.socket.send(&messages)?;
        }
        Ok(())
    }

    /// How often numbers were lost.
    pub(super) fn overruns(&self) -> u64 {
        self.overruns
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn configure(messages: &mut Messages, number: u16) {
    let head = Head { kind: CONFIGURE, flags: ACK, family: 0, about: number };
    messages.add(head, |body| {
        body.bytes(COMMAND, &BIND);
        body.bytes(COPY, &COPY_NOTHING);
        body.number(LENGTH, HELD_MAX);
        body.number(FLAGS, JOINED);
        body.number(MASK, JOINED | FAIL_OPEN);
    });
}

fn accept(messages: &mut Messages, number: u16, packet: u32) {
    let head = Head { kind: VERDICT, flags: 0, family: 0, about: number };
    let verdict = [ACCEPT.to_be_bytes(), packet.to_be_bytes()].concat();
    messages.add(head, |body| body.bytes(VERDICT_HEAD, &verdict));
}

/// The number of a packet, if the message tells of one.
fn packet(message: &Message<'_>) -> Option<u32> {
    let head = message.attribute(PACKET_HEAD).filter(|_| message.kind == PACKET)?;
    head.first_chunk().map(|number| u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(write: impl FnOnce(&mut Messages)) -> Messages {
        let mut messages = Messages::default();
        write(&mut messages);
        messages
    }

    #[test]
    fn a_verdict_accepts_a_packet_by_its_number() {
        let verdict = messages(|messages| accept(messages, 7, 0x0102_0304));
        let message = read(verdict.as_bytes()).next().unwrap();
        assert_eq!(message.kind, 0x0301);
        assert_eq!(message.attribute(VERDICT_HEAD), Some(&[0, 0, 0, 1, 1, 2, 3, 4][..]));
        assert_eq!(verdict.as_bytes()[18..20], [0, 7]);
    }

    #[test]
    fn a_configuration_binds_joined_segments_and_does_not_fail_open() {
        let configuration = messages(|messages| configure(messages, 7));
        let message = read(configuration.as_bytes()).next().unwrap();
        assert_eq!(message.attribute(COMMAND), Some(&[1, 0, 0, 0][..]));
        assert_eq!(message.attribute(COPY), Some(&[0, 0, 0, 0, 1][..]));
        assert_eq!(message.attribute(LENGTH), Some(&[0, 1, 0, 0][..]));
        assert_eq!(message.attribute(FLAGS), Some(&[0, 0, 0, 4][..]));
        assert_eq!(message.attribute(MASK), Some(&[0, 0, 0, 5][..]));
    }

    #[test]
    fn a_packet_is_read_by_its_number_and_nothing_else_is() {
        let told = |kind| {
            let head = Head { kind, flags: 0, family: 2, about: 7 };
            let told = messages(|messages| {
                messages.add(head, |body| body.bytes(PACKET_HEAD, &[0, 0, 1, 2, 8, 0, 0]));
            });
            packet(&read(told.as_bytes()).next().unwrap())
        };
        assert_eq!(told(PACKET), Some(0x102));
        assert_eq!(told(VERDICT), None);
    }
}
