//! Debian's Redis, whose allocator looks at the clock while it starts: where preloaded shims hang.

use crate::host::{Host, true_ns, wait_until};
use std::process::Command;

type Story = fn() -> Result<(), String>;

pub const STORIES: &[(&str, Story)] =
    &[("keys_expire_when_the_clock_of_redis_jumps", keys_expire_when_the_clock_of_redis_jumps)];

fn keys_expire_when_the_clock_of_redis_jumps() -> Result<(), String> {
    for program in ["redis-server", "redis-cli"] {
        let found = Command::new(program).arg("--version").output();
        found.map_err(|error| format!("{program} cannot be run: {error}"))?;
    }
    let host = Host::new();
    let words = ["redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", ""];
    let mut running = host.run(&words);
    let cli = |words: &[&str]| {
        let mut cli = Command::new("redis-cli");
        cli.current_dir(&host.folder).args(["-s", "redis.sock"]).args(words);
        String::from_utf8(cli.output().unwrap().stdout).unwrap()
    };
    wait_until("it serves", || cli(&["PING"]) == "PONG\n");
    let ahead_s = || {
        let seconds: i64 = cli(&["TIME"]).lines().next().unwrap().parse().unwrap();
        (seconds - true_ns() / 1_000_000_000 + 1) / 2 * 2
    };
    assert_eq!(ahead_s(), 0);
    assert_eq!(cli(&["SET", "key", "value", "EX", "100"]), "OK\n");
    assert_eq!(cli(&["GET", "key"]), "value\n");

    assert_eq!(host.set(&["--jump-ms", "150000"]).offset_ms, 150_000);
    assert_eq!(ahead_s(), 150);
    assert_eq!(cli(&["GET", "key"]), "\n", "it has expired");

    assert!(host.set(&["--offset-ms", "0"]).running);
    assert_eq!(ahead_s(), 0);
    assert_eq!(cli(&["SET", "key", "again", "EX", "100"]), "OK\n");
    assert_eq!(cli(&["GET", "key"]), "again\n");

    // With a clock that is off, in the child that it forks too.
    host.set(&["--jump-ms", "-3600000"]);
    assert_eq!(cli(&["BGSAVE"]), "Background saving started\n");
    wait_until("it is saved", || cli(&["INFO"]).contains("rdb_bgsave_in_progress:0"));
    assert!(cli(&["INFO"]).contains("rdb_last_bgsave_status:ok"));
    assert!(host.folder.join("dump.rdb").exists());
    cli(&["SHUTDOWN", "NOSAVE"]);
    assert_eq!(running.code(), Some(0));
    Ok(())
}
