//! One script for each promise of slowness: whose messages are late, by how much, in which order, and what counts as an
//! effect. Node 1 is played by the script itself, through its `Env`; node 2 echoes.

use crate::stage::{self, N1, N2, PORT, Setting, echo};
use bytes::Bytes;
use elastickv::env::{Env, Lane, NodeId};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::{self, Cluster};
use harness::fault::Fault;
use sim::cluster::SimCluster;
use sim::params::WorldParams;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

struct Stage {
    cluster: Rc<SimCluster>,
    /// What arrived as a datagram, where, and at which microsecond.
    seen: Rc<RefCell<Vec<(u16, Bytes, u64)>>>,
}

/// Plays a script where every message takes exactly a millisecond, unless the parameters say otherwise.
fn play<F, T>(params: WorldParams, script: impl FnOnce(Stage) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let setting = Setting { params, ..Setting::calm(echo) };
    stage::play(setting, async move |cluster| {
        let stage = Stage { cluster, seen: Rc::default() };
        stage.listen(N1);
        stage.listen(N2);
        script(stage).await
    })
}

impl Stage {
    fn listen(&self, node: cluster::NodeId) {
        let (env, seen, cluster) =
            (self.cluster.env(node), self.seen.clone(), self.cluster.clone());
        self.cluster.spawn(async move {
            loop {
                let (_, message) = env.receive(Lane::Normal).await;
                let at = cluster.clock().now().as_micros() as u64;
                seen.borrow_mut().push((node.0, message, at));
            }
        });
    }

    async fn inject(&self, fault: Fault) {
        stage::inject(&self.cluster, fault).await;
    }

    async fn slow(&self, nodes: &[cluster::NodeId], delay_ms: u32, jitter_ms: u32) {
        self.inject(Fault::Slow { nodes: nodes.to_vec(), delay_ms, jitter_ms }).await;
    }

    async fn fast(&self) {
        self.inject(Fault::Fast).await;
    }

    fn send(&self, from: u16, text: &'static str) {
        let message = Bytes::from_static(text.as_bytes());
        let env = self.cluster.env(cluster::NodeId(from));
        env.send(NodeId(3 - from), Lane::Normal, message);
    }

    fn us(&self) -> u64 {
        self.cluster.clock().now().as_micros() as u64
    }

    async fn pass(&self, ms: u64) {
        stage::pass(&self.cluster, ms).await;
    }

    /// Milliseconds from `since` until the text arrived as a datagram at the node.
    fn took(&self, node: u16, text: &str, since: u64) -> Option<u64> {
        let seen = self.seen.borrow();
        let arrived = seen.iter().find(|(at, message, _)| *at == node && *message == text);
        arrived.map(|(_, _, at)| (at - since) / 1000)
    }

    fn texts(&self) -> Vec<Bytes> {
        self.seen.borrow().iter().map(|(_, message, _)| message.clone()).collect()
    }

    /// Milliseconds that a client takes to connect to node 2, and from there until it has its echo.
    async fn ask_as_client(&self) -> (u64, u64) {
        let began = self.us();
        let mut connection = self.cluster.connect(N2).await.expect("it listens");
        let open = self.us();
        connection.write_all(b"ping").await.expect("it is open");
        let mut back = [0; 4];
        connection.read_exact(&mut back).await.expect("it echoes");
        ((open - began) / 1000, (self.us() - open) / 1000)
    }

    async fn effects(self) -> Vec<u64> {
        self.cluster.tear_down().await.effects
    }
}

fn calm() -> WorldParams {
    WorldParams::calm()
}

#[test]
fn what_leaves_a_slowed_node_is_late_and_what_comes_to_it_is_not() {
    let effects = play(calm(), async |stage| {
        stage.slow(&[N1], 50, 0).await;
        let since = stage.us();
        stage.send(1, "late");
        stage.send(2, "in time");
        stage.pass(100).await;
        assert_eq!(stage.took(2, "late", since), Some(51));
        assert_eq!(stage.took(1, "in time", since), Some(1));
        stage.fast().await;
        let since = stage.us();
        stage.send(1, "fast again");
        stage.pass(100).await;
        assert_eq!(stage.took(2, "fast again", since), Some(1));
        stage.effects().await
    });
    assert_eq!(effects, [1, 0], "one message was late");
}

#[test]
fn clients_wait_for_a_slowed_node_as_its_peers_do() {
    let effects = play(calm(), async |stage| {
        assert_eq!(stage.ask_as_client().await, (2, 2));
        stage.slow(&[N2], 100, 0).await;
        assert_eq!(stage.ask_as_client().await, (102, 102));
        stage.fast().await;
        assert_eq!(stage.ask_as_client().await, (2, 2));
        stage.pass(1000).await;
        stage.effects().await
    });
    assert!(effects[0] >= 3, "its SYN, its acknowledgement and its echo were late: {effects:?}");
    assert_eq!(effects[1], 0);
}

#[test]
fn a_connection_outlasts_the_greatest_slowness_on_both_sides() {
    let most = harness::nemesis::latency::DELAY_MAX_MS as u32;
    play(calm(), async move |stage| {
        stage.slow(&[N1, N2], most, 0).await;
        let began = stage.us();
        let mut socket =
            stage.cluster.env(N1).connect(NodeId(2), PORT).await.expect("late is not never");
        assert_eq!((stage.us() - began) / 1000, u64::from(2 * most) + 2);
        for text in [b"one..", b"two..", b"three"] {
            let began = stage.us();
            socket.write_all(text).await.expect("it is open");
            let mut back = [0; 5];
            socket.read_exact(&mut back).await.expect("it echoes");
            assert_eq!(&back, text);
            assert_eq!((stage.us() - began) / 1000, u64::from(2 * most) + 2);
        }
    });
}

