//! How far a node's wall clock is from this machine's, from what the node tells of its own time: a gauge beside its others, so that
//! skews can be plotted beside faults.

/// What nodes call their time, and how many of it are a millisecond.
const TOLD_AS: [(&str, f64); 2] =
    [("elastickv_wall_clock_milliseconds", 1.0), ("redis_server_time_usec", 1e3)];
/// What the gauge is called.
pub const NAME: &str = "clock_offset_milliseconds";

/// The exposition with the gauge, if the node tells its time. It was asked and had answered at these times of this machine.
pub fn told(exposition: String, before_ms: u64, after_ms: u64) -> String {
    let Some(told) =
        TOLD_AS.iter().find_map(|(name, parts)| Some(value(&exposition, name)? / parts))
    else {
        return exposition;
    };
    let offset = told - f64::midpoint(before_ms as f64, after_ms as f64);
    let body = exposition.strip_suffix("# EOF\n").unwrap_or(&exposition);
    format!("{body}# TYPE {NAME} gauge\n{NAME} {offset:.0}\n# EOF\n")
}

fn value(exposition: &str, name: &str) -> Option<f64> {
    let mut lines = exposition.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_tells_its_time_has_an_offset_and_another_has_none() {
        let node = "# TYPE elastickv_wall_clock_milliseconds gauge\nelastickv_wall_clock_milliseconds 5100\n# EOF\n";
        let text = told(node.to_owned(), 1000, 1200);
        assert!(
            text.ends_with(
                "5100\n# TYPE clock_offset_milliseconds gauge\nclock_offset_milliseconds 4000\n# EOF\n"
            ),
            "{text}"
        );
        let redis = "redis_server_time_usec 900000\n# EOF\n";
        assert!(told(redis.to_owned(), 1000, 1000).contains("clock_offset_milliseconds -100\n"));
        let silent = "redis_connected_clients 3\n# EOF\n";
        assert_eq!(told(silent.to_owned(), 0, 0), silent);
    }
}
