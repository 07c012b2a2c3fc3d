//! What a program's clocks say while its host's clock is set: the same stories for each kind of program.

use crate::host::{Host, Look};
use std::path::Path;
use std::time::{Duration, Instant};

type Story = fn(&Path);

pub const STORIES: &[(&str, Story)] = &[
    ("all_wall_clocks_are_off_by_the_offset", all_wall_clocks_are_off_by_the_offset),
    ("a_jump_moves_the_wall_clock_and_not_monotonic_time", jump),
    ("drift_gains_until_it_is_ended", drift),
    ("a_strobe_alternates", strobe),
    ("a_clock_outlives_its_program", a_clock_outlives_its_program),
];

/// How coarse a clock is; `None` if it is no wall clock, or one that is ahead of it.
fn grain_ms(name: &str) -> Option<i64> {
    match name {
        "wall" | "thread" | "child" => Some(0),
        "day" => Some(1),
        "coarse" => Some(20),
        "seconds" | "stored" => Some(1_000),
        _ => None,
    }
}

fn assert_off_by(look: &Look, skew_ms: i64) {
    let mut seen = 0;
    for name in look.names() {
        if let Some(grain_ms) = grain_ms(name) {
            look.assert_skew(name, skew_ms, grain_ms);
            seen += 1;
        }
    }
    assert!(seen >= 2, "wall and thread at least: {:?}", look.names());
}

fn assert_monotonic(before: &Look, after: &Look) {
    let (gained, passed) = (after.value("mono") - before.value("mono"), after.since_ns(before));
    assert!(passed.contains(&gained), "monotonic time moved by {gained} ns in {passed:?}");
}

fn all_wall_clocks_are_off_by_the_offset(program: &Path) {
    let host = Host::new();
    let status = host.set(&["--offset-ms", "-86400000"]);
    assert!(!status.running && status.offset_ms == -86_400_000, "{status}");
    let mut running = host.run(&[program]);
    let look = running.look();
    assert_off_by(&look, -86_400_000);
    if look.names().contains(&"tai") {
        // Ahead of the wall clock by the leap seconds that the machine knows of: none, or 37 and those to come.
        let ahead = look.value("tai") - look.value("wall");
        assert!((0..100_000_000_000).contains(&ahead), "{ahead}");
        assert_eq!(look.value("west"), 0);
        assert_eq!(look.value("fault"), -1, "an address that is none is no place for the time");
    }
    let status = host.show();
    assert!(status.running && status.reads > 0, "{status}");
    assert_eq!(status.reads, status.skewed_reads, "{status}");
}

fn jump(program: &Path) {
    let host = Host::new();
    let mut running = host.run(&[program]);
    let at_first = running.look();
    assert_off_by(&at_first, 0);
    assert_eq!(host.show().skewed_reads, 0);
    assert_eq!(host.set(&["--jump-ms", "5000"]).offset_ms, 5_000);
    assert_off_by(&running.look(), 5_000);
    assert_eq!(host.set(&["--jump-ms", "-7000"]).offset_ms, -2_000);
    let jumped = running.look();
    assert_off_by(&jumped, -2_000);
    assert_monotonic(&at_first, &jumped);
    assert_eq!(host.set(&["--offset-ms", "250"]).offset_ms, 250);
    assert_off_by(&running.look(), 250);
    let status = host.set(&["--reset"]);
    assert!(status.running && status.offset_ms == 0, "{status}");
    let reset = running.look();
    assert_off_by(&reset, 0);
    assert_monotonic(&at_first, &reset);
}

fn drift(program: &Path) {
    let host = Host::new();
    let mut running = host.run(&[program]);
    assert_eq!(host.set(&["--drift-ppm", "100000"]).drift_ppm, 100_000);
    let first = running.look();
    let since = Instant::now();
    let mut second = running.look();
    while since.elapsed() < Duration::from_secs(1) {
        second = running.look();
    }
    let (early, late) = (first.skew_ns("wall"), second.skew_ns("wall"));
    let gained = late.start() - early.end()..=late.end() - early.start();
    let passed = second.since_ns(&first);
    let expected = passed.start() / 10..=passed.end() / 10;
    let meet = gained.start() <= expected.end() && expected.start() <= gained.end();
    assert!(meet && *gained.start() > 0, "gained {gained:?} ns, not {expected:?}");
    assert_monotonic(&first, &second);

    let ended = host.set(&["--drift-ppm", "0"]);
    assert!(ended.offset_ms >= 100, "what was gained is kept: {ended}");
    assert_eq!(host.show().offset_ms, ended.offset_ms);
    // The status is in whole milliseconds.
    let skew = running.look().skew_ns("wall");
    let told = ended.offset_ms * 1_000_000..(ended.offset_ms + 1) * 1_000_000;
    assert!(*skew.start() < told.end && told.start <= *skew.end(), "{skew:?} is not {ended}");
}

fn strobe(program: &Path) {
    let host = Host::new();
    host.set(&["--offset-ms", "10000"]);
    let mut running = host.run(&[program]);
    let status = host.set(&["--strobe-ms", "3600000,40"]);
    assert!(status.to_string().contains(" strobe=3600000,40 "), "{status}");
    let (mut turns, mut ahead) = (0, None);
    let since = Instant::now();
    while turns < 6 {
        assert!(since.elapsed() < Duration::from_secs(20), "only {turns} turns");
        let skew = running.look().skew_ns("wall");
        let is_ahead = skew.contains(&3_610_000_000_000);
        assert!(is_ahead || skew.contains(&10_000_000_000), "{skew:?}");
        turns += usize::from(ahead.is_some_and(|was| was != is_ahead));
        ahead = Some(is_ahead);
    }
    assert_eq!(host.set(&["--strobe-ms", "0,40"]).strobe, None);
    assert_off_by(&running.look(), 10_000);
}

fn a_clock_outlives_its_program(program: &Path) {
    let host = Host::new();
    let mut running = host.run(&[program]);
    running.look();
    host.set(&["--jump-ms", "90000"]);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let status = host.show();
    assert!(!status.running && status.offset_ms == 90_000 && status.reads == 0, "{status}");

    // The dead supervisor's socket is in the way of nobody.
    let mut again = host.run(&[program]);
    assert_off_by(&again.look(), 90_000);
    again.say("exit 6");
    assert_eq!(again.code(), Some(6));
    assert!(!host.set(&["--reset"]).running);
    assert_off_by(&host.run(&[program]).look(), 0);
}
