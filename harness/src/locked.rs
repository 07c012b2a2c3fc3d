//! A file that one owner has to itself.
//!
//! Promises that the lock ends with the value. A lock belongs to an open file, of which a program that is just being started
//! from another thread has a copy until it runs: to close ours alone would leave the file locked for that moment.

use std::fs::{File, TryLockError};
use std::ops::{Deref, DerefMut};

/// A locked file; unlocked when it is dropped.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// Locks a file; [`TryLockError::WouldBlock`] if somebody else has it.
    pub fn try_new(file: File) -> Result<Locked, TryLockError> {
        file.try_lock()?;
        Ok(Locked(file))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Err: then closing it has to do.
        let _ = self.0.unlock();
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}
