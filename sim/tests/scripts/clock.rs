//! Clocks, timers, boots and panics: what a process is promised about time and about its own end.

use crate::stage::{self, N1, N2, Program, Setting, idle, inject, pass};
use bytes::Bytes;
use elastickv::env::{Disk, Draw, Env, Fact, GroupId, Lane, Port};
use futures_util::future::{FutureExt, LocalBoxFuture, join_all, pending};
use futures_util::select_biased;
use harness::cluster::{Cluster, NodeId};
use harness::fault::{Fault, FaultKind};
use harness::seed::Seed;
use sim::clock::WALL_START_MS;
use sim::cluster::SimCluster;
use sim::env::SimEnv;
use sim::params::WorldParams;
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn play<F, T>(program: Program, script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting { nodes: 3, ..Setting::calm(program) }, script)
}

#[test]
fn wall_clocks_start_within_fifty_milliseconds_of_true_time() {
    play(idle, async |cluster| {
        let now = cluster.env(N1).monotonic().as_millis() as i64;
        let off = |n| cluster.env(NodeId(n)).wall_ms() as i64 - WALL_START_MS as i64 - now;
        let offs = [off(1), off(2), off(3)];
        assert!(offs.iter().all(|off| off.abs() <= 51), "{offs:?}");
        assert!(offs[0] != offs[1] || offs[1] != offs[2], "{offs:?}");
    });
}

#[test]
fn a_jump_moves_the_wall_clock_of_one_node_only_and_a_reset_shows_true_time() {
    let effects = play(idle, async |cluster| {
        let (one, two) = (cluster.env(N1), cluster.env(N2));
        let before = (one.wall_ms(), two.wall_ms(), one.monotonic());
        inject(&cluster, Fault::WallJump { node: N1, by_ms: -5000 }).await;
        assert!((5000 - 1..=5000).contains(&(before.0 - one.wall_ms())));
        inject(&cluster, Fault::WallJump { node: N1, by_ms: 1000 }).await;
        assert!((4000 - 1..=4000).contains(&(before.0 - one.wall_ms())));
        assert!(two.wall_ms() - before.1 <= 1 && one.monotonic() - before.2 < MS);
        inject(&cluster, Fault::WallReset(N1)).await;
        assert_eq!(one.wall_ms(), WALL_START_MS + one.monotonic().as_millis() as u64);
        inject(&cluster, Fault::WallJump { node: N2, by_ms: 1 }).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [2, 1, 0, 0], "reads of the clock while each jump was in force");
}

#[test]
fn a_thousand_sleeps_of_a_microsecond_take_a_millisecond() {
    play(idle, async |cluster| {
        let env = cluster.env(N1);
        let began = env.monotonic();
        for _ in 0..1000 {
            env.sleep(Duration::from_micros(1)).await;
        }
        let took = (env.monotonic() - began).as_micros();
        assert!((1000..1300).contains(&took), "{took} us");
    });
}

#[test]
fn sleeps_end_by_time_and_those_of_one_time_in_the_order_in_which_they_began() {
    play(idle, async |cluster| {
        let env = cluster.env(N1);
        let order = RefCell::new(Vec::new());
        let sleep = |ms: u64| {
            let order = &order;
            let sleep = env.sleep(Duration::from_millis(ms));
            async move {
                sleep.await;
                order.borrow_mut().push(ms);
            }
        };
        join_all([30, 10, 20, 10, 40].map(sleep)).await;
        assert_eq!(*order.borrow(), [10, 10, 20, 30, 40]);
    });
}

#[test]
fn a_dropped_sleep_wakes_nobody_and_later_ones_still_come() {
    play(idle, async |cluster| {
        let env = cluster.env(N1);
        for _ in 0..100 {
            let mut long = pin!(env.sleep(1000 * MS).fuse());
            let mut short = pin!(env.sleep(MS).fuse());
            select_biased! {
                () = long => panic!("the shorter sleep ends first"),
                () = short => {}
            }
        }
        let began = env.monotonic();
        env.sleep(2000 * MS).await;
        assert_eq!((env.monotonic() - began).as_millis(), 2000);
    });
}

#[test]
fn an_old_boot_can_do_nothing_to_the_next_one() {
    play(idle, async |cluster| {
        let old = cluster.env(N1);
        let mut listener = old.listen(Port::REDIS).await.expect("nobody else listens");
        old.disk().create("f").await.unwrap();
        let mut waits: Vec<LocalBoxFuture<'static, ()>> = vec![
            old.sleep(MS).boxed_local(),
            old.receive(Lane::Normal).map(drop).boxed_local(),
            old.connect(elastickv::env::NodeId(2), Port::REDIS).map(drop).boxed_local(),
            old.yield_point("here").boxed_local(),
            async move { drop(old.disk().sync("f").await) }.boxed_local(),
            async move { drop(old.disk().len("f").await) }.boxed_local(),
            async move { drop(old.listen(Port::INTERNAL).await) }.boxed_local(),
        ];
        inject(&cluster, Fault::Kill(N1)).await;
        inject(&cluster, Fault::Restart(N1)).await;
        pass(&cluster, 1).await;
        let new = cluster.env(N1);
        assert_eq!((old.boot, new.boot), (1, 2));
        let _port = new.listen(Port::REDIS).await.expect("the old boot's listener is gone");
        let before = cluster.world().trace().events();
        old.send(elastickv::env::NodeId(2), Lane::Normal, Bytes::from_static(b"ghost"));
        old.observe(GroupId::DEFAULT, Fact::Leads { term: 1 });
        old.reached("a ghost");
        old.spawn(async { panic!("a ghost runs") });
        assert_eq!((old.draw(Draw::Election), old.wall_ms()), (0, 0));
        let accepted = async move { drop(elastickv::env::Listener::accept(&mut listener).await) };
        waits.push(accepted.boxed_local());
        for wait in &mut waits {
            let mut deadline = cluster.clock().sleep(100 * MS).fuse();
            select_biased! {
                () = wait.fuse() => panic!("a future of an old boot completed"),
                () = deadline => {}
            }
        }
        drop(waits);
        assert_eq!(cluster.world().trace().events(), before, "nothing happened");
        assert!(cluster.leaders().await.is_empty());
        assert!(new.listen(Port::REDIS).await.is_err(), "the new boot's port is still open");
        assert!(cluster.tear_down().await.findings.is_empty());
    });
}

