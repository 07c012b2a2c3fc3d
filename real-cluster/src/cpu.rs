//! CPU time, as the kernel counts it.

use nix::sys::resource::{UsageWho, getrusage};
use std::time::Duration;

/// Of the calling thread so far.
pub fn this_thread() -> Duration {
    used(UsageWho::RUSAGE_THREAD)
}

/// Of this process so far, all threads.
pub fn this_process() -> Duration {
    used(UsageWho::RUSAGE_SELF)
}

/// Of all processes that this one started, and theirs, once they were waited for.
pub fn ended_children() -> Duration {
    used(UsageWho::RUSAGE_CHILDREN)
}

fn used(who: UsageWho) -> Duration {
    let Ok(usage) = getrusage(who) else { return Duration::ZERO };
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec().max(0) as u64, value.tv_usec().max(0) as u32 * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}
