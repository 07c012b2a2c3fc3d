//! Databases: how one is brought up, what wraps one, the exact lines that each takes to start, and each on this machine.

#[path = "db/cycle.rs"]
mod cycle;
#[path = "db/fake.rs"]
mod fake;
#[path = "db/here.rs"]
mod here;
#[path = "db/lines.rs"]
mod lines;
#[path = "db/redis.rs"]
mod redis;
#[path = "db/watchdog.rs"]
mod watchdog;
#[path = "db/wrappers.rs"]
mod wrappers;
