//! A run folder that was made elsewhere moves to its place in a store.
//!
//! Promise: no folder is replaced. Both places are on one file system: a folder is there whole or not at all.

use super::{ATTEMPTS, StoreError, Stored, io_error, load, name, too_many};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Moves a folder to `<store>/<test>/<seed>[-n]`, and returns where it is now.
pub fn adopt(store: &Path, folder: &Path) -> Result<PathBuf, StoreError> {
    let Stored { params, run, .. } = load(folder)?;
    let tests = store.join(&params.test);
    fs::create_dir_all(&tests).map_err(|error| io_error(&tests, error))?;
    for attempt in 1..=ATTEMPTS {
        let place = tests.join(name(run.seed, attempt));
        if place.exists() {
            continue;
        }
        match fs::rename(folder, &place) {
            Ok(()) => return Ok(place),
            // Somebody else was quicker; which of the two it is depends on the file system.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
                ) => {}
            Err(error) => return Err(io_error(&place, error)),
        }
    }
    Err(too_many(&tests.join(run.seed.to_string())))
}

/// The folder in the store that has the same run already: the same parameters and the same trace hash.
pub fn same_run(store: &Path, folder: &Path) -> Result<Option<PathBuf>, StoreError> {
    let ours = load(folder)?;
    let tests = store.join(&ours.params.test);
    let places = (1..=ATTEMPTS).map(|attempt| tests.join(name(ours.run.seed, attempt)));
    // One that cannot be read is not the same.
    let theirs = places.take_while(|place| place.exists()).filter_map(|place| {
        let stored = load(&place).ok()?;
        Some((place, stored))
    });
    let hash = ours.run.artifacts.trace_hash;
    let mut same = theirs.filter(|(_, theirs)| {
        theirs.params == ours.params && theirs.run.artifacts.trace_hash == hash
    });
    Ok(same.next().map(|(place, _)| place))
}
