//! Run folders that were made and not yet told: beside the results that will name them.
//!
//! Promises: a folder moves to its place in one step and replaces none; what was made and never told is gone when the sweep
//! is over, or when it goes on after it was killed. The folder of drafts belongs to who holds the results.

use harness::store::StoreError;
use harness::store::adopt::{adopt, same_run};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// `.drafts-<results>` in the directory of the results.
pub struct Drafts {
    folder: PathBuf,
    out: PathBuf,
}

impl Drafts {
    /// Empty, whatever an earlier process left.
    pub fn beside(results: &Path, out: &Path) -> Drafts {
        let name = results.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let drafts = Drafts { folder: out.join(format!(".drafts-{name}")), out: out.to_owned() };
        drafts.clear();
        drafts
    }

    /// Where they are made.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves a folder to its place.
    pub fn place(&self, draft: &Path) -> Result<PathBuf, StoreError> {
        adopt(&self.out, draft)
    }

    /// [`Drafts::place`], unless the same run is there: whoever was killed may have placed it before it was told.
    pub fn place_once(&self, draft: &Path) -> Result<PathBuf, StoreError> {
        match same_run(&self.out, draft)? {
            Some(there) => Ok(there),
            None => self.place(draft),
        }
    }

    fn clear(&self) {
        // There are none, or they are in nobody's way.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        self.clear();
    }
}
