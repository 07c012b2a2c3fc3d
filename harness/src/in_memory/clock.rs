//! Virtual time and the loop that moves it: when nothing can happen, the earliest sleeper wakes.

use crate::cluster::Clock;
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A clock that stands still while anything runs. Clones show the same time.
#[derive(Clone, Default)]
pub struct VirtualClock {
    timers: Rc<RefCell<Timers>>,
}

#[derive(Default)]
struct Timers {
    now: Duration,
    next: u64,
    /// By time, then in the order in which they began.
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

impl VirtualClock {
    /// Runs a future to its end, moving time whenever it waits. `None` if it waits for something other than time.
    pub fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            while woken.0.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return Some(output);
                }
            }
            let ((now, _), sleeper) = self.timers.borrow_mut().sleepers.pop_first()?;
            self.timers.borrow_mut().now = now;
            sleeper.wake();
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.timers.borrow().now
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(self.sleeper(duration))
    }
}

impl VirtualClock {
    pub(super) fn sleeper(&self, duration: Duration) -> Sleep {
        let mut timers = self.timers.borrow_mut();
        timers.next += 1;
        let key = (timers.now.saturating_add(duration), timers.next);
        Sleep { timers: Rc::clone(&self.timers), key }
    }
}

/// Ends when its time has come.
pub(super) struct Sleep {
    timers: Rc<RefCell<Timers>>,
    key: (Duration, u64),
}

impl Sleep {
    /// When.
    pub(super) fn ends(&self) -> Duration {
        self.key.0
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timers = self.timers.borrow_mut();
        if timers.now >= self.key.0 {
            return Poll::Ready(());
        }
        timers.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timers.borrow_mut().sleepers.remove(&self.key);
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
