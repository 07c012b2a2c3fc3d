//! How large the histories are that benches make.

use crate::figures::short;

/// A size, or a tenth of it where that is enough.
pub fn size(full: usize) -> usize {
    if short() { full / 10 } else { full }
}
