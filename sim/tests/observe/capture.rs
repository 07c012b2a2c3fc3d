//! Captures, read by a reader of this test's own, and by tshark where there is one.

use super::Observed;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where every run begins, nanoseconds since 1970.
const BEGIN: u64 = sim::clock::WALL_START_MS * 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    ns: u64,
    outbound: bool,
    comment: Option<String>,
    frame: Vec<u8>,
}

impl Packet {
    fn protocol(&self) -> u8 {
        self.frame[23]
    }

    fn ports(&self) -> (u16, u16) {
        (self.short(34), self.short(36))
    }

    fn short(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.frame[at], self.frame[at + 1]])
    }

    fn seq(&self) -> u32 {
        u32::from(self.short(38)) << 16 | u32::from(self.short(40))
    }

    /// What the process wrote, of TCP.
    fn payload(&self) -> &[u8] {
        &self.frame[34 + usize::from(self.frame[46] >> 4) * 4..]
    }
}

fn word(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")) as usize
}

fn read(mut file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while !file.is_empty() {
        let (kind, length) = (word(file), word(&file[4..]));
        assert_eq!(word(&file[length - 4..]), length);
        if kind == 6 {
            packets.push(packet(&file[8..length - 4]));
        }
        file = &file[length..];
    }
    packets
}

fn packet(body: &[u8]) -> Packet {
    let ns = (word(&body[4..]) as u64) << 32 | word(&body[8..]) as u64;
    let length = word(&body[12..]);
    let frame = body[20..20 + length].to_vec();
    let mut options = &body[20 + length.next_multiple_of(4)..];
    let (mut outbound, mut comment) = (false, None);
    loop {
        let code = u16::from_le_bytes([options[0], options[1]]);
        let size = usize::from(u16::from_le_bytes([options[2], options[3]]));
        let value = &options[4..4 + size];
        match code {
            0 => return Packet { ns: ns - BEGIN, outbound, comment, frame },
            1 => comment = Some(String::from_utf8_lossy(value).into_owned()),
            2 => outbound = value[0] & 3 == 2,
            other => panic!("an option {other}"),
        }
        options = &options[4 + size.next_multiple_of(4)..];
    }
}

fn of(host: &str) -> Vec<Packet> {
    read(Observed::get().file(&format!("{host}/tcpdump.pcapng")))
}

#[test]
fn packets_are_in_order_of_time_and_go_on_after_the_last_operation() {
    let observed = Observed::get();
    for host in ["clients", "n1", "n2", "n3"] {
        let packets = of(host);
        assert!(packets.len() > 1_000 && packets.is_sorted_by_key(|packet| packet.ns), "{host}");
        let last = packets.last().expect("there are packets");
        assert!(last.ns > observed.last_asked(), "{host}");
    }
    let last_data = of("clients")
        .into_iter()
        .rfind(|packet| packet.protocol() == 6 && packet.outbound && !packet.payload().is_empty());
    let last_data = last_data.expect("clients ask");
    assert!(last_data.ns >= observed.last_asked(), "the last operation is asked on the wire");
    assert_eq!(last_data.ports().1, 6379);
    assert!(last_data.payload().starts_with(b"*"), "a command of Redis");
}

#[test]
fn what_arrives_was_sent_and_what_does_not_says_why() {
    let hosts = ["clients", "n1", "n2", "n3"].map(of);
    let mut sent: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let (mut arrived, mut lost) = (0, BTreeMap::<String, u64>::new());
    for packet in hosts.iter().flatten() {
        if packet.outbound {
            sent.entry(packet.frame.clone()).or_insert(packet.ns);
            if let Some(comment) = &packet.comment {
                *lost.entry(comment.clone()).or_default() += 1;
            }
        } else {
            arrived += 1;
        }
    }
    let received = hosts.iter().flatten().filter(|packet| !packet.outbound);
    for packet in received {
        let left = sent.get(&packet.frame).expect("somebody sent it");
        assert!(*left < packet.ns);
        assert_eq!(packet.comment, None);
    }
    assert!(arrived > 1_000 && lost.contains_key("cut"), "{lost:?}");
}

#[test]
fn a_clients_stream_put_together_is_what_clients_asked() {
    let mut streams: BTreeMap<u16, BTreeMap<u32, Vec<u8>>> = BTreeMap::new();
    for packet in of("clients").into_iter().filter(|packet| packet.outbound) {
        if packet.ports().1 == 6379 && !packet.payload().is_empty() {
            let stream = streams.entry(packet.ports().0).or_default();
            stream.insert(packet.seq(), packet.payload().to_vec());
        }
    }
    let mut commands = 0;
    for (port, parts) in streams {
        let mut next = 1;
        let mut bytes = Vec::new();
        for (seq, part) in parts {
            assert_eq!(seq, next, "port {port}: a byte is missing or twice");
            next += part.len() as u32;
            bytes.extend(part);
        }
        commands +=
            bytes.windows(4).filter(|four| *four == b"\r\n$5" || *four == b"\r\n$6").count();
    }
    assert!(commands > 300, "{commands}");
}

/// Says why nothing is checked; where tshark must be there, that is a failure.
fn skip(why: &str) {
    assert!(std::env::var_os("TSHARK_REQUIRED").is_none(), "{why}");
    eprintln!("SKIP: {why}");
}

fn has_tshark() -> bool {
    Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn tshark(file: &Path, words: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args([
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ]);
    command.args(["-o", "udp.check_checksum:TRUE"]).args(words);
    let output = command.output().expect("tshark is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("it is text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn tshark_reads_it_with_redis_decoded() {
    if !has_tshark() {
        return skip("tshark is not installed: apt-get install tshark");
    }
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("observe");
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    let file = |host: &str| -> PathBuf {
        let place = room.join(format!("{host}.pcapng"));
        let bytes = Observed::get().file(&format!("{host}/tcpdump.pcapng"));
        fs::write(&place, bytes).expect("there is room");
        place
    };
    let clients = file("clients");
    let asked = tshark(
        &clients,
        &["-Y", "resp && tcp.dstport == 6379", "-T", "fields", "-e", "resp.bulk_string.value"],
    );
    assert!(asked.len() > 300, "{}", asked.len());
    let answered = tshark(&clients, &["-Y", "resp && tcp.srcport == 6379"]);
    assert!(answered.len() > 300, "{}", answered.len());
    for host in ["clients", "n1", "n2", "n3"] {
        let file = file(host);
        let wrong = "_ws.malformed || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\"";
        assert_eq!(tshark(&file, &["-Y", wrong]), [""; 0], "{host}");
        let unseen = tshark(&file, &["-Y", "tcp.analysis.ack_lost_segment"]);
        assert_eq!(unseen, [""; 0], "{host} acknowledges what it never saw");
        let commented =
            tshark(&file, &["-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]);
        let ours =
            of(host).into_iter().filter_map(|packet| packet.comment).collect::<Vec<String>>();
        assert_eq!(commented, ours, "{host}");
    }
}