#[test]
fn delays_are_uniform_within_their_bounds() {
    let delays: Vec<u64> = play(calm(), async |stage| {
        stage.slow(&[N1], 40, 20).await;
        let mut delays = Vec::new();
        for _ in 0..600 {
            let since = stage.us();
            stage.send(1, "m");
            stage.pass(100).await;
            let (_, _, at) = stage.seen.borrow_mut().pop().expect("it has arrived");
            delays.push(at - since - 1000);
        }
        delays
    });
    assert!(delays.iter().all(|us| (40_000..=60_000).contains(us)), "{delays:?}");
    for quarter in 0..4 {
        let from = 40_000 + quarter * 5_000;
        let share = delays.iter().filter(|us| (from..from + 5_000).contains(*us)).count();
        assert!((110..190).contains(&share), "{share} of 600 in quarter {quarter}");
    }
}

#[test]
fn a_new_slowness_replaces_the_one_before_it() {
    let effects = play(calm(), async |stage| {
        stage.slow(&[N1, N2], 80, 0).await;
        stage.slow(&[N2], 30, 0).await;
        let since = stage.us();
        stage.send(1, "in time");
        stage.send(2, "late");
        stage.pass(100).await;
        assert_eq!(stage.took(2, "in time", since), Some(1));
        assert_eq!(stage.took(1, "late", since), Some(31));
        stage.slow(&[], 30, 0).await;
        stage.slow(&[N1, N2], 0, 0).await;
        let since = stage.us();
        stage.send(1, "nobody is named");
        stage.pass(100).await;
        assert_eq!(stage.took(2, "nobody is named", since), Some(1));
        stage.effects().await
    });
    assert_eq!(effects, [0, 1, 0, 0], "what delayed nothing has no effect");
}

#[test]
fn what_is_under_way_keeps_its_time() {
    for reorder in [true, false] {
        play(WorldParams { reorder, ..calm() }, async move |stage| {
            stage.slow(&[N1], 50, 0).await;
            let since = stage.us();
            stage.send(1, "slow");
            stage.fast().await;
            stage.send(1, "fast");
            stage.pass(100).await;
            assert_eq!(stage.took(2, "slow", since), Some(51));
            // A link that keeps order keeps it here, too.
            let fast = if reorder { 1 } else { 51 };
            assert_eq!(stage.took(2, "fast", since), Some(fast));
        });
    }
}

#[test]
fn late_datagrams_overtake_each_other_only_where_the_world_says_so() {
    for reorder in [true, false] {
        play(WorldParams { reorder, ..calm() }, async move |stage| {
            stage.slow(&[N1], 10, 30).await;
            let texts = ["a", "b", "c", "d", "e", "f", "g", "h"];
            texts.iter().for_each(|text| stage.send(1, text));
            stage.pass(100).await;
            assert_eq!(stage.texts().len(), texts.len());
            assert_eq!(stage.texts() != texts, reorder);
        });
    }
}

#[test]
fn a_stream_keeps_its_order_while_its_slowness_changes() {
    for reorder in [true, false] {
        play(WorldParams { reorder, ..calm() }, async move |stage| {
            let mut socket = stage.cluster.env(N1).connect(NodeId(2), PORT).await.expect("open");
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            for number in 0..60u8 {
                match number % 6 {
                    0 => stage.slow(&[N1], 300, 400).await,
                    2 => stage.slow(&[N1, N2], 20, 90).await,
                    4 => stage.fast().await,
                    _ => {}
                }
                socket.write_all(&[number; 3]).await.expect("it is open");
                said.extend([number; 3]);
                stage.pass(7).await;
            }
            heard.resize(said.len(), 0);
            socket.read_exact(&mut heard).await.expect("everything arrives");
            assert_eq!(heard, said);
        });
    }
}

#[test]
fn a_delay_is_no_limit_on_how_much_is_under_way() {
    let effects = play(calm(), async |stage| {
        stage.slow(&[N1], 500, 0).await;
        let since = stage.us();
        (0..1000).for_each(|_| stage.send(1, "one of many"));
        stage.pass(600).await;
        let seen = stage.seen.take();
        assert_eq!(seen.len(), 1000);
        assert!(seen.iter().all(|(_, _, at)| (at - since) / 1000 == 501));
        stage.effects().await
    });
    assert_eq!(effects, [1000]);
}

#[test]
fn a_late_message_that_nobody_gets_is_no_effect() {
    let effects = play(calm(), async |stage| {
        stage.slow(&[N1], 50, 0).await;
        stage.send(1, "runs into a cut");
        let cut = vec![(N1, N2)];
        stage.inject(Fault::Partition { shape: "script".into(), cuts: cut }).await;
        stage.pass(100).await;
        stage.inject(Fault::HealNetwork).await;
        stage.send(1, "finds nobody");
        stage.inject(Fault::Kill(N2)).await;
        stage.pass(100).await;
        assert!(stage.seen.borrow().is_empty());
        stage.effects().await
    });
    assert_eq!(effects, [0, 1, 0, 1], "the cut and the kill acted, the slowness did not");
}

#[test]
fn a_slowness_of_a_node_that_is_not_there_is_refused() {
    let effects = play(calm(), async |stage| {
        let nodes = vec![N1, cluster::NodeId(9)];
        let refused = stage.cluster.inject(&Fault::Slow { nodes, delay_ms: 9, jitter_ms: 0 }).await;
        let sentence = refused.expect_err("there is no n9").to_string();
        assert_eq!(sentence, "node n9 is not in this cluster (n1..n2)");
        let since = stage.us();
        stage.send(1, "in time");
        stage.pass(100).await;
        assert_eq!(stage.took(2, "in time", since), Some(1));
        stage.effects().await
    });
    assert_eq!(effects, [0]);
}
