//! Work on several threads, told in order.
//!
//! Promises: numbers are handed out in order, so when one is told to be the last, every smaller one has been told and no
//! other ever is: the result is the same with any number of threads. Results that are waiting for a smaller one are never
//! more than [`AHEAD`], however long that one takes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// So far may a number that is begun be ahead of the next that is told.
pub const AHEAD: u64 = 512;

/// What is worked on.
#[derive(Clone)]
pub struct Numbers {
    /// From the first to the one after the last.
    pub range: Range<u64>,
    /// How many threads work.
    pub jobs: NonZeroUsize,
}

/// Who does it, and when it ends before the last number.
pub struct Hands<M, L> {
    /// Asked before a number is begun; when it says no, neither that number nor a greater one is.
    pub more: M,
    /// Whether this result is the last, which `tell` should break at: nothing greater is begun after it.
    pub last: L,
}

/// Does the work for every number, each thread with a worker of its own, and tells the results in order, until `tell`
/// breaks.
pub fn in_order<T: Send, W: FnMut(u64) -> T>(
    numbers: Numbers,
    hands: Hands<impl Fn() -> bool + Sync, impl Fn(&T) -> bool + Sync>,
    worker: impl Fn() -> W + Sync,
    mut tell: impl FnMut(T) -> ControlFlow<()>,
) {
    let Numbers { range, jobs } = numbers;
    let threads = (range.end.saturating_sub(range.start)).min(jobs.get() as u64);
    let queue = Queue::new(range.clone());
    let (done, results) = mpsc::channel();
    let work = |done: mpsc::Sender<(u64, T)>| {
        // If we panic nobody may wait for the number that we had.
        let _closing = Closing(&queue);
        let mut worker = worker();
        while let Some(number) = queue.take(&hands.more) {
            let result = worker(number);
            if (hands.last)(&result) {
                queue.end_before(number);
            }
            if done.send((number, result)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for done in std::iter::repeat_n(done, threads as usize) {
            let work = &work;
            scope.spawn(move || work(done));
        }
        let mut early: BTreeMap<u64, T> = BTreeMap::new();
        let mut next = range.start;
        for (number, result) in results {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next += 1;
                queue.told(next);
                if tell(result).is_break() {
                    queue.end_before(0);
                    return;
                }
            }
        }
    });
}

/// The numbers that are not yet begun.
struct Queue {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    next: u64,
    end: u64,
    told: u64,
}

impl Queue {
    fn new(range: Range<u64>) -> Queue {
        let state = State { next: range.start, end: range.end, told: range.start };
        Queue { state: Mutex::new(state), moved: Condvar::new() }
    }

    fn take(&self, more: impl Fn() -> bool) -> Option<u64> {
        let mut state = self.state();
        loop {
            if state.next >= state.end {
                return None;
            }
            if state.next < state.told.saturating_add(AHEAD) {
                break;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !more() {
            state.end = state.next;
            self.moved.notify_all();
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn end_before(&self, number: u64) {
        let mut state = self.state();
        state.end = state.end.min(number);
        self.moved.notify_all();
    }

    fn told(&self, next: u64) {
        self.state().told = next;
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends all when its thread panics.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end_before(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn numbers(range: Range<u64>, jobs: usize) -> Numbers {
        Numbers { range, jobs: NonZeroUsize::new(jobs).unwrap() }
    }

    fn told(range: Range<u64>, jobs: usize, last: u64) -> Vec<u64> {
        let mut told = Vec::new();
        let end = range.end;
        // Later numbers are done first: each works less than the one before it.
        let work = |number: u64| (0..(end - number) * 1000).fold(number, |a, _| a.rotate_left(1));
        let worker = || |number: u64| (number, std::hint::black_box(work(number)));
        let hands = Hands { more: || true, last: |(number, _): &(u64, u64)| *number == last };
        in_order(numbers(range, jobs), hands, worker, |(number, _)| {
            told.push(number);
            if number == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        told
    }

    #[test]
    fn results_are_told_in_order_and_none_after_the_last_with_any_number_of_threads() {
        for jobs in [1, 2, 3, 8] {
            assert_eq!(told(0..50, jobs, 50), (0..50).collect::<Vec<u64>>(), "{jobs} threads");
            assert_eq!(told(0..50, jobs, 17), (0..=17).collect::<Vec<u64>>(), "{jobs} threads");
            assert_eq!(told(30..50, jobs, 50), (30..50).collect::<Vec<u64>>(), "{jobs} threads");
            assert!(told(0..0, jobs, 0).is_empty());
        }
    }

    #[test]
    fn what_is_told_has_no_gap_when_no_more_is_begun() {
        for jobs in [1, 2, 8] {
            let left = AtomicU64::new(20);
            let take = |left: u64| left.checked_sub(1);
            let more = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
            let mut told = Vec::new();
            let hands = Hands { more, last: |_: &u64| false };
            in_order(
                numbers(0..1000, jobs),
                hands,
                || |number| number,
                |number| {
                    told.push(number);
                    ControlFlow::Continue(())
                },
            );
            assert_eq!(told, (0..20).collect::<Vec<u64>>(), "{jobs} threads");
        }
    }

    #[test]
    fn nobody_runs_further_ahead_of_a_slow_one_than_so_far() {
        let (begun, waiting) = (AtomicU64::new(0), Mutex::new(()));
        let held = waiting.lock().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let worker = || {
                    |number: u64| {
                        if number == 0 {
                            drop(waiting.lock());
                        }
                        begun.fetch_add(1, Ordering::SeqCst) + 1
                    }
                };
                let hands = Hands { more: || true, last: |_: &u64| false };
                in_order(numbers(0..AHEAD * 3, 4), hands, worker, |_| ControlFlow::Continue(()));
            });
            while begun.load(Ordering::SeqCst) < AHEAD - 1 {
                std::thread::yield_now();
            }
            // The first is not done, so all that may be begun is done.
            (0..1000).for_each(|_| std::thread::yield_now());
            assert_eq!(begun.load(Ordering::SeqCst), AHEAD - 1);
            drop(held);
        });
        assert_eq!(begun.load(Ordering::SeqCst), AHEAD * 3);
    }
}
