//! One script for each behaviour of the simulated network. Node 1 is played by the script itself, through its `Env`; node 2
//! runs a small program, so that it can be killed, paused and powered off.

use crate::stage::{self, N1, N2, PORT, Program, Setting, echo, idle};
use bytes::Bytes;
use elastickv::env::{Draw, Env, Lane, Listener, NodeId};
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::{AsyncReadExt, AsyncWriteExt, select_biased};
use harness::cluster::{self, Cluster};
use harness::fault::Fault;
use harness::seed::{Draw as _, Seed, Stream};
use sim::cluster::SimCluster;
use sim::env::SimEnv;
use sim::params::WorldParams;
use sim::stream::{CONNECT_LIMIT_NS, SILENCE_LIMIT_NS, SimSocket, WINDOW_BYTES};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// The script's hold of a cluster of two nodes.
struct Stage {
    cluster: Rc<SimCluster>,
}

fn play<F, T>(
    params: WorldParams,
    program: Program,
    script: impl FnOnce(Stage) -> F + Send + 'static,
) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let setting = Setting { params, ..Setting::calm(program) };
    stage::play(setting, async move |cluster| script(Stage { cluster }).await)
}

impl Stage {
    fn n1(&self) -> SimEnv {
        self.cluster.env(N1)
    }

    fn n2(&self) -> SimEnv {
        self.cluster.env(N2)
    }

    async fn inject(&self, fault: Fault) {
        stage::inject(&self.cluster, fault).await;
    }

    async fn cut(&self, cuts: &[(cluster::NodeId, cluster::NodeId)]) {
        self.inject(Fault::Partition { shape: "script".into(), cuts: cuts.to_vec() }).await;
    }

    async fn cut_both_ways(&self) {
        self.cut(&[(N1, N2), (N2, N1)]).await;
    }

    async fn heal(&self) {
        self.inject(Fault::HealNetwork).await;
    }

    fn now(&self) -> Duration {
        self.cluster.clock().now()
    }

    async fn pass(&self, ms: u64) {
        stage::pass(&self.cluster, ms).await;
    }

    /// What the future gives within a time, if it does.
    async fn within<T>(&self, ms: u64, future: impl Future<Output = T>) -> Option<T> {
        let mut deadline = self.cluster.clock().sleep(Duration::from_millis(ms)).fuse();
        let mut future = pin!(future.fuse());
        select_biased! {
            value = future => Some(value),
            () = deadline => None,
        }
    }

    async fn dial(&self) -> io::Result<SimSocket> {
        self.n1().connect(NodeId(2), PORT).await
    }

    /// Says something and waits a second for its echo.
    async fn echoes(&self, socket: &mut SimSocket) -> bool {
        let mut back = [0; 4];
        let said = async {
            socket.write_all(b"ping").await?;
            socket.read_exact(&mut back).await
        };
        matches!(self.within(1000, said).await, Some(Ok(()))) && &back == b"ping"
    }

    /// Everything that arrives at node 2 from now on, on any lane.
    fn inbox(&self) -> Rc<RefCell<Vec<Bytes>>> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        for lane in [Lane::Heartbeat, Lane::Normal, Lane::Snapshot] {
            let (env, seen) = (self.n2(), seen.clone());
            self.cluster.spawn(async move {
                loop {
                    let (_, message) = env.receive(lane).await;
                    seen.borrow_mut().push(message);
                }
            });
        }
        seen
    }

    fn send(&self, text: &'static str) {
        self.n1().send(NodeId(2), Lane::Normal, Bytes::from_static(text.as_bytes()));
    }

    async fn effects(self) -> Vec<u64> {
        self.cluster.tear_down().await.effects
    }
}

fn kind<T>(result: Option<io::Result<T>>) -> Option<io::ErrorKind> {
    result.and_then(Result::err).map(|error| error.kind())
}

fn calm() -> WorldParams {
    WorldParams::calm()
}

