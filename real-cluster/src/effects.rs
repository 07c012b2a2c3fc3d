//! How often each injection acted, counted by whoever saw it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// For each injection, in order, how often it acted.
#[derive(Default)]
pub struct Effects(Mutex<Vec<u64>>);

impl Effects {
    /// A new injection: its number.
    pub fn open(&self) -> usize {
        let mut effects = self.lock();
        effects.push(0);
        effects.len() - 1
    }

    /// An injection acted so often more.
    pub fn acted(&self, injection: usize, times: u64) {
        self.lock()[injection] += times;
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        // Numbers stay numbers, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
