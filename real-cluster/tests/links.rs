//! The proxies between local processes, against plain echo servers: what they pass on, hold, slow and refuse.

use harness::cluster::NodeId;
use harness::seed::{Draw, Seed, Stream};
use real_cluster::local::net::{Block, Links, Party, Port, Slowness};
use std::future::Future;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
/// Long enough for what should come, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must come.
const QUIET: Duration = Duration::from_millis(150);

/// Links between n1, n2, n3 and clients, whose nodes are whatever a test lets listen.
struct Net {
    links: Links,
}

impl Net {
    async fn listen(&self, node: NodeId) -> TcpListener {
        let target = self.links.block().target(node, Port::Redis);
        let listener = TcpListener::bind(target).await.expect("free");
        self.links.expect(node).await;
        listener
    }

    /// A node that sends back what it gets, its end included.
    async fn echo(&self, node: NodeId) -> JoinHandle<()> {
        let listener = self.listen(node).await;
        let echo = spawn_local(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                spawn_local(async move {
                    let (mut reader, mut writer) = socket.split();
                    if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
                        let _ = writer.shutdown().await;
                    }
                });
            }
        });
        drop(self.open(Party::Clients, node).await);
        echo
    }

    async fn try_open(&self, from: Party, node: NodeId) -> std::io::Result<TcpStream> {
        let proxy = self.links.block().proxy(from, node, Port::Redis);
        let socket = TcpStream::connect(proxy).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Connects as soon as the node's door is open.
    async fn open(&self, from: Party, node: NodeId) -> TcpStream {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.try_open(from, node).await {
                Ok(socket) => return socket,
                Err(error) => assert!(Instant::now() < limit, "{node} cannot be reached: {error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// A connection that has carried four bytes, and its other end.
    async fn pair(&self, from: Party, node: NodeId, at: &TcpListener) -> (TcpStream, TcpStream) {
        let mut near = self.open(from, node).await;
        says(&mut near, b"ping").await;
        (near, spoken_to(at, b"ping").await)
    }

    async fn cut(&self, cuts: &[(NodeId, NodeId)]) -> usize {
        let injection = self.links.effects().open();
        self.links.cut(cuts.to_vec(), injection).await;
        injection
    }

    async fn slow(&self, nodes: &[NodeId], delay_ms: u32, jitter_ms: u32) -> usize {
        let injection = self.links.effects().open();
        self.links.slow(nodes.to_vec(), Slowness { delay_ms, jitter_ms }, injection).await;
        injection
    }

    fn effect(&self, injection: usize) -> u64 {
        self.links.effects().all()[injection]
    }
}

/// The next connection that says these words; others end unheard, the proxies' own look at a port among them.
async fn spoken_to(listener: &TcpListener, words: &[u8; 4]) -> TcpStream {
    loop {
        let (mut socket, _) = listener.accept().await.expect("it comes");
        let mut heard = [0; 4];
        if socket.read_exact(&mut heard).await.is_ok() {
            assert_eq!(&heard, words);
            return socket;
        }
    }
}

fn between_nodes<F: Future<Output = ()>>(test: impl FnOnce(Rc<Net>) -> F) {
    let block = Block::claim(3).expect("four ports are free");
    let links = Links::start(block, Seed(7)).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test(Rc::new(Net { links })));
}

async fn exactly<const N: usize>(socket: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    let read = timeout(PATIENCE, socket.read_exact(&mut bytes)).await;
    read.expect("bytes come in time").expect("bytes come");
    bytes
}

async fn says(socket: &mut TcpStream, words: &[u8; 4]) {
    socket.write_all(words).await.expect("it is open");
}

async fn is_quiet(socket: &mut TcpStream) -> bool {
    timeout(QUIET, socket.read(&mut [0; 16])).await.is_err()
}

async fn end(socket: &mut TcpStream) -> std::io::Result<usize> {
    timeout(PATIENCE, socket.read(&mut [0; 16])).await.expect("it ends in time")
}

#[test]
fn an_untouched_link_carries_bytes_and_ends_both_ways() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        for from in [Party::Clients, Party::Node(N1)] {
            let mut socket = net.open(from, N2).await;
            says(&mut socket, b"ping").await;
            assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
            says(&mut socket, b"last").await;
            socket.shutdown().await.expect("it is open");
            assert_eq!(&exactly::<4>(&mut socket).await, b"last");
            assert_eq!(end(&mut socket).await.expect("an end, no reset"), 0);
        }
    });
}