/// Node 1 panics in a task, node 2 in its main function, node 3 goes on.
fn fragile(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        if env.boot > 1 {
            return pending().await;
        }
        match env.node {
            1 => env.spawn(async move {
                env.sleep(10 * MS).await;
                panic!("counter {} is odd", 7);
            }),
            2 => panic!("cannot start"),
            _ => {}
        }
        pending().await
    }
    .boxed_local()
}

#[test]
fn a_panic_in_a_node_is_a_finding_and_kills_it_and_the_run_goes_on() {
    let findings = play(fragile, async |cluster| {
        pass(&cluster, 200).await;
        let refused = |n: u16| cluster.connect(NodeId(n));
        for n in [1, 2] {
            let error = refused(n).await.err().expect("nobody listens on a dead node");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            inject(&cluster, Fault::Restart(NodeId(n))).await;
        }
        pass(&cluster, 200).await;
        assert_eq!((cluster.env(N1).boot, cluster.env(N2).boot), (2, 2));
        assert!(cluster.env(N1).wall_ms() > 0, "the second boot runs");
        cluster.tear_down().await.findings
    });
    let mut texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["node n1 panicked: counter 7 is odd", "node n2 panicked: cannot start"]);
    assert!(findings.iter().all(|finding| finding.name == "node-panic"));
}

/// Says that it leads, then ends well on node 2.
fn brief(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        env.observe(GroupId::DEFAULT, Fact::Leads { term: u64::from(env.node) + 10 * env.boot });
        env.spawn(pending());
        if env.node == 2 {
            env.sleep(10 * MS).await;
            return;
        }
        pending().await
    }
    .boxed_local()
}

#[test]
fn leaders_are_those_that_said_so_last_and_are_up() {
    play(brief, async |cluster| {
        pass(&cluster, 200).await;
        assert_eq!(cluster.leaders().await, [N1, NodeId(3)], "n2 has ended by itself");
        cluster.env(N1).observe(GroupId::DEFAULT, Fact::Follows { term: 99 });
        inject(&cluster, Fault::Kill(NodeId(3))).await;
        assert_eq!(cluster.leaders().await, []);
        inject(&cluster, Fault::Restart(NodeId(3))).await;
        pass(&cluster, 1).await;
        assert_eq!(cluster.leaders().await, [NodeId(3)]);
    });
}

