//! Back to the snapshot: what a script that failed has written is not written.

use super::Context;

impl Context<'_> {
    /// Forgets every write. What was read stays in the read set.
    pub fn forget_writes(&mut self) {
        self.writes.clear();
        self.stamped.clear();
        self.opened.clear();
    }
}
