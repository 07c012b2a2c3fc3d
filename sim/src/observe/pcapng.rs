//! The pcapng format (draft-ietf-opsawg-pcapng), as much of it as one machine's capture needs: a section with a comment, one
//! Ethernet interface with nanoseconds, names of addresses, and packets with their direction and a comment each.
//!
//! Little-endian; every block is padded to four bytes and has its length at both ends. Cannot write: several interfaces, cut
//! packets, statistics.

/// Ethernet, as `LINKTYPE_ETHERNET`.
const ETHERNET: u16 = 1;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const PACKET: u32 = 6;

const END: u16 = 0;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TIME_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const SECTION_PROGRAM: u16 = 4;
const NAME_OF_IPV4: u16 = 1;

/// Which way a packet went, by the interface that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In = 1,
    Out = 2,
}

/// Writes a capture file block by block.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A section of one interface.
    pub(super) fn new(interface: &str, comment: &str) -> Writer {
        let mut writer = Writer(Vec::new());
        let mut section = Vec::new();
        section.extend(0x1a2b_3c4d_u32.to_le_bytes());
        section.extend([1, 0, 0, 0]);
        // Nobody says how long it is.
        section.extend(u64::MAX.to_le_bytes());
        option(&mut section, SECTION_PROGRAM, b"cargo sim");
        option(&mut section, COMMENT, comment.as_bytes());
        option(&mut section, END, &[]);
        writer.block(SECTION, &section);
        let mut described = Vec::new();
        described.extend(ETHERNET.to_le_bytes());
        described.extend([0; 2]);
        // Packets are kept whole.
        described.extend(0_u32.to_le_bytes());
        option(&mut described, IF_NAME, interface.as_bytes());
        option(&mut described, IF_TIME_RESOLUTION, &[9]);
        option(&mut described, END, &[]);
        writer.block(INTERFACE, &described);
        writer
    }

    /// Which names addresses have.
    pub(super) fn names<'n>(&mut self, names: impl Iterator<Item = ([u8; 4], &'n str)>) {
        let mut records = Vec::new();
        for (address, name) in names {
            let mut record = address.to_vec();
            record.extend(name.as_bytes());
            record.push(0);
            option(&mut records, NAME_OF_IPV4, &record);
        }
        option(&mut records, END, &[]);
        self.block(NAMES, &records);
    }

    /// A packet with its Ethernet header, seen at this time.
    pub(super) fn packet(
        &mut self,
        ns_since_1970: u64,
        bytes: &[u8],
        direction: Direction,
        comment: Option<&str>,
    ) {
        let mut packet = Vec::with_capacity(bytes.len() + 64);
        packet.extend(0_u32.to_le_bytes());
        packet.extend(((ns_since_1970 >> 32) as u32).to_le_bytes());
        packet.extend((ns_since_1970 as u32).to_le_bytes());
        packet.extend((bytes.len() as u32).to_le_bytes());
        packet.extend((bytes.len() as u32).to_le_bytes());
        packet.extend(bytes);
        pad(&mut packet);
        option(&mut packet, PACKET_FLAGS, &(direction as u32).to_le_bytes());
        if let Some(comment) = comment {
            option(&mut packet, COMMENT, comment.as_bytes());
        }
        option(&mut packet, END, &[]);
        self.block(PACKET, &packet);
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = (body.len() + 12) as u32;
        self.0.extend(kind.to_le_bytes());
        self.0.extend(length.to_le_bytes());
        self.0.extend(body);
        self.0.extend(length.to_le_bytes());
    }
}

/// An option, or a record of names: they look alike.
fn option(to: &mut Vec<u8>, code: u16, value: &[u8]) {
    to.extend(code.to_le_bytes());
    to.extend((value.len() as u16).to_le_bytes());
    to.extend(value);
    pad(to);
}

fn pad(to: &mut Vec<u8>) {
    while !to.len().is_multiple_of(4) {
        to.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks' kinds and bodies; panics where a length is wrong.
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |at: &[u8]| u32::from_le_bytes(at[..4].try_into().expect("four bytes"));
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let (kind, length) = (word(file), word(&file[4..]) as usize);
            assert!(length.is_multiple_of(4) && length <= file.len());
            assert_eq!(word(&file[length - 4..]) as usize, length, "its length at both ends");
            blocks.push((kind, file[8..length - 4].to_vec()));
            file = &file[length..];
        }
        blocks
    }

    #[test]
    fn a_file_is_a_section_an_interface_names_and_packets() {
        let mut writer = Writer::new("n1", "one");
        writer.names([([10, 0, 0, 1], "n1")].into_iter());
        writer.packet(0x0000_0001_8000_0002, b"12345", Direction::Out, Some("cut"));
        let blocks = blocks(&writer.bytes());
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, NAMES, PACKET]);
        let section = &blocks[0].1;
        assert_eq!(section[..8], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
        assert_eq!(section[8..16], [0xff; 8]);
        assert_eq!(blocks[1].1[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(blocks[1].1[8..16], [2, 0, 2, 0, b'n', b'1', 0, 0]);
        assert_eq!(blocks[1].1[16..24], [9, 0, 1, 0, 9, 0, 0, 0]);
        assert_eq!(blocks[2].1[..12], [1, 0, 7, 0, 10, 0, 0, 1, b'n', b'1', 0, 0]);
        let packet = &blocks[3].1;
        assert_eq!(packet[4..12], [1, 0, 0, 0, 2, 0, 0, 0x80]);
        assert_eq!(packet[12..20], [5, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(packet[20..28], *b"12345\0\0\0");
        assert_eq!(packet[28..36], [2, 0, 4, 0, 2, 0, 0, 0]);
        assert_eq!(packet[36..], [1, 0, 3, 0, b'c', b'u', b't', 0, 0, 0, 0, 0]);
    }
}