#[test]
fn faults_say_whether_they_acted_and_repeated_ones_are_harmless() {
    let effects = play(idle, async |cluster| {
        // Who is in a group, only its program can change, also where one is to be replaced, and this one has none.
        let of_groups = [
            FaultKind::Membership,
            FaultKind::Transfer,
            FaultKind::Split,
            FaultKind::Ceiling,
            FaultKind::BitRot,
            FaultKind::Misdirect,
            FaultKind::LyingSync,
            FaultKind::StaleDisk,
        ];
        for kind in FaultKind::ALL {
            assert_eq!(cluster.supports(kind), !of_groups.contains(&kind), "{kind}");
        }
        let faults = [
            (Fault::Kill(N1), 1),
            (Fault::Kill(N1), 0),
            (Fault::PowerOff(N1), 0),
            (Fault::Pause(N1), 0),
            (Fault::Resume(N1), 0),
            (Fault::Restart(N1), 0),
            (Fault::Restart(N1), 0),
            (Fault::Pause(N1), 1),
            (Fault::Pause(N1), 0),
            (Fault::Kill(N1), 1),
            (Fault::Restart(N1), 0),
            (Fault::Resume(N1), 0),
            (Fault::PowerOff(N1), 1),
            (Fault::Restart(N1), 0),
        ];
        for (fault, _) in &faults {
            inject(&cluster, fault.clone()).await;
        }
        pass(&cluster, 1).await;
        assert_eq!(cluster.env(N1).boot, 4);
        let unknown = cluster.inject(&Fault::Kill(NodeId(9))).await.unwrap_err();
        assert_eq!(unknown.to_string(), "node n9 is not in this cluster (n1..n3)");
        let expected: Vec<u64> = faults.iter().map(|(_, effect)| *effect).chain([0]).collect();
        assert_eq!(cluster.tear_down().await.effects, expected);
        expected
    });
    assert_eq!(effects.len(), 15);
}

/// Counts its ticks.
fn ticking(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        loop {
            env.sleep(10 * MS).await;
            env.reached("tick");
        }
    }
    .boxed_local()
}

#[test]
fn a_paused_node_does_nothing_until_it_goes_on() {
    let ticks = play(ticking, async |cluster| {
        inject(&cluster, Fault::Kill(N1)).await;
        inject(&cluster, Fault::Kill(N2)).await;
        inject(&cluster, Fault::Pause(NodeId(3))).await;
        pass(&cluster, 1000).await;
        inject(&cluster, Fault::Resume(NodeId(3))).await;
        pass(&cluster, 105).await;
        cluster.tear_down().await.counters["tick"]
    });
    assert!((11..40).contains(&ticks), "{ticks} ticks, some of them before the faults");
}

/// Leads as soon as it was up for 100 ms times its number.
fn ambitious(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        env.sleep(100 * MS * u32::from(env.node)).await;
        env.observe(GroupId::DEFAULT, Fact::Leads { term: u64::from(env.node) });
        pending().await
    }
    .boxed_local()
}

#[test]
fn it_is_counted_that_all_are_down_at_once_and_that_another_leads_while_the_leader_is_paused() {
    let counted = |faults: Vec<Fault>| {
        play(ambitious, async move |cluster| {
            while cluster.leaders().await.is_empty() {
                pass(&cluster, 1).await;
            }
            for fault in faults {
                inject(&cluster, fault).await;
            }
            pass(&cluster, 500).await;
            let counters = cluster.tear_down().await.counters;
            let marks = ["all nodes down at once", "another led while the leader was paused"];
            marks.map(|mark| counters.get(mark).copied().unwrap_or(0))
        })
    };
    let [n1, n2, n3] = [1, 2, 3].map(NodeId);
    assert_eq!(counted(vec![Fault::Kill(n1), Fault::Kill(n2)]), [0, 0]);
    assert_eq!(counted(vec![Fault::Kill(n2), Fault::PowerOff(n1), Fault::Kill(n3)]), [1, 0]);
    assert_eq!(counted(vec![Fault::Pause(n1)]), [0, 2]);
    assert_eq!(counted(vec![Fault::Pause(n1), Fault::Resume(n1)]), [0, 0]);
}

#[test]
fn the_cluster_refuses_a_seed_that_its_world_was_not_made_from() {
    sim::simulate(
        Seed(1),
        WorldParams::calm(),
        1,
        || Rc::new(idle as Program),
        async |cluster| {
            let error = cluster.set_up(Seed(2)).await.unwrap_err();
            let text = "the world was made from seed 0x1, it cannot run 0x2";
            assert_eq!(error.to_string(), text);
        },
    );
}