#[test]
fn a_one_way_cut_stops_one_direction_only_and_counts_what_it_drops() {
    let effects = play(calm(), idle, async |stage| {
        let seen = stage.inbox();
        stage.cut(&[(N1, N2)]).await;
        stage.send("lost");
        stage.n2().send(NodeId(1), Lane::Normal, Bytes::from_static(b"passes"));
        let passed = stage.within(100, stage.n1().receive(Lane::Normal)).await;
        assert_eq!(passed, Some((NodeId(2), Bytes::from_static(b"passes"))));
        stage.heal().await;
        stage.send("after");
        stage.pass(100).await;
        assert_eq!(*seen.borrow(), ["after"]);
        stage.effects().await
    });
    assert_eq!(effects, [1, 0]);
}

#[test]
fn a_message_in_flight_is_dropped_by_a_cut_that_begins_before_it_arrives() {
    let effects = play(calm(), idle, async |stage| {
        let seen = stage.inbox();
        stage.send("in flight");
        stage.cut(&[(N1, N2)]).await;
        stage.pass(100).await;
        assert!(seen.borrow().is_empty());
        stage.effects().await
    });
    assert_eq!(effects, [1]);
}

#[test]
fn a_new_partition_replaces_the_one_before() {
    play(calm(), idle, async |stage| {
        let seen = stage.inbox();
        stage.cut(&[(N1, N2)]).await;
        stage.cut(&[(N2, N1)]).await;
        stage.send("passes");
        stage.pass(100).await;
        assert_eq!(*seen.borrow(), ["passes"]);
    });
}

#[test]
fn datagrams_are_lost_or_doubled_as_often_as_the_world_says() {
    for (loss_ppm, duplication_ppm, arrive) in [(1_000_000, 0, 0), (0, 1_000_000, 20), (0, 0, 10)] {
        play(WorldParams { loss_ppm, duplication_ppm, ..calm() }, idle, async move |stage| {
            let seen = stage.inbox();
            (0..10).for_each(|_| stage.send("m"));
            stage.pass(100).await;
            assert_eq!(seen.borrow().len(), arrive);
        });
    }
}

#[test]
fn datagrams_overtake_each_other_only_where_the_world_says_so() {
    for reorder in [true, false] {
        play(WorldParams { jitter_ns: 5_000_000, reorder, ..calm() }, idle, async move |stage| {
            let seen = stage.inbox();
            let texts = ["a", "b", "c", "d", "e", "f", "g", "h"];
            texts.iter().for_each(|text| stage.send(text));
            stage.pass(100).await;
            assert_eq!(seen.borrow().len(), texts.len());
            assert_eq!(*seen.borrow() != texts, reorder);
        });
    }
}

#[test]
fn a_message_to_a_dead_node_is_lost_and_one_to_its_next_boot_arrives() {
    play(calm(), idle, async |stage| {
        stage.inject(Fault::Kill(N2)).await;
        stage.send("to nobody");
        stage.pass(100).await;
        stage.inject(Fault::Restart(N2)).await;
        stage.pass(1).await;
        let seen = stage.inbox();
        stage.send("to the next boot");
        stage.pass(100).await;
        assert_eq!(*seen.borrow(), ["to the next boot"]);
    });
}

#[test]
fn a_full_inbox_drops_the_oldest_and_counts_them() {
    play(calm(), idle, async |stage| {
        stage.send("oldest");
        (0..4096).for_each(|_| stage.send("later"));
        stage.pass(100).await;
        let first = stage.within(1, stage.n2().receive(Lane::Normal)).await;
        assert_eq!(first, Some((NodeId(1), Bytes::from_static(b"later"))));
        let counters = stage.cluster.tear_down().await.counters;
        assert_eq!(counters["datagrams dropped by a full inbox"], 1);
    });
}

#[test]
fn a_connection_carries_bytes_both_ways_with_the_latency_of_its_links() {
    play(calm(), echo, async |stage| {
        let began = stage.now();
        let mut socket = stage.dial().await.expect("it listens");
        let dialled = stage.now() - began;
        assert!((2000..2020).contains(&dialled.as_micros()), "{dialled:?}");
        assert!(stage.echoes(&mut socket).await);
    });
}

