//! `elastickv::env::Env` in the simulated world.
//!
//! A [`SimEnv`] names one boot of one node and nothing else; it looks the world up when it is used. Once that boot is over its
//! calls do nothing and its futures never complete, so whatever destructors do between kill and restart
//! cannot reach the next boot. One task at a time may wait in `receive` for a lane.

use crate::disk::SimDisk;
use crate::host::Down;
use crate::steps::{Moment, Polled};
use crate::stream::{Dial, SimListener, SimSocket, listen};
use crate::timers::Sleep;
use crate::world::{self, World};
use bytes::Bytes;
use elastickv::env::{Draw, Env, Fact, GroupId, Lane, Level, NodeId, Port};
use futures_util::FutureExt;
use std::any::Any;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// One boot of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimEnv {
    /// The node, from 1; 0 is the clients' machine.
    pub node: u16,
    /// Which start of it, from 1.
    pub boot: u64,
}

impl SimEnv {
    /// The world, if this boot runs in it.
    pub(crate) fn world(&self) -> Option<Rc<World>> {
        world::get().filter(|world| world.is_alive(self.node, self.boot))
    }

    /// Never returns if the process was to be killed at this moment.
    pub(crate) async fn at<'m>(self, moment: impl FnOnce() -> Moment<'m>) {
        if self.world().is_some_and(|world| world.is_killed_at(self.node, moment)) {
            pending().await
        }
    }

    /// The process' main function, and its end.
    pub(crate) fn run(
        self,
        main: impl Future<Output = ()> + 'static,
    ) -> impl Future<Output = ()> + 'static {
        let caught = self.catch(main);
        async move {
            caught.await;
            if let Some(world) = self.world() {
                world.stop(self.node, Down::Process);
            }
        }
    }

    /// Polls a part of the process to its end. A panic in it is a finding and kills the process.
    async fn catch(self, part: impl Future<Output = ()> + 'static) {
        let fuse = world::get().map(|world| world.fuses[usize::from(self.node)].polled.clone());
        let mut part = pin!(AssertUnwindSafe(part).catch_unwind());
        let caught = poll_fn(|cx| {
            let polled = part.as_mut().poll(cx);
            if let Some(fuse) = &fuse
                && fuse.get() != Polled::Nothing
                && let Some(world) = self.world()
            {
                world.polled(self.node, fuse);
            }
            polled
        });
        if let Err(panic) = caught.await {
            self.die(panic_text(panic.as_ref()));
        }
    }

    fn die(self, text: &str) {
        // A destructor of an old boot may panic too: it says nothing about the node.
        let Some(world) = self.world() else { return };
        world.found("node-panic", format!("node n{} panicked: {text}", self.node));
        world.stop(self.node, Down::Process);
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

impl Env for SimEnv {
    type Socket = SimSocket;
    type Listener = SimListener;
    type Disk = SimDisk;

    fn id(&self) -> NodeId {
        NodeId(self.node)
    }

    fn monotonic(&self) -> Duration {
        let read = |world: Rc<World>| world.monotonic.read(self.node, world.now());
        Duration::from_nanos(world::get().map_or(0, read))
    }

    fn wall_ms(&self) -> u64 {
        let read = |world: Rc<World>| world.wall.borrow_mut().read_ms(self.node, world.now());
        self.world().map_or(0, read)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let env = *self;
        let shows = |world: Rc<World>| world.monotonic.shows(env.node, world.now());
        let mut sleep = Sleep::after(env.node, world::get().map_or(0, shows), duration);
        poll_fn(move |cx| match env.world() {
            Some(_) => sleep.poll_unpin(cx),
            None => Poll::Pending,
        })
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if let Some(world) = self.world() {
            world.tasks.spawn(self.node, self.catch(task));
        }
    }

    fn draw(&self, from: Draw) -> u64 {
        self.world().map_or(0, |world| world.draw(self.node, from))
    }

    fn send(&self, to: NodeId, lane: Lane, message: Bytes) {
        if let Some(world) = self.world() {
            world.check_node(to.0);
            world.send(self.node, to.0, lane, message);
        }
    }

    fn receive(&self, lane: Lane) -> impl Future<Output = (NodeId, Bytes)> + 'static {
        let env = *self;
        poll_fn(move |cx| {
            let Some(world) = env.world() else { return Poll::Pending };
            let mut hosts = world.hosts.borrow_mut();
            let inbox = hosts[usize::from(env.node)].inbox(lane);
            match inbox.queue.pop_front() {
                Some((from, message)) => Poll::Ready((NodeId(from), message)),
                None => {
                    inbox.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    async fn listen(&self, port: Port) -> io::Result<SimListener> {
        match listen(*self, port.0) {
            Some(listener) => listener,
            None => pending().await,
        }
    }

    fn connect(
        &self,
        to: NodeId,
        port: Port,
    ) -> impl Future<Output = io::Result<SimSocket>> + 'static {
        if let Some(world) = self.world() {
            world.check_node(to.0);
        }
        Dial::new(*self, to.0, port.0)
    }

    fn disk(&self) -> SimDisk {
        SimDisk(*self)
    }

    fn observe(&self, group: GroupId, fact: Fact) {
        if let Some(world) = self.world() {
            world.observe(self.node, self.boot, group, &fact);
        }
    }

    fn reached(&self, mark: &'static str) {
        if let Some(world) = self.world() {
            world.reached(self.node, mark);
        }
    }

    fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        if let Some(world) = self.world() {
            world.said(self.node, level, text);
        }
    }

    fn buggify(&self, name: &'static str) -> bool {
        self.world().is_some_and(|world| world.buggify(self.node, name))
    }

    fn yield_point(&self, name: &'static str) -> impl Future<Output = ()> + 'static {
        let env = *self;
        async move {
            env.at(|| Moment::Yield(name)).await;
            yield_now().await;
            match env.world().map(|world| world.stall(env.node)) {
                None => pending().await,
                Some(None) => {}
                Some(Some(stall)) => env.sleep(stall).await,
            }
        }
    }
}

/// Lets every other task that is ready have its chance to run first.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
