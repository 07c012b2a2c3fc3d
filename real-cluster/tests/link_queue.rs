//! `link-queue` between two hosts: how late packets are, what it lets through, and what is left when it is gone.

#[path = "namespaces/pair.rs"]
mod pair;

use harness::cluster::NodeId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pair::{Host, LIMIT, Pair, time_to_read, wait};
use real_cluster::queue::NAME;
use real_cluster::ssh::network::{HEAL, Network, Slow};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PORT: u16 = 7000;
const CLIENTS: u16 = 6379;
const QUEUE: &str = "7";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A folder of a test's own with the program under its name, which goes when the test passes.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("queue-{}-{nth}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        symlink(env!("CARGO_BIN_EXE_real-cluster"), folder.join(NAME)).unwrap();
        Place(folder)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.0.join(NAME));
        command.args(words).arg("--control").arg(self.0.join("control")).stdin(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What it printed; it must succeed.
    fn told(&self, words: &[&str]) -> String {
        let done = self.ask(words);
        let [out, err] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(done.status.success(), "{words:?}: {err}");
        out.trim_end().to_owned()
    }

    fn set(&self, delay_ms: u32, jitter_ms: u32) -> String {
        let [delay, jitter] = [delay_ms, jitter_ms].map(|ms| ms.to_string());
        self.told(&["set", "--delay-ms", &delay, "--jitter-ms", &jitter])
    }

    /// A number of its state.
    fn state(&self, name: &str) -> u64 {
        let state = self.told(&["show"]);
        let value = state.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {state}")).parse().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// One that runs, killed at the end.
struct Running(Child);

impl Running {
    /// On this host, ready.
    fn start(place: &Place, host: &Host) -> Running {
        let mut command = place.command(&["run", "--queue", QUEUE]);
        command.stderr(Stdio::piped());
        let mut running = Running(host.inside(|| command.spawn().unwrap()));
        let mut line = String::new();
        let stderr = running.0.stderr.take().unwrap();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        assert_eq!(line, "link-queue: queue 7 is ready\n");
        running
    }

    /// Its exit code.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
        let mut code = None;
        wait("link-queue ends", || {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Err: it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What leaves n1 is late: both hosts are told.
fn slow_one(pair: &Pair) {
    let slow = Slow { injection: 1, nodes: vec![NodeId(1)], delay_ms: 50, jitter_ms: 0 };
    load(pair, &Network { slow: Some(slow), ..Network::default() });
}

fn load(pair: &Pair, network: &Network) {
    let addresses = [1, 2].map(|node| (NodeId(node), pair::addresses(node).to_vec())).into();
    for host in [&pair.one, &pair.two] {
        host.nft(&["-f", "-"], &network.ruleset(NodeId(host.number), &addresses, &[CLIENTS]));
    }
}

fn bound(host: &Host, family: usize) -> UdpSocket {
    let at = SocketAddr::new(pair::addresses(host.number)[family], PORT);
    let socket = host.inside(|| UdpSocket::bind(at).unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

/// How long a datagram takes to the other and back, sorted.
fn round_trips(one: &UdpSocket, two: &UdpSocket, count: usize) -> Vec<Duration> {
    let [first, second] = [one, two].map(|socket| socket.local_addr().unwrap());
    let trip = |_| {
        let began = Instant::now();
        one.send_to(b"there", second).unwrap();
        two.recv(&mut [0; 8]).unwrap();
        two.send_to(b"back", first).unwrap();
        one.recv(&mut [0; 8]).unwrap();
        began.elapsed()
    };
    let mut trips: Vec<Duration> = (0..count).map(trip).collect();
    trips.sort();
    trips
}

/// A connection, its ends at n1 and n2.
fn connected(pair: &Pair) -> (TcpStream, TcpStream) {
    let at = SocketAddr::new(pair::addresses(2)[0], PORT);
    let listener = pair.two.inside(|| TcpListener::bind(at).unwrap());
    let one = pair.one.inside(|| TcpStream::connect(at).unwrap());
    (one, listener.accept().unwrap().0)
}

#[test]
fn a_round_trip_takes_the_delay_longer_in_both_families() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    slow_one(&pair);
    for family in 0..2 {
        let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, family));
        place.set(0, 0);
        let quick = round_trips(&one, &two, 20);
        assert!(quick[10] < ms(25), "without delay: {quick:?}");
        place.set(50, 0);
        let late = round_trips(&one, &two, 20);
        assert!(late[0] >= ms(50) && late[10] < ms(100), "50 ms: {late:?}");
        println!(
            "round trip, family {family}: p50 {:?} without delay, min {:?} p50 {:?} max {:?} at 50 ms",
            quick[10], late[0], late[10], late[19]
        );
    }
    assert_eq!(place.state("passed"), 80);
}

#[test]
fn jitter_comes_on_top_of_the_delay_and_differs() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    slow_one(&pair);
    assert!(place.set(10, 40).starts_with("delay_ms=10 jitter_ms=40 held=0 passed="));
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    let late = round_trips(&one, &two, 40);
    assert!(late[0] >= ms(10) && late[20] < ms(100), "{late:?}");
    assert!(late[39] - late[0] > ms(15), "{late:?}");
}

#[test]
fn without_jitter_packets_keep_their_order() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    slow_one(&pair);
    place.set(20, 0);
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    let sent: Vec<u8> = (0..100).collect();
    for number in &sent {
        one.send_to(&[*number], two.local_addr().unwrap()).unwrap();
    }
    let mut number = [0];
    let came: Vec<u8> =
        sent.iter().map(|_| two.recv(&mut number).map(|_| number[0]).unwrap()).collect();
    assert_eq!(came, sent);
}

#[test]
fn packets_that_are_held_keep_their_time_when_the_delay_and_the_ruleset_change() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    slow_one(&pair);
    place.set(1500, 0);
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    let began = Instant::now();
    one.send_to(&[1], two.local_addr().unwrap()).unwrap();
    wait("the packet is held", || place.state("held") == 1);
    place.set(0, 0);
    one.send_to(&[2], two.local_addr().unwrap()).unwrap();
    let mut number = [0];
    two.recv(&mut number).unwrap();
    assert_eq!((number, began.elapsed() < ms(1500)), ([2], true));
    load(&pair, &Network::default());
    two.recv(&mut number).unwrap();
    assert_eq!(number, [1]);
    assert!(began.elapsed() >= ms(1500), "{:?}", began.elapsed());
}

#[test]
fn a_transfer_of_20_mb_at_5_ms_completes_at_a_good_rate() {
    const BYTES: usize = 20_000_000;
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    slow_one(&pair);
    place.set(5, 0);
    let (mut one, two) = connected(&pair);
    let (bytes, time) = std::thread::scope(|scope| {
        scope.spawn(move || one.write_all(&vec![7; BYTES]).unwrap());
        time_to_read(two)
    });
    assert_eq!(bytes, BYTES);
    assert!(time < Duration::from_secs(10), "{time:?}");
    println!("20 MB at 5 ms: {time:?}, {}", place.told(&["show"]));
    assert_eq!(place.state("overruns"), 0);
}

#[test]
fn packets_flow_at_once_when_it_is_killed_and_it_can_be_started_again() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let mut running = Running::start(&place, &pair.two);
    slow_one(&pair);
    place.set(200, 0);
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    assert!(round_trips(&one, &two, 1)[0] >= ms(200));
    running.end(Signal::SIGKILL);
    assert!(round_trips(&one, &two, 3)[0] < ms(100));
    assert_eq!(place.told(&["show"]), "running=no");
    let _again = Running::start(&place, &pair.two);
    place.set(200, 0);
    assert!(round_trips(&one, &two, 1)[0] >= ms(200));
}

