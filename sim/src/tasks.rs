//! Every task of a run, and who runs next: one thread, one list of what is ready, and the seed picks from it.
//!
//! A run is one future of madsim's, and this loop is in it. On madsim's own executor a message polled two tasks, one of which did
//! nothing but fire timers; here it polls the one that it is for. What stays madsim's is the clock, entropy and threads that
//! libraries ask the system for; its clock follows ours by the millisecond.
//!
//! Promises: which ready task is polled, and the 50 to 99 ns that a poll takes of virtual time, are drawn from the seed's
//! scheduler stream and from nothing else; what is due fires before the next poll; the tasks of a process that is ended are
//! dropped before `kill` returns, but for the one that is being polled, which is dropped when it has been.
//! Cannot see: a task that is woken from another thread.

use crate::world::World;
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The run itself, beside the tasks that have slots.
const MAIN: u32 = u32::MAX;
/// Virtual time that a poll takes: from the first on, so many different.
const POLL_NS: (u64, u64) = (50, 50);

thread_local! {
    /// What has been woken since it was last polled.
    static READY: RefCell<Vec<Ready>> = const { RefCell::new(Vec::new()) };
}

/// A task that is to be polled.
#[derive(Clone, Copy)]
struct Ready {
    slot: u32,
    life: u32,
}

/// Wakes one task. Once it is in the list, further calls say nothing new.
struct Bell {
    ready: Ready,
    rung: AtomicBool,
}

impl Bell {
    fn new(slot: u32, life: u32) -> Arc<Bell> {
        Arc::new(Bell { ready: Ready { slot, life }, rung: AtomicBool::new(false) })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            READY.with_borrow_mut(|ready| ready.push(self.ready));
        }
    }
}

/// A future with its waker.
struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// A place for a task. It has a new life with every task.
#[derive(Default)]
struct Slot {
    life: u32,
    host: u16,
    /// Taken out while it is polled.
    task: Option<Task>,
}

/// The tasks of one run.
pub(crate) struct Tasks {
    rng: RefCell<ChaCha8Rng>,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    /// By host, what was woken since its process was stopped by a signal; `None` if it goes on.
    parked: RefCell<Vec<Option<Vec<Ready>>>>,
}

impl Tasks {
    /// Of a run that begins on this thread: what another left ready is forgotten.
    pub(crate) fn new(seed: Seed, hosts: usize) -> Tasks {
        READY.with_borrow_mut(Vec::clear);
        Tasks {
            rng: RefCell::new(seed.stream(Stream::Scheduler)),
            slots: RefCell::default(),
            free: RefCell::default(),
            parked: RefCell::new((0..hosts).map(|_| None).collect()),
        }
    }

    /// A task of this host's process; it is not polled before this returns.
    pub(crate) fn spawn(&self, host: u16, future: impl Future<Output = ()> + 'static) {
        let mut slots = self.slots.borrow_mut();
        let number = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() as u32 - 1
        });
        let slot = &mut slots[number as usize];
        let bell = Bell::new(number, slot.life);
        let (future, waker) = (Box::pin(future), Waker::from(bell.clone()));
        bell.wake_by_ref();
        slot.host = host;
        slot.task = Some(Task { future, bell, waker });
    }

    /// All tasks of a host's process are gone. What their destructors do, they do of a process that is down.
    pub(crate) fn kill(&self, host: u16) {
        self.parked.borrow_mut()[usize::from(host)] = None;
        drop(self.taken(|slot| slot.host == host));
    }

    /// All tasks are gone, for the end of a run.
    pub(crate) fn clear(&self) {
        drop(self.taken(|_| true));
    }

    fn taken(&self, of: impl Fn(&Slot) -> bool) -> Vec<Task> {
        let (mut slots, mut free) = (self.slots.borrow_mut(), self.free.borrow_mut());
        let mut taken = Vec::new();
        for (number, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| of(slot)) {
            slot.life += 1;
            if let Some(task) = slot.task.take() {
                taken.push(task);
                free.push(number as u32);
            }
        }
        taken
    }

    /// Nothing of a host's process runs until [`Tasks::resume`].
    pub(crate) fn pause(&self, host: u16) {
        self.parked.borrow_mut()[usize::from(host)].get_or_insert_default();
    }

    pub(crate) fn resume(&self, host: u16) {
        let parked = self.parked.borrow_mut()[usize::from(host)].take();
        READY.with_borrow_mut(|ready| ready.extend(parked.into_iter().flatten()));
    }

    /// The next to be polled, and how long that takes.
    fn pick(&self) -> Option<(Ready, u64)> {
        READY.with_borrow_mut(|ready| {
            let count = ready.len() as u64;
            if count == 0 {
                return None;
            }
            let drawn = self.rng.borrow_mut().next_u64();
            let at = ((drawn >> 32) * count) >> 32;
            let took = POLL_NS.0 + (((drawn & 0xffff_ffff) * POLL_NS.1) >> 32);
            Some((ready.swap_remove(at as usize), took))
        })
    }

    /// Polls a task once, if there is one and its process is not stopped.
    fn poll(&self, ready: Ready) {
        let Some(mut task) = self.take(ready) else { return };
        task.bell.rung.store(false, Ordering::Relaxed);
        let done = task.future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_ready();
        // Dropped when no borrow is held any more.
        let _over = self.put_back(ready, task, done);
    }

    /// Puts a task back into its slot, unless it has ended or its process has while it ran: then its slot is free.
    fn put_back(&self, ready: Ready, task: Task, done: bool) -> Option<Task> {
        let slot = &mut self.slots.borrow_mut()[ready.slot as usize];
        if slot.life == ready.life && !done {
            slot.task = Some(task);
            return None;
        }
        slot.life = slot.life.max(ready.life + 1);
        self.free.borrow_mut().push(ready.slot);
        Some(task)
    }

    fn take(&self, ready: Ready) -> Option<Task> {
        let slot = &mut self.slots.borrow_mut()[ready.slot as usize];
        if slot.life != ready.life {
            return None;
        }
        if let Some(parked) = &mut self.parked.borrow_mut()[usize::from(slot.host)] {
            parked.push(ready);
            return None;
        }
        slot.task.take()
    }
}

/// Runs a world until `main` is done.
///
/// # Panics
/// If nothing is left that could happen before it is.
pub(crate) fn run<T>(world: &World, main: impl Future<Output = T>) -> T {
    let mut main = pin!(main);
    let bell = Bell::new(MAIN, 0);
    let waker = Waker::from(bell.clone());
    bell.wake_by_ref();
    loop {
        while let Some((ready, took)) = world.tasks.pick() {
            if ready.slot == MAIN {
                bell.rung.store(false, Ordering::Relaxed);
                if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return value;
                }
            } else {
                world.tasks.poll(ready);
            }
            world.timers.pass(took);
            world.fire_due();
        }
        world.timers.skip_to_next();
        world.fire_due();
    }
}