#[test]
fn a_port_where_nobody_listens_refuses_at_once() {
    play(calm(), idle, async |stage| {
        assert_eq!(
            kind(stage.within(10, stage.dial()).await),
            Some(io::ErrorKind::ConnectionRefused)
        );
        stage.inject(Fault::Kill(N2)).await;
        assert_eq!(
            kind(stage.within(10, stage.dial()).await),
            Some(io::ErrorKind::ConnectionRefused)
        );
    });
}

#[test]
fn a_port_is_opened_once_and_refuses_when_its_listener_is_gone() {
    play(calm(), idle, async |stage| {
        let listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        let second = stage.n2().listen(PORT).await.err().map(|error| error.kind());
        assert_eq!(second, Some(io::ErrorKind::AddrInUse));
        let mut waiting = stage.dial().await.expect("its kernel accepts");
        drop(listener);
        let read = stage.within(10, waiting.read(&mut [0])).await;
        assert_eq!(kind(read), Some(io::ErrorKind::ConnectionReset));
        assert_eq!(
            kind(stage.within(10, stage.dial()).await),
            Some(io::ErrorKind::ConnectionRefused)
        );
        assert!(stage.n2().listen(PORT).await.is_ok());
    });
}

#[test]
fn a_connect_across_a_cut_succeeds_after_the_heal_at_the_next_retry() {
    for cut in [(N1, N2), (N2, N1)] {
        play(calm(), echo, async move |stage| {
            stage.cut(&[cut]).await;
            let began = stage.now();
            let mut dial = pin!(stage.dial());
            assert!(stage.within(1000, dial.as_mut()).await.is_none());
            stage.heal().await;
            let mut socket = dial.await.expect("it listens");
            let took = (stage.now() - began).as_millis();
            assert!((1400..1410).contains(&took), "SYNs at 0, 0.2, 0.6, 1.4 s: {took} ms");
            assert!(stage.echoes(&mut socket).await);
        });
    }
}

#[test]
fn a_connect_to_silence_times_out() {
    for power in [false, true] {
        play(calm(), echo, async move |stage| {
            if power {
                stage.inject(Fault::PowerOff(N2)).await;
            } else {
                stage.cut_both_ways().await;
            }
            let began = stage.now();
            assert_eq!(kind(Some(stage.dial().await)), Some(io::ErrorKind::TimedOut));
            let took = (stage.now() - began).as_nanos() as u64;
            assert!((CONNECT_LIMIT_NS..CONNECT_LIMIT_NS + 1_000_000).contains(&took));
        });
    }
}

#[test]
fn what_is_written_across_a_cut_arrives_once_and_in_order_after_the_heal() {
    play(calm(), echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        stage.cut_both_ways().await;
        for word in ["one ", "two ", "three"] {
            socket.write_all(word.as_bytes()).await.expect("the kernel takes it");
            stage.pass(500).await;
        }
        let mut back = [0; 13];
        let mut read = pin!(socket.read_exact(&mut back));
        assert!(stage.within(3000, read.as_mut()).await.is_none());
        stage.heal().await;
        let healed = stage.now();
        read.await.expect("it arrives");
        let took = (stage.now() - healed).as_millis();
        assert!((1600..1720).contains(&took), "retries at 3.0 and 6.2 s of the cut: {took} ms");
        assert_eq!(&back, b"one two three");
    });
}

#[test]
fn bytes_whose_acknowledgements_are_cut_arrive_once() {
    play(calm(), echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        stage.cut(&[(N2, N1)]).await;
        socket.write_all(b"once").await.expect("the kernel takes it");
        stage.pass(3000).await;
        stage.heal().await;
        let mut back = [0; 9];
        let read = stage.within(20_000, socket.read_exact(&mut back[..4])).await;
        assert!(matches!(read, Some(Ok(()))) && &back[..4] == b"once");
        assert!(
            stage.within(20_000, socket.read(&mut back)).await.is_none(),
            "nothing comes twice"
        );
    });
}

