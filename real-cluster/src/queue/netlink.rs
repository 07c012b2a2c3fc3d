//! Netlink, as far as netfilter needs it: messages to the kernel and from it, and the socket that carries them.
//!
//! Lengths and kinds are in this machine's byte order, values mostly in the network's. What cannot be read ends a reading, and is no
//! error: the kernel is trusted to write what it says it writes. From `linux/netlink.h` and `linux/netfilter/nfnetlink.h`.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Flags of a message.
pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
pub(super) const EXCLUSIVE: u16 = 0x200;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

const ERROR: u16 = 2;
const NESTED: u16 = 0x8000;
const KIND: u16 = 0x3fff;
const ALIGN: usize = 4;
/// Length, kind, flags, sequence, port; the kernel's own messages to us have the same.
const HEADER: usize = 16;
/// Family, version, and what the message is about.
const FAMILY_HEADER: usize = 4;
/// What may wait to be read, in bytes.
const RECEIVE_BUFFER: usize = 64 << 20;
/// More than the kernel puts in one datagram that carries no packet's content.
const DATAGRAM: usize = 16 << 10;

/// To the kernel's netfilter, of the network namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open() -> nix::Result<Socket> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Socket(socket))
    }

    pub(super) fn send(&self, messages: &Messages) -> nix::Result<()> {
        send(self.0.as_raw_fd(), messages.as_bytes(), MsgFlags::empty()).map(drop)
    }

    /// The next datagram; `None` if there is none now.
    pub(super) fn receive(&self) -> nix::Result<Option<Vec<u8>>> {
        let mut datagram = vec![0; DATAGRAM];
        match recv(self.0.as_raw_fd(), &mut datagram, MsgFlags::empty()) {
            Ok(length) => {
                datagram.truncate(length);
                Ok(Some(datagram))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends, and returns the first error that the kernel answers with. It has answered all when the sending is done.
    pub(super) fn ask(&self, messages: &Messages) -> nix::Result<()> {
        self.send(messages)?;
        let mut answers = Vec::new();
        while let Some(datagram) = self.receive()? {
            answers.extend(read(&datagram).filter_map(|message| message.answer()));
        }
        answers.into_iter().collect()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Messages that are sent together.
#[derive(Debug, Default)]
pub(super) struct Messages(Vec<u8>);

/// What a message is, before its attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Subsystem in the high byte, the order in the low one.
    pub kind: u16,
    /// Besides [`REQUEST`].
    pub flags: u16,
    pub family: u8,
    /// Number of a queue, or of a subsystem.
    pub about: u16,
}

impl Messages {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn add(&mut self, head: Head, body: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        self.0.extend(head.kind.to_ne_bytes());
        self.0.extend((REQUEST | head.flags).to_ne_bytes());
        self.0.extend([0; 8]);
        self.0.extend([head.family, 0]);
        self.0.extend(head.about.to_be_bytes());
        body(&mut Attributes(&mut self.0));
        let length = u32::try_from(self.0.len() - start).expect("a message of a few lines");
        self.0[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

/// Attributes being written, each aligned.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.put(kind, |bytes| bytes.extend(value));
    }

    /// In the network's order.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(super) fn text(&mut self, kind: u16, text: &str) {
        self.put(kind, |bytes| {
            bytes.extend(text.bytes());
            bytes.push(0);
        });
    }

    pub(super) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Attributes<'_>)) {
        self.put(NESTED | kind, |bytes| inner(&mut Attributes(bytes)));
    }

    fn put(&mut self, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        value(self.0);
        let length = u16::try_from(self.0.len() - start).expect("an attribute of a few words");
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
    }
}

/// A message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub kind: u16,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// What an order of ours came to, if that is what it tells.
    pub(super) fn answer(&self) -> Option<nix::Result<()>> {
        let code = i32::from_ne_bytes(*self.body.first_chunk()?);
        let error = code.checked_neg().map(Errno::from_raw);
        match (self.kind, code) {
            (ERROR, 0) => Some(Ok(())),
            (ERROR, _) => error.map(Err),
            _ => None,
        }
    }

    pub(super) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        let mut rest = self.body.get(FAMILY_HEADER..)?;
        let mut attributes = std::iter::from_fn(|| {
            let [l0, l1, k0, k1] = *rest.first_chunk()?;
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            let value = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
            Some((u16::from_ne_bytes([k0, k1]) & KIND, value))
        });
        attributes.find_map(|(found, value)| (found == kind).then_some(value))
    }
}

/// The messages of one datagram.
pub(super) fn read(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const HEAD: Head = Head { kind: 0x0302, flags: ACK, family: 2, about: 7 };

    fn one(body: impl FnOnce(&mut Attributes<'_>)) -> Vec<u8> {
        let mut messages = Messages::default();
        messages.add(HEAD, body);
        messages.0
    }

    #[test]
    fn a_message_is_written_as_the_kernel_reads_it() {
        let bytes = one(|body| {
            body.number(3, 65_536);
            body.text(1, "late");
        });
        let mut expected = Vec::new();
        expected.extend(40_u32.to_ne_bytes());
        expected.extend(0x0302_u16.to_ne_bytes());
        expected.extend((REQUEST | ACK).to_ne_bytes());
        expected.extend([0; 8]);
        expected.extend([2, 0, 0, 7]);
        expected.extend([8_u16.to_ne_bytes(), 3_u16.to_ne_bytes()].concat());
        expected.extend([0, 1, 0, 0]);
        expected.extend([9_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        expected.extend(*b"late\0\0\0\0");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_nested_is_counted_into_what_it_is_in() {
        let bytes = one(|body| body.nest(4, |inner| inner.bytes(1, &[9])));
        let nest = [12_u16.to_ne_bytes(), (NESTED | 4).to_ne_bytes()].concat();
        let inner = [5_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat();
        assert_eq!(bytes[20..], [nest, inner, vec![9, 0, 0, 0]].concat());
    }

    #[test]
    fn messages_and_attributes_are_read_back() {
        let mut messages = Messages::default();
        messages.add(HEAD, |body| body.bytes(1, &[1, 2, 3]));
        messages.add(Head { kind: 5, ..HEAD }, |body| {
            body.number(8, 1);
            body.number(9, 2);
        });
        let read: Vec<Message> = read(&messages.0).collect();
        assert_eq!(read.iter().map(|message| message.kind).collect::<Vec<_>>(), [0x0302, 5]);
        assert_eq!(read[0].attribute(1), Some(&[1, 2, 3][..]));
        assert_eq!(read[1].attribute(9), Some(&[0, 0, 0, 2][..]));
        assert_eq!(read[1].attribute(7), None);
    }

    #[test]
    fn an_answer_is_an_error_or_none() {
        let answer = |code: i32| {
            let bytes = code.to_ne_bytes();
            Message { kind: ERROR, body: &bytes }.answer()
        };
        assert_eq!(answer(0), Some(Ok(())));
        assert_eq!(answer(-17), Some(Err(Errno::EEXIST)));
        assert_eq!(Message { kind: 0x0300, body: &[0; 8] }.answer(), None);
    }

    fn config() -> ProptestConfig {
        let rng_seed = RngSeed::Fixed(0);
        ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for message in read(&bytes) {
                message.attribute(1);
                message.answer();
            }
        }

        #[test]
        fn a_message_cut_short_is_not_read(cut in 0..44_usize) {
            let bytes = one(|body| body.bytes(1, &[7; 20]));
            prop_assert_eq!(read(&bytes[..cut]).count(), 0);
        }
    }
}