#[test]
fn a_node_that_is_down_refuses_and_one_that_came_up_accepts() {
    between_nodes(|net| async move {
        let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        assert!(net.try_open(Party::Clients, N2).await.is_err_and(refused));
        net.links.expect(N2).await;
        assert!(net.try_open(Party::Clients, N2).await.is_err_and(refused));
        let echo = net.echo(N2).await;
        assert!(net.try_open(Party::Node(N1), N2).await.is_ok());
        echo.abort();
        let _ = echo.await;
        net.links.close(N2).await;
        for from in [Party::Clients, Party::Node(N1)] {
            assert!(net.try_open(from, N2).await.is_err_and(refused));
        }
        net.echo(N2).await;
        assert!(net.try_open(Party::Clients, N2).await.is_ok());
    });
}

#[test]
fn a_cut_holds_bytes_one_way_and_lets_them_pass_after_the_heal() {
    between_nodes(|net| async move {
        let listener = net.listen(N2).await;
        let (mut near, mut far) = net.pair(Party::Node(N1), N2, &listener).await;
        let cut = net.cut(&[(N1, N2)]).await;
        says(&mut near, b"held").await;
        says(&mut far, b"back").await;
        assert_eq!(&exactly::<4>(&mut near).await, b"back");
        assert!(is_quiet(&mut far).await, "bytes passed a cut");
        says(&mut near, b"too.").await;
        near.shutdown().await.expect("it is open");
        assert!(is_quiet(&mut far).await, "an end passed a cut");
        let heal = net.cut(&[]).await;
        assert_eq!(&exactly::<8>(&mut far).await, b"heldtoo.");
        assert_eq!(end(&mut far).await.expect("an end"), 0);
        assert!(net.effect(cut) >= 2, "{:?}", net.links.effects().all());
        assert_eq!(net.effect(heal), 0);
    });
}

#[test]
fn a_cut_holds_what_goes_back_on_connections_of_others() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let mut socket = net.open(Party::Node(N1), N2).await;
        says(&mut socket, b"ping").await;
        assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
        let cut = net.cut(&[(N2, N1)]).await;
        says(&mut socket, b"echo").await;
        assert!(is_quiet(&mut socket).await, "a reply passed a cut");
        let mut client = net.open(Party::Clients, N2).await;
        says(&mut client, b"free").await;
        assert_eq!(&exactly::<4>(&mut client).await, b"free");
        net.cut(&[]).await;
        assert_eq!(&exactly::<4>(&mut socket).await, b"echo");
        assert_eq!(net.effect(cut), 1);
    });
}

#[test]
fn a_new_partition_replaces_the_one_before() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let mut socket = net.open(Party::Node(N1), N2).await;
        let first = net.cut(&[(N1, N2)]).await;
        says(&mut socket, b"ping").await;
        assert!(is_quiet(&mut socket).await);
        let second = net.cut(&[(N2, N1)]).await;
        assert!(is_quiet(&mut socket).await, "the way back is cut now");
        let third = net.cut(&[(N1, NodeId(3))]).await;
        assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
        let effects = [first, second, third].map(|cut| net.effect(cut) > 0);
        assert_eq!(effects, [true, true, false]);
    });
}

#[test]
fn a_connection_across_a_cut_reaches_nobody_before_the_heal() {
    between_nodes(|net| async move {
        let listener = net.listen(N2).await;
        drop(net.open(Party::Clients, N2).await);
        for cuts in [[(N1, N2)], [(N2, N1)]] {
            let cut = net.cut(&cuts).await;
            let mut patient = net.try_open(Party::Node(N1), N2).await.expect("accepted");
            says(&mut patient, b"kept").await;
            let mut hasty = net.try_open(Party::Node(N1), N2).await.expect("accepted");
            says(&mut hasty, b"lost").await;
            drop(hasty);
            let mut reached = Box::pin(spoken_to(&listener, b"kept"));
            assert!(timeout(QUIET, &mut reached).await.is_err(), "something passed a cut");
            assert_eq!(net.effect(cut), 2, "each connection counts once");
            net.cut(&[]).await;
            timeout(PATIENCE, reached).await.expect("it comes after the heal");
            let more = timeout(QUIET, spoken_to(&listener, b"none")).await;
            assert!(more.is_err(), "who gave up before the heal must never be heard");
        }
    });
}

