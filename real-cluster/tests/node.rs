//! `elastickv-node` as a process: how it starts and ends, what it refuses, and what it keeps when it is killed.

#[path = "process/node.rs"]
mod node;

use node::{LIMIT, METRICS, Node, Place, RAFT, Redis, pause};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How the node ended and what it said, for one that is meant to end by itself.
fn ended(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        said
    });
    let deadline = Instant::now() + LIMIT;
    while !said.is_finished() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it did not end: {}", said.join().unwrap());
        }
        pause();
    }
    (child.wait().unwrap().code(), said.join().unwrap())
}

/// The file of this folder of a node's data, which has exactly one.
fn only_file(place: &Place, folder: &str) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(place.data(1).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// A node of its own that has acknowledged some appends, and was killed.
fn killed_with_data(place: &Place) -> String {
    let node = place.start(1, 1, &[]).serving();
    let mut redis = node.redis().unwrap();
    for n in 0..20 {
        assert_eq!(redis.ask(&format!("RPUSH list {n}")).unwrap(), format!(":{}", n + 1));
    }
    let list = redis.ask("LRANGE list 0 -1").unwrap();
    node.kill();
    list
}

#[test]
fn sigterm_and_sigint_end_it_well() {
    use nix::sys::signal::{Signal, kill};
    let place = Place::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut node = place.start(1, 1, &[]).serving();
        kill(nix::unistd::Pid::from_raw(node.child.id() as i32), signal).unwrap();
        assert_eq!(node.child.wait().unwrap().code(), Some(0), "{}", node.log());
        assert!(node.log().contains(&format!("stopped by {signal}")), "{}", node.log());
    }
}

#[test]
fn a_wrong_command_line_ends_it_with_a_sentence() {
    let place = Place::new();
    for (words, sentence) in [
        (&["--bug", "nonsense"][..], "`nonsense` is not a planted bug: the bugs are "),
        (&["--peer", "1=127.0.0.9"], "--peer names n1, which is this node"),
        (&["--id", "2"], "cannot be used multiple times"),
        (&["--die-with-parent=1"], "cannot be used multiple times"),
    ] {
        let (code, said) = ended(place.command(1, &[], words));
        assert_eq!(code, Some(3), "{words:?}: {said}");
        assert!(said.contains(sentence), "{words:?}: {said}");
    }
}