#[test]
fn sigterm_lets_go_what_is_held_and_leaves_nothing_behind() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let mut running = Running::start(&place, &pair.two);
    slow_one(&pair);
    place.set(u32::MAX, 0);
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    for number in 0..10 {
        one.send_to(&[number], two.local_addr().unwrap()).unwrap();
    }
    wait("they are held", || place.state("held") == 10);
    assert_eq!(running.end(Signal::SIGTERM), Some(0));
    let mut number = [0];
    let came: Vec<u8> =
        (0..10).map(|_| two.recv(&mut number).map(|_| number[0]).unwrap()).collect();
    assert!(came.iter().copied().eq(0..10), "{came:?}");
    assert!(!pair.two.shell("nft list tables").contains("real_cluster_queue"));
    assert_eq!(fs::read_dir(place.0.join("control")).unwrap().count(), 0);
}

#[test]
fn requests_of_clients_are_late_at_a_slow_node_and_the_mark_is_seen_by_nobody() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    // n2 is slow, and what comes from n1 comes from a client: nobody there is a node.
    let slow = Slow { injection: 1, nodes: vec![NodeId(2)], delay_ms: 50, jitter_ms: 0 };
    let addresses = [(NodeId(2), pair::addresses(2).to_vec())].into();
    let network = Network { slow: Some(slow), ..Network::default() };
    pair.two.nft(&["-f", "-"], &network.ruleset(NodeId(2), &addresses, &[CLIENTS]));
    pair.two.nft(
        &["-f", "-"],
        "table inet firewall { chain in {\n type filter hook input priority 0;\n meta mark != 0 drop;\n }\n }\n",
    );
    place.set(50, 0);
    for family in 0..2 {
        for (port, least, most) in [(CLIENTS, 50, 200), (PORT, 0, 50)] {
            let at = SocketAddr::new(pair::addresses(2)[family], port);
            let _listener = pair.two.inside(|| TcpListener::bind(at).unwrap());
            let times = [(); 5].map(|()| {
                let began = Instant::now();
                pair.one.inside(|| TcpStream::connect(at).unwrap());
                began.elapsed()
            });
            let time = *times.iter().min().unwrap();
            assert!(time >= ms(least) && time < ms(most), "{at}: {time:?}");
        }
    }
}