#[test]
fn a_cut_hides_that_a_node_is_down_until_the_heal() {
    between_nodes(|net| async move {
        net.cut(&[(N2, N1)]).await;
        let mut socket = net.try_open(Party::Node(N1), N2).await.expect("accepted");
        assert!(net.try_open(Party::Clients, N2).await.is_err(), "clients are not cut");
        assert!(is_quiet(&mut socket).await, "a refusal passed a cut");
        net.cut(&[]).await;
        let kind = end(&mut socket).await.expect_err("nobody is there").kind();
        assert_eq!(kind, ErrorKind::ConnectionReset);
        assert!(net.try_open(Party::Node(N1), N2).await.is_err(), "its door is closed again");
    });
}

#[test]
fn a_reset_is_passed_on_as_a_reset_and_held_by_a_cut() {
    between_nodes(|net| async move {
        let listener = net.listen(N2).await;
        for cut in [false, true] {
            let (mut near, far) = net.pair(Party::Node(N1), N2, &listener).await;
            says(&mut near, b"more").await;
            assert_eq!(far.peek(&mut [0]).await.expect("it came"), 1);
            if cut {
                net.cut(&[(N2, N1)]).await;
            }
            // Closed with bytes unread: its kernel resets.
            drop(far);
            if cut {
                assert!(is_quiet(&mut near).await, "a reset passed a cut");
                net.cut(&[]).await;
            }
            let kind = end(&mut near).await.expect_err("a reset").kind();
            assert_eq!(kind, ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn what_is_sent_to_a_dead_end_is_answered_with_a_reset() {
    between_nodes(|net| async move {
        let listener = net.listen(N2).await;
        let (mut near, mut far) = net.pair(Party::Node(N1), N2, &listener).await;
        says(&mut far, b"bye.").await;
        drop(far);
        assert_eq!(&exactly::<4>(&mut near).await, b"bye.");
        assert_eq!(end(&mut near).await.expect("an end"), 0);
        let limit = Instant::now() + PATIENCE;
        while near.write_all(b"more").await.is_ok() {
            assert!(Instant::now() < limit, "nobody said that the other end is gone");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_slow_node_is_slow_towards_everybody_and_its_peers_are_not() {
    between_nodes(|net| async move {
        net.echo(N1).await;
        net.echo(N2).await;
        let mut to_client = net.open(Party::Clients, N2).await;
        let mut to_peer = net.open(Party::Node(N1), N2).await;
        let mut from_it = net.open(Party::Node(N2), N1).await;
        let mut elsewhere = net.open(Party::Clients, N1).await;
        for socket in [&mut to_client, &mut to_peer, &mut from_it, &mut elsewhere] {
            says(socket, b"ping").await;
            assert_eq!(&exactly::<4>(socket).await, b"ping");
        }
        let slow = net.slow(&[N2], 300, 50).await;
        for (socket, slowed) in [
            (&mut to_client, true),
            (&mut to_peer, true),
            (&mut from_it, true),
            (&mut elsewhere, false),
        ] {
            let asked = Instant::now();
            says(socket, b"ping").await;
            assert_eq!(&exactly::<4>(socket).await, b"ping");
            let took = asked.elapsed();
            assert_eq!(took >= Duration::from_millis(300), slowed, "it took {took:?}");
        }
        assert_eq!(net.effect(slow), 3);
        let asked = Instant::now();
        let mut fresh = net.open(Party::Clients, N2).await;
        says(&mut fresh, b"ping").await;
        assert_eq!(&exactly::<4>(&mut fresh).await, b"ping");
        assert!(asked.elapsed() >= Duration::from_millis(600), "a handshake and an answer");
        net.slow(&[], 0, 0).await;
        let asked = Instant::now();
        says(&mut to_client, b"fast").await;
        assert_eq!(&exactly::<4>(&mut to_client).await, b"fast");
        assert!(asked.elapsed() < Duration::from_millis(300), "it took {:?}", asked.elapsed());
    });
}

#[test]
fn a_delay_is_no_limit_of_bandwidth_and_keeps_the_order() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let socket = net.open(Party::Node(N1), N2).await;
        net.slow(&[N1], 100, 100).await;
        let (mut reader, mut writer) = socket.into_split();
        let began = Instant::now();
        let sending = spawn_local(async move {
            for number in 0..400_u32 {
                writer.write_all(&number.to_le_bytes()).await.expect("it is open");
                tokio::task::yield_now().await;
            }
            writer
        });
        for number in 0..400_u32 {
            let mut bytes = [0; 4];
            let read = timeout(PATIENCE, reader.read_exact(&mut bytes)).await;
            read.expect("in time").expect("open");
            assert_eq!(u32::from_le_bytes(bytes), number);
        }
        // One after the other they would take a minute.
        assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
        drop(sending.await);
    });
}

#[test]
fn a_cut_holds_no_more_than_a_bounded_buffer() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let mut socket = net.open(Party::Node(N1), N2).await;
        says(&mut socket, b"ping").await;
        assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
        net.cut(&[(N1, N2)]).await;
        let block = vec![7; 1 << 20];
        let mut sent = 0;
        while let Ok(written) = timeout(QUIET, socket.write(&block)).await {
            sent += written.expect("it is open");
            assert!(sent < 64 << 20, "{sent} bytes were taken by a cut link");
        }
        net.cut(&[]).await;
        let mut back = vec![0; 1 << 16];
        while sent > 0 {
            let read = timeout(PATIENCE, socket.read(&mut back)).await.expect("in time");
            let read = read.expect("it is open");
            assert!(read > 0 && back[..read].iter().all(|byte| *byte == 7));
            sent -= read;
        }
    });
}

#[test]
fn no_rule_loses_doubles_or_reorders_a_byte() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let (reader, writer) = net.open(Party::Node(N1), N2).await.into_split();
        let mut rng = Seed(11).stream(Stream::Workload);
        let stream: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
        let sending = spawn_local(send_in_pieces(writer, stream.clone()));
        let receiving = spawn_local(receive_all(reader));
        for _ in 0..60 {
            match rng.range(0, 5) {
                0 => net.cut(&[(N1, N2)]).await,
                1 => net.cut(&[(N2, N1)]).await,
                2 => net.slow(&[N1, N2], rng.range(0, 5) as u32, 5).await,
                3 => net.slow(&[], 0, 0).await,
                _ => net.cut(&[]).await,
            };
            tokio::time::sleep(Duration::from_millis(rng.range(0, 8))).await;
        }
        net.cut(&[]).await;
        sending.await.expect("it sent all");
        let received = timeout(PATIENCE, receiving).await.expect("in time").expect("it read all");
        assert!(received == stream, "{} of {} bytes", received.len(), stream.len());
    });
}

