//! Each node's numbers: where the gaps are.

use super::Observed;
use harness::fault::Fault;
use harness::run::Run;
use sim::clock::WALL_START_MS;
use std::time::Duration;

/// A node's samples of one metric: seconds of the run and value.
fn samples(node: u16, name: &str) -> Vec<(f64, f64)> {
    let text = Observed::get().text(&format!("n{node}/metrics.om"));
    let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let sample = |line: &str| {
        let words: Vec<&str> = line.rsplitn(3, ' ').collect();
        let number = |word: &str| word.parse::<f64>().expect("a number");
        (number(words[0]) - WALL_START_MS as f64 / 1e3, number(words[1]))
    };
    lines.map(sample).collect()
}

/// While a node could not answer: from its kill or stop to its undoing.
fn gone(run: &Run, node: u16) -> Vec<(Duration, Duration)> {
    let mut gone = Vec::new();
    let mut since = None;
    for injection in &run.injections {
        match injection.fault {
            Fault::Kill(of) | Fault::Pause(of) if of.0 == node => {
                since = since.or(injection.done);
            }
            Fault::Restart(of) | Fault::Resume(of) if of.0 == node => {
                gone.extend(since.take().map(|from| (from, injection.time)));
            }
            _ => {}
        }
    }
    gone
}

/// Whether a node could not answer when a second was full, so that its numbers have a gap.
pub fn has_gap(run: &Run) -> bool {
    let at = |time: Duration| (time.as_secs_f64() * 1e3) as u64;
    let full = |(from, to): &(Duration, Duration)| {
        (at(*from) + 20) / 1000 < at(*to).saturating_sub(50) / 1000
    };
    (1..=3).any(|node| gone(run, node).iter().any(full))
}

#[test]
fn a_node_has_a_sample_each_second_and_none_while_it_is_down() {
    let lasted = Observed::get().outcome.run.lasted().as_secs_f64();
    let mut gaps = 0;
    for node in 1..=3 {
        let (up, applied) = (samples(node, "up"), samples(node, "elastickv_raft_applied_index"));
        assert!(up.len() as f64 >= lasted.floor(), "n{node}: {} in {lasted} s", up.len());
        assert!(up.windows(2).all(|pair| pair[1].0 - pair[0].0 < 1.2), "n{node}");
        for (at, is_up) in &up {
            let has_sample = applied.iter().any(|(sampled, _)| sampled == at);
            assert_eq!(has_sample, *is_up == 1.0, "n{node} at {at}");
        }
        for (from, to) in gone(&Observed::get().outcome.run, node) {
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            // The last sample before the end is at most a second old, so a long gap has samples that say 0.
            let inside = up.iter().filter(|(at, _)| *at > from + 0.02 && *at < to - 0.02);
            for (at, is_up) in inside {
                assert_eq!(*is_up, 0.0, "n{node} at {at}, gone from {from} to {to}");
                gaps += 1;
            }
        }
    }
    assert!(gaps > 0, "the run had a node down over a full second");
}

#[test]
fn numbers_grow_as_the_run_does() {
    let leaders: f64 = (1..=3)
        .flat_map(|node| samples(node, "elastickv_raft_leader"))
        .map(|(_, leads)| leads)
        .sum();
    assert!(leaders > 0.0, "somebody led");
    for node in 1..=3 {
        let applied = samples(node, "elastickv_raft_applied_index");
        assert!(applied.last().is_some_and(|(_, index)| *index > 100.0), "n{node}");
        for name in ["sim_connections", "sim_disk_unsynced_bytes", "clock_offset_milliseconds"] {
            assert_eq!(samples(node, name).len(), applied.len(), "n{node} {name}");
        }
        let connections = samples(node, "sim_connections");
        assert!(connections.iter().any(|(_, count)| *count > 0.0), "n{node}");
        let sent = "elastickv_transport_messages_total";
        let text = Observed::get().text(&format!("n{node}/metrics.om"));
        assert!(text.contains(&format!(
            "{sent}{{node=\"n{node}\",direction=\"sent\",lane=\"heartbeat\"}}"
        )));
        assert!(text.ends_with("# EOF\n"));
    }
}