#[test]
fn a_parent_that_is_not_the_named_one_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elastickv-node"));
    let data = Place::new();
    command.args(["--id", "1", "--die-with-parent=2147483646", "--data"]).arg(data.data(1));
    let (code, said) = ended(command);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the parent process 2147483646 is gone"), "{said}");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let place = Place::new();
    let node = place.start(1, 1, &[]).serving();
    let (code, said) = ended(place.command(1, &[], &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is in use by another process"), "{said}");
    assert_eq!(node.redis().unwrap().ask("PING").unwrap(), "+PONG", "the first goes on");
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let _taken = std::net::TcpListener::bind((place.address(1), METRICS)).unwrap();
    let (code, said) = ended(place.command(1, &[], &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("port {METRICS}: ")), "{said}");
}

#[test]
fn the_data_of_another_node_is_refused() {
    let place = Place::new();
    place.start(1, 1, &[]).serving().kill();
    fs::rename(place.data(1), place.data(2)).unwrap();
    let (code, said) = ended(place.command(2, &[], &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("this data directory belongs to node n1, not to n2"), "{said}");
}

#[test]
fn data_of_another_version_is_refused() {
    let place = Place::new();
    place.start(1, 1, &[]).serving().kill();
    let mut marker = elastickv::codec::Writer::new();
    marker.u32(u32::from_le_bytes(*b"EKVD")).u32(9).bytes(b"and whatever version 9 will say");
    let mut file = Vec::new();
    elastickv::codec::frame_into(&mut file, &marker.finish());
    fs::write(place.data(1).join("meta/identity"), file).unwrap();
    let (code, said) = ended(place.command(1, &[], &[]));
    assert_eq!(code, Some(3), "{said}");
    let sentence = "this data directory has format version 9, this program reads 1";
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn data_without_a_marker_is_refused() {
    let place = Place::new();
    killed_with_data(&place);
    fs::remove_file(place.data(1).join("meta/identity")).unwrap();
    let (code, said) = ended(place.command(1, &[], &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("but no meta/identity"), "{said}");
}

#[test]
fn data_without_its_count_of_starts_is_refused() {
    let place = Place::new();
    killed_with_data(&place);
    fs::remove_file(place.data(1).join("meta/boot")).unwrap();
    for _ in 0..2 {
        let (code, said) = ended(place.command(1, &[], &[]));
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("but no meta/boot"), "{said}");
    }
}

#[test]
fn a_flipped_bit_in_the_middle_of_a_file_is_refused() {
    for folder in ["wal", "store"] {
        let place = Place::new();
        killed_with_data(&place);
        let path = only_file(&place, folder);
        let mut file = fs::read(&path).unwrap();
        let middle = file.len() / 2;
        file[middle] ^= 0x10;
        fs::write(&path, file).unwrap();
        let (code, said) = ended(place.command(1, &[], &[]));
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("{folder}/00000001.log is damaged at byte ")), "{said}");
    }
}

#[test]
fn a_torn_tail_costs_nothing_that_was_acknowledged() {
    for folder in ["wal", "store"] {
        let place = Place::new();
        let list = killed_with_data(&place);
        let half_a_frame = [&[200, 0, 0, 0, 1, 2, 3, 4][..], b"the rest never came"].concat();
        for tail in [&b"\x07"[..], b"garbage that nobody wrote", &half_a_frame, &[0; 100]] {
            let path = only_file(&place, folder);
            fs::File::options().append(true).open(&path).unwrap().write_all(tail).unwrap();
            let node = place.start(1, 1, &[]).serving();
            assert_eq!(
                node.redis().unwrap().ask("LRANGE list 0 -1").unwrap(),
                list,
                "{tail:?} in {folder}"
            );
            node.kill();
        }
    }
}

/// One client that appends rising numbers to a list of its own, and remembers which were acknowledged.
#[derive(Default)]
struct Appender {
    list: String,
    sent: u32,
    acknowledged: Vec<u32>,
}

impl Appender {
    fn append_until_it_breaks(&mut self, mut redis: Redis) {
        loop {
            self.sent += 1;
            match redis.ask(&format!("RPUSH {} {}", self.list, self.sent)) {
                Ok(reply) if reply.starts_with(':') => self.acknowledged.push(self.sent),
                Ok(other) => panic!("RPUSH was answered {other}"),
                Err(_) => return,
            }
        }
    }

    /// All that was acknowledged is there, in order, and nothing twice.
    fn check(&self, redis: &mut Redis) {
        let list = redis.ask(&format!("LRANGE {} 0 -1", self.list)).unwrap();
        let numbers = list.trim_matches(['[', ']']).split_whitespace();
        let found: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
        let lost: Vec<&u32> =
            self.acknowledged.iter().filter(|n| found.binary_search(n).is_err()).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
}

#[test]
fn a_node_killed_under_load_keeps_every_acknowledged_write() {
    let place = Place::new();
    let mut clients: Vec<Appender> =
        (0..4).map(|n| Appender { list: format!("list{n}"), ..Appender::default() }).collect();
    // Small snapshots, so that segments are cut under load too.
    let start = || place.start(1, 1, &["--snapshot-entries", "50"]).serving();
    for round in 1..=4 {
        let node = start();
        let goal = round * 150;
        std::thread::scope(|scope| {
            for client in &mut clients {
                let redis = node.redis().unwrap();
                scope.spawn(move || client.append_until_it_breaks(redis));
            }
            // Applied entries are a lower bound of what the clients were told.
            let deadline = Instant::now() + LIMIT;
            while metric(&node, "elastickv_raft_applied_index") < f64::from(goal) {
                assert!(Instant::now() < deadline, "{}", node.log());
                pause();
            }
            node.kill();
        });
        let node = start();
        for client in &clients {
            client.check(&mut node.redis().unwrap());
        }
        node.kill();
    }
    let acknowledged: usize = clients.iter().map(|client| client.acknowledged.len()).sum();
    assert!(acknowledged > 100, "only {acknowledged} appends were acknowledged");
}

/// What the node's metrics page answers to a request line.
fn scrape(node: &Node, request: &str) -> String {
    let mut stream = TcpStream::connect((node.address, METRICS)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn metric(node: &Node, name: &str) -> f64 {
    let text = scrape(node, "GET /metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" -1");
    line.trim().parse().unwrap()
}

#[test]
fn metrics_are_openmetrics_with_the_promised_names() {
    let place = Place::new();
    let nodes = place.cluster(2, &[]);
    let leaders: Vec<f64> =
        nodes.iter().map(|node| metric(node, "elastickv_raft_leader")).collect();
    assert_eq!(leaders.iter().sum::<f64>(), 1.0, "{leaders:?}");
    let leader = &nodes[leaders.iter().position(|leads| *leads == 1.0).unwrap()];
    assert_eq!(leader.redis().unwrap().ask("LRANGE list 0 -1").unwrap(), "[]");
    let text = scrape(leader, "GET /metrics");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    for name in [
        "elastickv_raft_leader 1",
        "elastickv_raft_term ",
        "elastickv_raft_applied_index ",
        "elastickv_marks_total{mark=\"lease read\"} ",
        "elastickv_transport_messages_total{direction=\"sent\",lane=\"heartbeat\"} ",
        "elastickv_transport_messages_total{direction=\"received\",lane=\"normal\"} ",
        "elastickv_transport_bytes_total{direction=\"sent\",lane=\"normal\"} ",
        "elastickv_transport_dropped_total{reason=\"unreachable\"} ",
        "elastickv_transport_connects_total{lane=\"heartbeat\"} ",
        "elastickv_disk_syncs_total ",
        "elastickv_disk_sync_seconds_bucket{le=\"+Inf\"} ",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_start_time_seconds ",
    ] {
        assert!(body.lines().any(|line| line.starts_with(name)), "{name} is not in:\n{body}");
    }
    assert!(scrape(leader, "GET /else").starts_with("HTTP/1.1 404"));
    assert!(scrape(leader, "POST /metrics").starts_with("HTTP/1.1 405"));
}

/// Writes to a port and reads until the node ends the connection.
fn thrown_at(node: &Node, port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((node.address, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // Err: it may have ended the connection before it took everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the node did not end the connection: {error}"),
    }
    answer
}

#[test]
fn what_is_no_request_ends_its_connection_and_nothing_else() {
    let place = Place::new();
    let node = place.start(1, 1, &[]).serving();
    let mut bystander = node.redis().unwrap();
    for bytes in [
        &b"*1048577\r\n"[..],
        b"*99999999999999999999\r\n",
        b"*1\r\n$67108865\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n:1\r\n",
        &[b'x'; 100_000],
    ] {
        let answer = thrown_at(&node, node::REDIS, bytes);
        assert!(answer.starts_with(b"-ERR Protocol error"), "{bytes:?}: {answer:?}");
        assert_eq!(bystander.ask("PING").unwrap(), "+PONG");
    }
}

/// The first 20 bytes that a node says to another's Raft port: magic, version, from, to, lane, CRC-32.
fn hello(version: u16, from: u16, to: u16, lane: u16) -> Vec<u8> {
    let mut bytes = b"EKV-RAFT".to_vec();
    for number in [version, from, to, lane] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_broken_raft_frame_ends_its_connection_and_nothing_else() {
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    let node = &nodes[0];
    let mut flipped = frame(b"payload");
    flipped[10] ^= 1;
    for (what, bytes, greeted, said) in [
        ("noise", vec![b'?'; 64], false, "does not speak this Raft protocol"),
        ("version", hello(2, 2, 1, 0), false, "it speaks version 2, this node speaks 1"),
        ("stranger", hello(1, 9, 1, 0), false, "n9 is not in this cluster"),
        ("address", hello(1, 2, 3, 0), false, "n2 looks for n3, this is n1"),
        ("lane", hello(1, 2, 1, 7), false, "there is no lane 7"),
        ("crc", [hello(1, 2, 1, 0), flipped].concat(), true, "fails its checksum"),
        (
            "length",
            [&hello(1, 2, 1, 0)[..], &[0xff; 8]].concat(),
            true,
            "a frame of 4294967295 bytes, where the lane takes 1048576",
        ),
    ] {
        let answer = thrown_at(node, RAFT, &bytes);
        let expected = if greeted { hello(1, 1, 2, 0) } else { Vec::new() };
        assert_eq!(answer, expected, "{what}");
        let deadline = Instant::now() + LIMIT;
        while !node.log().contains(said) {
            assert!(Instant::now() < deadline, "{what}: {}", node.log());
            pause();
        }
    }
    // A whole frame that is no message is as good as lost.
    let mut stream = TcpStream::connect((node.address, RAFT)).unwrap();
    stream.write_all(&[hello(1, 2, 1, 0), frame(b"no message at all")].concat()).unwrap();
    assert_eq!(node.redis().unwrap().ask("RPUSH list 1").unwrap(), ":1");
}

#[test]
fn any_minority_may_be_killed_and_comes_back_with_everything() {
    let place = Place::new();
    let words = ["--snapshot-entries", "20"];
    let mut nodes = place.cluster(3, &words);
    for round in 0..3 {
        nodes.remove(0).kill();
        nodes = nodes.into_iter().map(Node::serving).collect();
        let mut redis = nodes[0].redis().unwrap();
        for n in 1..=40 {
            let reply = redis.ask(&format!("RPUSH list {round}")).unwrap();
            assert_eq!(reply, format!(":{}", round * 40 + n), "{}", nodes[0].log());
        }
        nodes.push(place.start(round + 1, 3, &words).serving());
    }
    // Then all at once.
    nodes.into_iter().for_each(Node::kill);
    for node in &place.cluster(3, &words) {
        let list = node.redis().unwrap().ask("LRANGE list 0 -1").unwrap();
        let numbers = list.trim_matches(['[', ']']).split_whitespace();
        assert_eq!(numbers.count(), 120, "{}", node.log());
    }
}

#[test]
fn a_panic_ends_the_process_with_101_and_one_line() {
    use elastickv::raft::message::{Message, MessageKind};
    let place = Place::new();
    let mut node = place.start(1, 3, &[]);
    // A leader that believes that this node holds what it never had: Raft cannot go on.
    let mut lie = Message::new(MessageKind::Heartbeat, 1);
    (lie.from, lie.term, lie.commit) = (2, 1000, 1000);
    let deadline = Instant::now() + LIMIT;
    while node.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it did not end: {}", node.log());
        let tell = || {
            let mut stream = TcpStream::connect((node.address, RAFT))?;
            stream.write_all(&[hello(1, 2, 1, 0), frame(&lie.encode())].concat())?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.read(&mut [0; 32])
        };
        // Err: it does not listen yet, or it is gone.
        let _ = tell();
        pause();
    }
    assert_eq!(node.child.wait().unwrap().code(), Some(101), "{}", node.log());
    let log = node.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("node n1 panicked: raft cannot go on: "), "{log}");
}