async fn send_in_pieces(mut writer: OwnedWriteHalf, stream: Vec<u8>) {
    let mut rng = Seed(12).stream(Stream::Workload);
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((rng.range(1, 20_000) as usize).min(rest.len()));
        writer.write_all(piece).await.expect("it is open");
        tokio::time::sleep(Duration::from_millis(rng.range(0, 2))).await;
        rest = tail;
    }
    writer.shutdown().await.expect("it is open");
}

async fn receive_all(mut reader: OwnedReadHalf) -> Vec<u8> {
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.expect("an end");
    received
}

#[test]
fn stopping_ends_every_connection() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let mut socket = net.open(Party::Clients, N2).await;
        says(&mut socket, b"ping").await;
        assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
        net.links.stop();
        assert!(!matches!(end(&mut socket).await, Ok(1..)));
        assert!(net.try_open(Party::Clients, N2).await.is_err());
        // A rule for nobody is in force at once.
        net.cut(&[(N1, N2)]).await;
    });
}

#[test]
fn an_untouched_link_is_fast() {
    between_nodes(|net| async move {
        net.echo(N2).await;
        let mut socket = net.open(Party::Clients, N2).await;
        let (mut asked, began) = (0_u32, Instant::now());
        while began.elapsed() < Duration::from_secs(1) {
            says(&mut socket, b"ping").await;
            assert_eq!(&exactly::<4>(&mut socket).await, b"ping");
            asked += 1;
        }
        let (reader, mut writer) = socket.into_split();
        let bytes = 256 << 20;
        let began = Instant::now();
        let sending = spawn_local(async move {
            let block = vec![1; 1 << 20];
            for _ in 0..bytes / block.len() {
                writer.write_all(&block).await.expect("it is open");
            }
            writer.shutdown().await.expect("it is open");
        });
        let mut received = 0;
        let mut reader = BufReader::with_capacity(1 << 20, reader);
        loop {
            let read = reader.fill_buf().await.expect("it is open").len();
            if read == 0 {
                break;
            }
            received += read;
            reader.consume(read);
        }
        sending.await.expect("it sent all");
        assert_eq!(received, bytes);
        let rate = bytes as f64 / began.elapsed().as_secs_f64() / f64::from(1 << 20);
        println!("{asked} round trips a second; {rate:.0} MiB/s there and back");
        // Far below what an idle machine does; far above what a byte-by-byte proxy would.
        assert!(asked > 1_000, "{asked} round trips a second");
        assert!(rate > 20.0, "{rate:.0} MiB/s");
    });
}
