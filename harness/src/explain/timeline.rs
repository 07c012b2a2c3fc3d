//! The run as one page: a lane for each process, operations as bars, faults as bands behind them, anomalies to jump to.
//! It loads nothing and works from a file.
//!
//! Keys, values and error texts are arbitrary, so none of them stands in the page as it is: what it shows comes packed
//! ([`super::packed`]), deflated and in base64, and the script shows text as text. A policy in its head lets only this
//! script and this style run, by their hashes.
//!
//! Promises the same bytes for the same explanation. Cannot do without a browser that inflates (all since 2023).

use super::operations::{Operation, by_event, operations};
use super::packed::{Packed, packed};
use super::svg::{colour, escaped, svg};
use super::{Explained, Explanation, lanes, words};
use crate::checker::transactional::proof::{Cycle, Place};
use crate::report;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::time::Duration;

/// The page's script.
pub const SCRIPT: &str = include_str!("timeline.js");
/// The page's style.
pub const STYLE: &str = include_str!("timeline.css");

/// Operations of one anomaly that are marked.
const MARKED_MAX: usize = 1_000;

/// Writes the page.
pub fn write(explanation: &Explanation, to: &mut dyn Write) -> io::Result<()> {
    let operations = operations(explanation.history);
    let packed = packed(&operations);
    let about = about(explanation, &operations, &packed).to_string();
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action \
         'none'\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{BODY}",
        hash(SCRIPT),
        hash(STYLE),
        escaped(&explanation.title)
    )?;
    for (id, bytes) in [("about", about.as_bytes()), ("operations", &packed.bytes)] {
        write!(to, "<script type=\"application/octet-stream\" id=\"{id}\">")?;
        let deflated = deflated(bytes)?;
        base64(&deflated, to)?;
        to.write_all(b"</script>\n")?;
    }
    write!(to, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

const BODY: &str = "\
<header><h1 id=\"title\"></h1><span id=\"counts\"></span></header>
<nav><button id=\"previous\" title=\"p\">&#8592; previous</button><button id=\"next\" title=\"n\">next anomaly &#8594;</button>\
<button id=\"fit\" title=\"f\">all</button><label>process <input id=\"process\" placeholder=\"p4\"></label><label>key <input \
id=\"key\" placeholder=\"7\"></label><span id=\"legend\"></span><span id=\"help\">wheel zooms, drag pans, click holds, n and p go \
through the anomalies, f shows all, + and - zoom, arrows move</span></nav>
<main><div id=\"stage\"><canvas id=\"lanes\" aria-label=\"operations by process\"></canvas><canvas id=\"whole\" aria-label=\"the whole history\"></canvas></div><aside id=\"side\"><ol id=\"list\"></ol>\
<div id=\"detail\"></div></aside></main>
<div id=\"tip\" hidden></div>
<noscript>This page draws itself with a script of its own.</noscript>
";

fn deflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn hash(text: &str) -> String {
    let mut hash = Vec::new();
    let written = base64(&Sha256::digest(text.as_bytes()), &mut hash);
    written.map(|()| String::from_utf8_lossy(&hash).into_owned()).unwrap_or_default()
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8], to: &mut dyn Write) -> io::Result<()> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut line = Vec::with_capacity(4096);
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place)) as usize & 63];
            line.push(if place <= three.len() { letter } else { b'=' });
        }
        if line.len() >= 4092 {
            to.write_all(&line)?;
            line.clear();
        }
    }
    to.write_all(&line)
}

/// All but the operations.
fn about(explanation: &Explanation, operations: &[Operation], packed: &Packed) -> Value {
    let (lanes, count) = lanes::lanes(operations);
    let of_event = by_event(explanation.history, operations);
    let keys: Vec<String> = packed.keys.all.iter().map(ToString::to_string).collect();
    let band = |band: &super::Band| json!({"kind": band.kind, "fault": band.fault, "from": nanos(band.span.0), "to": nanos(band.span.1)});
    let phases = explanation.phases.iter();
    let anomalies = explanation.anomalies.iter().enumerate();
    let anomalies = anomalies.map(|(place, explained)| {
        let mut told = anomaly(explained, &of_event);
        told["at"] = json!(explanation.moments.get(&place).map(|at| nanos(*at)));
        told
    });
    json!({
        "title": explanation.title,
        "count": packed.count,
        "words": packed.words,
        "processes": packed.processes.all,
        "lanes": lanes,
        "laneCount": count,
        "nodes": packed.nodes.all,
        "errors": packed.errors.all,
        "keys": keys,
        "bands": explanation.bands.iter().map(band).collect::<Vec<_>>(),
        "phases": phases.map(|(name, at)| json!({"name": name, "at": nanos(*at)})).collect::<Vec<_>>(),
        "anomalies": anomalies.collect::<Vec<_>>(),
    })
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn anomaly(explained: &Explained, of_event: &[Option<usize>]) -> Value {
    let operation = |event: usize| of_event.get(event).copied().flatten();
    let marked = |events: &[usize]| {
        let mut marked: Vec<usize> = events.iter().filter_map(|event| operation(*event)).collect();
        marked.sort_unstable();
        marked.dedup();
        marked.truncate(MARKED_MAX);
        marked
    };
    let order = explained.order.as_ref().map(|order| {
        let placed = order.order.iter().map(|placed| {
            json!({"call": placed.call, "operations": marked(&placed.events), "states": placed.states})
        });
        json!({
            "key": order.key.to_string(),
            "isCut": order.is_cut,
            "calls": placed.collect::<Vec<_>>(),
            "left": order.left,
            "stuck": marked(&order.stuck),
            "possible": order.possible,
        })
    });
    json!({
        "name": explained.anomaly.name,
        "file": explained.name,
        "text": report::named(&explained.anomaly),
        "smaller": words::smaller(explained),
        "operations": marked(&explained.anomaly.events),
        "cycle": explained.cycle.as_ref().map(|cycle| steps(cycle, operation)),
        "order": order,
    })
}

fn steps(cycle: &Cycle, operation: impl Fn(usize) -> Option<usize>) -> Value {
    let place = |place: &Place| json!([operation(place.event), place.event, place.mop]);
    let members: Vec<Value> = cycle
        .members
        .iter()
        .map(|member| json!({"name": member.name, "operation": operation(member.event)}))
        .collect();
    let steps = cycle.steps.iter().map(|step| {
        let proofs = step.proofs.iter().map(|proof| {
            let places: Vec<Value> = proof.places.iter().map(place).collect();
            json!({"kind": proof.kind.name(), "text": proof.text, "places": places})
        });
        json!({
            "from": step.from,
            "to": step.to,
            "kind": step.kind.name(),
            "colour": colour(step.kind),
            "because": step.because,
            "proofs": proofs.collect::<Vec<_>>(),
        })
    });
    json!({"members": members, "steps": steps.collect::<Vec<_>>(), "svg": svg(cycle)})
}
