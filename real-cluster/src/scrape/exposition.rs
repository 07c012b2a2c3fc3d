//! Many scrapes of one node as one OpenMetrics exposition: every sample with its time and a `node` label.
//!
//! The format wants the samples of a family together, in a family those of a metric (a histogram's buckets, sum and
//! count are one), and in a metric ascending times; so that is how they are put. `promtool tsdb create-blocks-from
//! openmetrics` takes it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One answer of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrape {
    /// Milliseconds since 1970, by the clock of the tool.
    pub time_ms: u64,
    /// Which start of the node, from 1.
    pub boot: u32,
    /// The exposition.
    pub text: String,
}

/// A sample's line, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Sample<'a> {
    name: &'a str,
    /// Names and values, the values as they are written between their quotes.
    labels: Vec<(&'a str, &'a str)>,
    value: &'a str,
}

#[derive(Default)]
struct Family {
    /// `# TYPE`, `# HELP`, `# UNIT`, as they came first.
    about: Vec<String>,
    /// By labels, the histogram's `le` left out.
    metrics: BTreeMap<String, String>,
}

/// All scrapes of a node as one exposition.
pub fn join(node: &str, scrapes: &[Scrape]) -> String {
    let mut families: BTreeMap<&str, Family> = BTreeMap::new();
    for scrape in scrapes {
        let mut family = "";
        for line in scrape.text.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let mut words = about.split(' ');
                if let (Some("TYPE" | "HELP" | "UNIT"), Some(name)) = (words.next(), words.next()) {
                    family = name;
                    let about = &mut families.entry(family).or_default().about;
                    if !about.iter().any(|before| before == line) {
                        about.push(line.to_owned());
                    }
                }
            } else if let Some(sample) = parse(line) {
                let metrics = &mut families.entry(family).or_default().metrics;
                let metric = metrics.entry(identity(&sample.labels)).or_default();
                write_sample(metric, node, &sample, scrape.time_ms);
            }
        }
    }
    let mut text = String::new();
    for family in families.values() {
        family.about.iter().for_each(|about| {
            text.push_str(about);
            text.push('\n');
        });
        family.metrics.values().for_each(|metric| text.push_str(metric));
    }
    text.push_str("# EOF\n");
    text
}

/// A counter with one label, by the label's value: the last value of each boot, summed over boots.
pub fn sum(scrapes: &[Scrape], name: &str, label: &str) -> BTreeMap<String, u64> {
    let mut last: BTreeMap<(String, u32), u64> = BTreeMap::new();
    for scrape in scrapes {
        for sample in scrape.text.lines().filter_map(parse).filter(|sample| sample.name == name) {
            let labelled = sample.labels.iter().find(|(name, _)| *name == label);
            if let (Some((_, value)), Ok(count)) = (labelled, sample.value.parse::<f64>()) {
                last.insert((unescape(value), scrape.boot), count as u64);
            }
        }
    }
    let mut sums = BTreeMap::new();
    for ((value, _), count) in last {
        *sums.entry(value).or_default() += count;
    }
    sums
}

fn parse(line: &str) -> Option<Sample<'_>> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, after) = inside.split_once("=\"")?;
            let close = closing_quote(after)?;
            labels.push((label, &after[..close]));
            inside = &after[close + 1..];
            inside = inside.strip_prefix(',').unwrap_or(inside);
        }
        rest = &inside[1..];
    }
    let value = rest.split_whitespace().next()?;
    Some(Sample { name, labels, value })
}

/// Where the value of a label ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(value: &str) -> String {
    value.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// What samples of one metric share.
fn identity(labels: &[(&str, &str)]) -> String {
    let shared = labels.iter().filter(|(name, _)| *name != "le");
    shared.map(|(name, value)| format!("{name}=\"{value}\",")).collect()
}

fn write_sample(to: &mut String, node: &str, sample: &Sample<'_>, time_ms: u64) {
    // Err: a String takes all.
    let _ = write!(to, "{}{{node=\"{node}\"", sample.name);
    for (name, value) in &sample.labels {
        let _ = write!(to, ",{name}=\"{value}\"");
    }
    let (seconds, ms) = (time_ms / 1_000, time_ms % 1_000);
    let _ = writeln!(to, "}} {} {seconds}.{ms:03}", sample.value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(time_ms: u64, boot: u32, text: &str) -> Scrape {
        Scrape { time_ms, boot, text: text.to_owned() }
    }

    #[test]
    fn families_come_once_and_a_metrics_samples_in_order_of_time() {
        let text = |reads, fast| {
            format!(
                "# HELP marks Reached.\n# TYPE marks counter\nmarks_total{{mark=\"lease read\"}} {reads}\n\
                 marks_total{{mark=\"a }} \\\" b\"}} 7\n# HELP sync Seconds.\n# TYPE sync histogram\nsync_sum 0.5\n\
                 sync_count {fast}\nsync_bucket{{le=\"0.1\"}} {fast}\nsync_bucket{{le=\"+Inf\"}} {fast}\n# EOF\n"
            )
        };
        let scrapes = [scrape(1_500, 1, &text(1, 2)), scrape(2_050, 1, &text(3, 4))];
        let expected = "# HELP marks Reached.\n# TYPE marks counter\n\
            marks_total{node=\"n1\",mark=\"a } \\\" b\"} 7 1.500\nmarks_total{node=\"n1\",mark=\"a } \\\" b\"} 7 2.050\n\
            marks_total{node=\"n1\",mark=\"lease read\"} 1 1.500\nmarks_total{node=\"n1\",mark=\"lease read\"} 3 2.050\n\
            # HELP sync Seconds.\n# TYPE sync histogram\n\
            sync_sum{node=\"n1\"} 0.5 1.500\nsync_count{node=\"n1\"} 2 1.500\n\
            sync_bucket{node=\"n1\",le=\"0.1\"} 2 1.500\nsync_bucket{node=\"n1\",le=\"+Inf\"} 2 1.500\n\
            sync_sum{node=\"n1\"} 0.5 2.050\nsync_count{node=\"n1\"} 4 2.050\n\
            sync_bucket{node=\"n1\",le=\"0.1\"} 4 2.050\nsync_bucket{node=\"n1\",le=\"+Inf\"} 4 2.050\n# EOF\n";
        assert_eq!(join("n1", &scrapes), expected);
    }

    #[test]
    fn no_scrape_at_all_is_an_empty_exposition() {
        assert_eq!(join("n1", &[]), "# EOF\n");
    }

    #[test]
    fn a_counter_is_summed_over_boots_from_the_last_scrape_of_each() {
        let mark = |n| format!("m_total{{mark=\"x\"}} {n}\nother_total{{mark=\"x\"}} 100\n");
        let scrapes = [
            scrape(1, 1, &mark(3)),
            scrape(2, 1, &mark(5)),
            scrape(3, 2, &mark(1)),
            scrape(4, 2, "m_total{mark=\"y\"} 2\n"),
        ];
        let sums = sum(&scrapes, "m_total", "mark");
        assert_eq!(sums, BTreeMap::from([("x".to_owned(), 6), ("y".to_owned(), 2)]));
    }

    #[test]
    fn what_is_no_sample_is_left_out() {
        for line in ["", "# EOF", "name", "name{a=\"b", "name{a} 1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