#[test]
fn an_unacknowledged_connection_times_out_and_its_peer_stays_half_open_until_it_speaks() {
    play(calm(), idle, async |stage| {
        let mut listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        let mut near = stage.dial().await.expect("it listens");
        let mut far = listener.accept().await.expect("it dialled");
        stage.cut_both_ways().await;
        let began = stage.now();
        near.write_all(b"x").await.expect("the kernel takes it");
        assert_eq!(kind(Some(near.read(&mut [0]).await)), Some(io::ErrorKind::TimedOut));
        let took = (stage.now() - began).as_nanos() as u64;
        assert!((SILENCE_LIMIT_NS..SILENCE_LIMIT_NS + 1_000_000).contains(&took));
        stage.heal().await;
        assert!(stage.within(60_000, far.read(&mut [0])).await.is_none(), "it knows of nothing");
        far.write_all(b"y").await.expect("the kernel takes it");
        let read = stage.within(10, far.read(&mut [0])).await;
        assert_eq!(kind(read), Some(io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_killed_peer_resets_where_packets_pass() {
    play(calm(), echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        assert!(stage.echoes(&mut socket).await);
        stage.inject(Fault::Kill(N2)).await;
        let read = stage.within(10, socket.read(&mut [0])).await;
        assert_eq!(kind(read), Some(io::ErrorKind::ConnectionReset));
        let write = stage.within(10, socket.write(b"x")).await;
        assert_eq!(kind(write), Some(io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_peer_killed_behind_a_cut_is_silent_and_resets_what_comes_after_the_heal() {
    play(calm(), echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        stage.cut_both_ways().await;
        stage.inject(Fault::Kill(N2)).await;
        assert!(stage.within(5000, socket.read(&mut [0])).await.is_none());
        stage.heal().await;
        assert!(stage.within(5000, socket.read(&mut [0])).await.is_none(), "the reset is lost");
        socket.write_all(b"x").await.expect("the kernel takes it");
        let read = stage.within(10, socket.read(&mut [0])).await;
        assert_eq!(kind(read), Some(io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_powered_off_peer_is_silent_and_its_restarted_kernel_resets_old_connections() {
    play(calm(), echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        stage.inject(Fault::PowerOff(N2)).await;
        socket.write_all(b"x").await.expect("the kernel takes it");
        assert!(stage.within(5000, socket.read(&mut [0])).await.is_none());
        stage.inject(Fault::Restart(N2)).await;
        let read = stage.within(2000, socket.read(&mut [0])).await;
        assert_eq!(kind(read), Some(io::ErrorKind::ConnectionReset));
        let mut fresh = stage.dial().await.expect("the next boot listens");
        assert!(stage.echoes(&mut fresh).await);
    });
}

#[test]
fn a_paused_peer_connects_and_takes_a_window_of_bytes_and_answers_when_it_goes_on() {
    play(calm(), echo, async |stage| {
        stage.inject(Fault::Pause(N2)).await;
        let mut socket = stage.within(10, stage.dial()).await.expect("its kernel accepts").unwrap();
        let mut taken = 0;
        while let Some(count) = stage.within(1000, socket.write(&[7; 10_000])).await {
            taken += count.expect("its kernel acknowledges");
        }
        assert_eq!(taken as u64, WINDOW_BYTES);
        assert!(stage.within(120_000, socket.read(&mut [0])).await.is_none(), "it never times out");
        stage.inject(Fault::Resume(N2)).await;
        let mut back = vec![0; taken];
        let read = stage.within(1000, socket.read_exact(&mut back)).await;
        assert!(matches!(read, Some(Ok(()))) && back.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_writer_waits_for_a_reader_that_is_slow_and_loses_no_byte() {
    play(WorldParams { segment_bytes: 1000, ..calm() }, idle, async |stage| {
        let mut listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        let mut near = stage.dial().await.expect("it listens");
        let mut far = listener.accept().await.expect("it dialled");
        let sent: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let write = async {
            near.write_all(&sent).await.expect("the peer reads");
            near.close().await.expect("it is open");
        };
        let read = async {
            let mut all = Vec::new();
            let mut chunk = vec![0; 5000];
            while let Ok(count @ 1..) = far.read(&mut chunk).await {
                all.extend_from_slice(&chunk[..count]);
                stage.pass(10).await;
            }
            all
        };
        let (_, all) = futures_util::future::join(write, read).await;
        assert!(all == sent);
    });
}

#[test]
fn a_lossy_link_delays_bytes_and_loses_none() {
    let params = WorldParams { loss_ppm: 200_000, jitter_ns: 3_000_000, reorder: true, ..calm() };
    play(WorldParams { segment_bytes: 1000, ..params }, echo, async |stage| {
        let mut socket = stage.dial().await.expect("it listens");
        let sent: Vec<u8> = (0..30_000u32).map(|i| (i % 251) as u8).collect();
        socket.write_all(&sent).await.expect("the peer reads");
        let mut back = vec![0; sent.len()];
        socket.read_exact(&mut back).await.expect("the peer answers");
        assert!(back == sent);
        let counters = stage.cluster.tear_down().await.counters;
        assert!(counters["packets lost"] > 5 && counters["packets retransmitted"] > 5);
    });
}

#[test]
fn a_close_is_the_end_of_file_and_does_not_cross_a_cut() {
    play(calm(), idle, async |stage| {
        let mut listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        let mut near = stage.dial().await.expect("it listens");
        let mut far = listener.accept().await.expect("it dialled");
        near.write_all(b"last").await.expect("the kernel takes it");
        stage.pass(10).await;
        stage.cut_both_ways().await;
        drop(near);
        let mut back = [0; 8];
        assert_eq!(far.read(&mut back).await.expect("it arrived before"), 4);
        assert!(stage.within(5000, far.read(&mut back)).await.is_none(), "the FIN is cut");
        stage.heal().await;
        assert_eq!(
            stage.within(5000, far.read(&mut back)).await.expect("it is repeated").unwrap(),
            0
        );
    });
}

#[test]
fn a_side_that_closed_for_writing_still_reads() {
    play(calm(), idle, async |stage| {
        let mut listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        let mut near = stage.dial().await.expect("it listens");
        let mut far = listener.accept().await.expect("it dialled");
        near.write_all(b"question").await.expect("the kernel takes it");
        near.close().await.expect("it is open");
        assert_eq!(kind(Some(near.write(b"x").await)), Some(io::ErrorKind::BrokenPipe));
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.expect("it ends well");
        assert_eq!(all, b"question");
        far.write_all(b"answer").await.expect("the other direction is open");
        drop(far);
        all.clear();
        near.read_to_end(&mut all).await.expect("it ends well");
        assert_eq!(all, b"answer");
    });
}

#[test]
fn a_socket_dropped_with_unread_bytes_resets_and_so_do_bytes_for_one_that_is_closed() {
    play(calm(), idle, async |stage| {
        let mut listener = stage.n2().listen(PORT).await.expect("nobody else listens");
        for unread in [true, false] {
            let mut near = stage.dial().await.expect("it listens");
            let far = listener.accept().await.expect("it dialled");
            if unread {
                near.write_all(b"x").await.expect("the kernel takes it");
                stage.pass(10).await;
                drop(far);
            } else {
                drop(far);
                stage.pass(10).await;
                near.write_all(b"x").await.expect("it is half closed");
                stage.pass(10).await;
            }
            let write = stage.within(10, async {
                stage.pass(5).await;
                near.write(b"y").await
            });
            assert_eq!(kind(write.await), Some(io::ErrorKind::ConnectionReset));
        }
    });
}

#[test]
fn a_client_is_never_cut_off_and_its_messages_take_time() {
    play(calm(), echo, async |stage| {
        let n0 = cluster::NodeId(0);
        let cut = Fault::Partition { shape: "clients".into(), cuts: vec![(n0, N2), (N2, n0)] };
        assert!(stage.cluster.inject(&cut).await.is_err(), "n0 is no node of the cluster");
        stage.cut_both_ways().await;
        let began = stage.now();
        let mut connection = stage.cluster.connect(N2).await.expect("it listens");
        connection.write_all(b"ping").await.expect("it is open");
        let mut back = [0; 4];
        connection.read_exact(&mut back).await.expect("it echoes");
        let took = (stage.now() - began).as_micros();
        assert!((4000..4050).contains(&took), "two round trips of 2 ms: {took} us");
    });
}

/// Every node streams a pattern to the next one, over and over, and panics if it reads anything but the pattern.
fn stream_pattern(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        env.spawn(write_pattern(env));
        let mut listener = env.listen(PORT).await.expect("nobody else listens");
        while let Ok(socket) = listener.accept().await {
            env.spawn(read_pattern(env, socket));
        }
    }
    .boxed_local()
}

const PATTERN_BYTES: usize = 200_000;

async fn write_pattern(env: SimEnv) {
    let pattern: Vec<u8> = (0..PATTERN_BYTES).map(|i| (i % 251) as u8).collect();
    loop {
        if let Ok(mut socket) = env.connect(NodeId(env.node % 2 + 1), PORT).await {
            let mut rest = &pattern[..];
            while !rest.is_empty() {
                let size = (env.draw(Draw::Backoff) % 20_000 + 1) as usize;
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                if socket.write_all(chunk).await.is_err() {
                    break;
                }
                rest = after;
                env.yield_point("between writes").await;
            }
        }
        env.sleep(Duration::from_millis(env.draw(Draw::Backoff) % 100)).await;
    }
}

async fn read_pattern(env: SimEnv, mut socket: SimSocket) {
    let (mut read, mut chunk) = (0, vec![0; 7000]);
    loop {
        match socket.read(&mut chunk).await {
            Ok(0) if read == PATTERN_BYTES => return env.reached("a whole pattern"),
            Ok(0) => return env.reached("an early end"),
            Err(_) => return env.reached("a broken stream"),
            Ok(count) => {
                let right = |(i, byte): (usize, &u8)| *byte == ((read + i) % 251) as u8;
                assert!(chunk[..count].iter().enumerate().all(right), "wrong bytes after {read}");
                read += count;
            }
        }
        env.yield_point("between reads").await;
    }
}

/// A run of the pattern under thirty drawn faults.
fn pattern_run(seed: Seed) -> cluster::Artifacts {
    let program: Program = stream_pattern;
    let params = WorldParams::from_seed(seed);
    sim::simulate(
        seed,
        params,
        2,
        move || Rc::new(program),
        async move |cluster| {
            cluster.set_up(seed).await.expect("a simulated cluster starts");
            let mut rng = seed.stream(Stream::Nemesis);
            for _ in 0..30 {
                let node = *rng.pick(cluster.nodes());
                let cuts =
                    rng.pick(&[vec![(N1, N2)], vec![(N2, N1)], vec![(N1, N2), (N2, N1)]]).clone();
                let fault = match rng.range(0, 10) {
                    0 | 1 => Fault::Partition { shape: "drawn".into(), cuts },
                    2 | 3 => Fault::HealNetwork,
                    4 => Fault::Pause(node),
                    5 => Fault::Resume(node),
                    6 if rng.chance(0.5) => Fault::Kill(node),
                    6 => Fault::PowerOff(node),
                    8 => {
                        let (delay_ms, jitter_ms) = (rng.log_uniform(5, 2000) as u32, 300);
                        Fault::Slow { nodes: vec![node], delay_ms, jitter_ms }
                    }
                    9 => Fault::Fast,
                    _ => Fault::Restart(node),
                };
                cluster.inject(&fault).await.expect("a fault of a known node");
                let wait = Duration::from_millis(rng.log_uniform(100, 4_000));
                cluster.clock().sleep(wait).await;
            }
            cluster.tear_down().await
        },
    )
}

#[test]
fn a_stream_delivers_a_prefix_of_what_was_written_whatever_happens() {
    let (mut whole, mut broken) = (0, 0);
    for seed in (0..30).map(Seed) {
        let artifacts = pattern_run(seed);
        assert_eq!(artifacts.findings, [], "seed {seed}");
        whole += artifacts.counters.get("a whole pattern").unwrap_or(&0);
        broken += artifacts.counters.get("a broken stream").unwrap_or(&0);
        assert_eq!(artifacts.counters.get("an early end"), None, "seed {seed}");
    }
    assert!(whole > 100 && broken > 0, "{whole} whole, {broken} broken");
}
