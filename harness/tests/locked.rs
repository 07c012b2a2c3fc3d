//! That a lock ends with its value.

use harness::locked::Locked;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

#[test]
fn a_copy_elsewhere_does_not_keep_the_lock() -> io::Result<()> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("locked");
    let locked = Locked::try_new(File::create(&path)?)?;
    let copy = locked.try_clone()?;
    let second = Locked::try_new(File::create(&path)?);
    assert!(matches!(second, Err(TryLockError::WouldBlock)));
    drop(locked);
    Locked::try_new(File::create(&path)?)?;
    drop(copy);
    Ok(())
}
