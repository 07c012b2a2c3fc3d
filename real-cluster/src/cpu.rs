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

/// Time that all cores together were not idle, since the machine started; zero where the kernel does not say.
pub fn machine_busy() -> Duration {
    let all = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = all.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal; what guests take is in user already.
    let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|column| ticks.get(column));
    Duration::from_millis(busy.sum::<u64>() * MS_PER_TICK)
}

/// Linux tells user space hundredths of a second, whatever it counts by itself.
const MS_PER_TICK: u64 = 10;

fn used(who: UsageWho) -> Duration {
    let Ok(usage) = getrusage(who) else { return Duration::ZERO };
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec().max(0) as u64, value.tv_usec().max(0) as u32 * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}