#[test]
fn what_was_healed_away_is_there_again_when_packets_are_to_be_late() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let _running = Running::start(&place, &pair.two);
    pair.two.shell(HEAL);
    assert_eq!(pair.two.shell("nft list ruleset"), "");
    slow_one(&pair);
    place.set(50, 0);
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, 0));
    assert!(round_trips(&one, &two, 1)[0] >= ms(50));
}

#[test]
fn what_cannot_be_had_is_refused_with_a_sentence() {
    let Some(pair) = Pair::new() else { return };
    let place = Place::new();
    let refused = |words: &[&str], sentence: &str| {
        let mut command = place.command(words);
        let done = pair.two.inside(|| command.output().unwrap());
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(3), "{words:?}: {said}");
        assert!(said.contains(sentence), "{words:?}: {said}");
    };
    refused(&["set", "--delay-ms", "5"], "no link-queue runs with --control ");
    refused(&["run", "--queue", "65536"], "65536 is not in 0..=65535");
    let control = place.0.join("control");
    fs::create_dir(&control).unwrap();
    fs::set_permissions(&control, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&["run", "--queue", QUEUE], "its mode is 755, it must be 700");
    fs::set_permissions(&control, fs::Permissions::from_mode(0o700)).unwrap();
    let _running = Running::start(&place, &pair.two);
    refused(&["run", "--queue", "8"], "another link-queue runs with --control ");
    let elsewhere = Place::new();
    let mut second = elsewhere.command(&["run", "--queue", QUEUE]);
    let done = pair.two.inside(|| second.output().unwrap());
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("cannot bind packet queue 7 (who else reads it?"), "{said}");
    assert!(pair.two.shell("nft list tables").contains("real_cluster_queue"), "the first's hook");
    let state = place.told(&["show"]);
    assert_eq!(state, "delay_ms=0 jitter_ms=0 held=0 passed=0 overruns=0 running=yes");
}
