//! Work on several threads, told in order.
//!
//! Numbers are handed out in order, so when one is told to be the last, every smaller one has been told and no other
//! ever is: the result is the same with any number of threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Does `work` for 0 to `count` - 1 on `jobs` threads and tells the results in order, until `tell` breaks. After a
/// result that is `last`, which `tell` should break at, nothing greater is begun.
pub fn in_order<T: Send>(
    count: u64,
    jobs: NonZeroUsize,
    work: impl Fn(u64) -> T + Sync,
    last: impl Fn(&T) -> bool + Sync,
    mut tell: impl FnMut(T) -> ControlFlow<()>,
) {
    let next = AtomicU64::new(0);
    let end = AtomicU64::new(count);
    let (done, results) = mpsc::channel();
    let worker = |done: mpsc::Sender<(u64, T)>| loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end.load(Ordering::Relaxed) {
            return;
        }
        let result = work(number);
        if last(&result) {
            end.fetch_min(number, Ordering::Relaxed);
        }
        if done.send((number, result)).is_err() {
            return;
        }
    };
    std::thread::scope(|scope| {
        let threads = count.min(jobs.get() as u64);
        for done in std::iter::repeat_n(done, threads as usize) {
            let worker = &worker;
            scope.spawn(move || worker(done));
        }
        let mut early: BTreeMap<u64, T> = BTreeMap::new();
        let mut told = 0;
        for (number, result) in results {
            early.insert(number, result);
            while let Some(result) = early.remove(&told) {
                told += 1;
                if tell(result).is_break() {
                    end.store(0, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: u64, jobs: usize, last: u64) -> Vec<u64> {
        let mut told = Vec::new();
        // Later numbers are done first: each works less than the one before it.
        let work = |number: u64| (0..(count - number) * 1000).fold(number, |a, _| a.rotate_left(1));
        let work = |number: u64| (number, std::hint::black_box(work(number)));
        let is_last = |(number, _): &(u64, u64)| *number == last;
        in_order(count, NonZeroUsize::new(jobs).unwrap(), work, is_last, |(number, _)| {
            told.push(number);
            if number == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        told
    }

    #[test]
    fn results_are_told_in_order_and_none_after_the_last_with_any_number_of_threads() {
        for jobs in [1, 2, 3, 8] {
            assert_eq!(told(50, jobs, 50), (0..50).collect::<Vec<u64>>(), "{jobs} threads");
            assert_eq!(told(50, jobs, 17), (0..=17).collect::<Vec<u64>>(), "{jobs} threads");
            assert!(told(0, jobs, 0).is_empty());
        }
    }
}
