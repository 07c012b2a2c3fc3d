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
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
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

    /// Asks the world something, if this boot runs in it. Cheaper than a handle on it.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&World) -> T) -> Option<T> {
        world::with(|world| world.is_alive(self.node, self.boot).then(|| ask(world))).flatten()
    }

    /// Never returns if the process was to be killed at this moment.
    pub(crate) async fn at<'m>(self, moment: impl FnOnce() -> Moment<'m>) {
        if self.ask(|world| world.is_killed_at(self.node, moment)) == Some(true) {
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
    fn catch(self, part: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        // Boxed here, once: a task's state is large, and what polls it moves.
        self.poll_caught(Box::pin(AssertUnwindSafe(part).catch_unwind()))
    }

    async fn poll_caught(
        self,
        mut part: Pin<Box<dyn Future<Output = Result<(), Box<dyn Any + Send>>>>>,
    ) {
        let fuse = world::get().map(|world| world.fuses[usize::from(self.node)].polled.clone());
        let caught = poll_fn(|cx| {
            let polled = part.as_mut().poll(cx);
            if let Some(fuse) = &fuse
                && fuse.get() != Polled::Nothing
            {
                self.ask(|world| world.polled(self.node, fuse));
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
        let read = |world: &World| world.monotonic.read(self.node, world.now());
        Duration::from_nanos(world::with(read).unwrap_or(0))
    }

    fn wall_ms(&self) -> u64 {
        let read = |world: &World| world.wall.borrow_mut().read_ms(self.node, world.now());
        self.ask(read).unwrap_or(0)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let shows = |world: &World| world.monotonic.shows(self.node, world.now());
        Sleep::of(*self, world::with(shows).unwrap_or(0), duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.ask(|world| world.tasks.spawn(self.node, self.catch(task)));
    }

    fn draw(&self, from: Draw) -> u64 {
        self.ask(|world| world.draw(self.node, from)).unwrap_or(0)
    }

    fn send(&self, to: NodeId, lane: Lane, message: Bytes) {
        self.ask(|world| {
            world.check_node(to.0);
            world.send(self.node, to.0, lane, message);
        });
    }

    fn poll_receive(&self, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)> {
        let come =
            self.ask(|world| world.take_datagram(self.node, lane, Some(cx.waker()))).flatten();
        come.map_or(Poll::Pending, Poll::Ready)
    }

    fn try_receive(&self, lane: Lane) -> Option<(NodeId, Bytes)> {
        self.ask(|world| world.take_datagram(self.node, lane, None)).flatten()
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
        self.ask(|world| world.observe(self.node, self.boot, group, &fact));
    }

    fn reached(&self, mark: &'static str) {
        self.ask(|world| world.reached(self.node, mark));
    }

    fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        self.ask(|world| world.said(self.node, level, text));
    }

    fn buggify(&self, name: &'static str) -> bool {
        self.ask(|world| world.buggify(self.node, name)) == Some(true)
    }

    fn yield_point(&self, name: &'static str) -> impl Future<Output = ()> + 'static {
        let env = *self;
        async move {
            env.at(|| Moment::Yield(name)).await;
            yield_now().await;
            match env.ask(|world| world.stall(env.node)) {
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
