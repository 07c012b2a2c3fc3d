//! A cycle as a picture: its transactions as boxes, in a circle or, if there are two, side by side; its dependencies as
//! arrows, coloured and named by their kind. What does not fit into a box or a name shows when a pointer rests on it.
//!
//! Promises the same bytes for the same cycle, well-formed XML whatever the words are, and no style but attributes: so it
//! may stand in a page of a strict policy. Every box and every arrow names its events in `data-events`.

use crate::checker::transactional::proof::{Cycle, Dependency, Proof, Step};
use std::f64::consts::PI;
use std::fmt::Write;

/// A box.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 52.0;
/// Characters that fit into it.
const FITS: usize = 46;
const MARGIN: f64 = 20.0;

/// The colour of a kind of dependency.
pub fn colour(kind: Dependency) -> &'static str {
    match kind {
        Dependency::Ww => "#b45309",
        Dependency::Wr => "#15803d",
        Dependency::Rw => "#b91c1c",
        Dependency::Process => "#6d28d9",
        Dependency::Realtime => "#1d4ed8",
    }
}

const KINDS: [Dependency; 5] =
    [Dependency::Ww, Dependency::Wr, Dependency::Rw, Dependency::Process, Dependency::Realtime];

#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

/// The picture of a cycle.
pub fn svg(cycle: &Cycle) -> String {
    let places = places(cycle);
    let right = places.iter().map(|place| place.x).fold(0.0, f64::max) + WIDTH / 2.0 + MARGIN;
    let bottom = places.iter().map(|place| place.y).fold(0.0, f64::max) + HEIGHT / 2.0 + MARGIN;
    let bottom = if places.len() <= 2 { bottom + 50.0 } else { bottom };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right:.0}\" height=\"{bottom:.0}\" viewBox=\"0 0 {right:.0} \
         {bottom:.0}\" font-family=\"monospace\" font-size=\"11\">\n<defs>\n"
    );
    for kind in KINDS {
        let _ = writeln!(
            text,
            "<marker id=\"arrow-{}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"{}\"/></marker>",
            kind.name(),
            colour(kind)
        );
    }
    let _ = writeln!(text, "</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    for (number, step) in cycle.steps.iter().enumerate() {
        arrow(&mut text, number, step, &places);
    }
    if let Some((before, count)) = cycle.left_out {
        gap(&mut text, cycle, before, count, &places);
    }
    for (member, place) in cycle.members.iter().zip(&places) {
        boxed(&mut text, &member.name, &member.words, member.event, *place);
    }
    text.push_str("</svg>\n");
    text
}

/// Where each transaction is; after them, where the rest would be.
fn places(cycle: &Cycle) -> Vec<Point> {
    let members = cycle.members.len();
    let count = members + usize::from(cycle.left_out.is_some());
    if count <= 2 {
        let y = MARGIN + 50.0 + HEIGHT / 2.0;
        let events = cycle.members.iter().map(|member| member.event);
        let earlier = |event: usize| events.clone().filter(|other| *other < event).count();
        let x = |event: usize| MARGIN + WIDTH / 2.0 + earlier(event) as f64 * (WIDTH + 140.0);
        return events.clone().map(|event| Point { x: x(event), y }).collect();
    }
    // The rest stands in the circle where its steps would be.
    let rest = cycle.left_out.map_or(members, |(before, _)| before + 1);
    let (across, down) = (150.0 + count as f64 * 44.0, 70.0 + count as f64 * 30.0);
    let at = |slot: usize| {
        let angle = slot as f64 / count as f64 * 2.0 * PI - PI / 2.0;
        let x = MARGIN + WIDTH / 2.0 + across * (1.0 + angle.cos());
        Point { x: x.round(), y: (MARGIN + HEIGHT / 2.0 + down * (1.0 + angle.sin())).round() }
    };
    let told = (0..members).map(|member| at(if member < rest { member } else { member + 1 }));
    told.chain(cycle.left_out.map(|_| at(rest))).collect()
}

fn boxed(text: &mut String, name: &str, words: &str, event: usize, place: Point) {
    let (left, top) = (place.x - WIDTH / 2.0, place.y - HEIGHT / 2.0);
    let (who, what) = words.split_once(": ").unwrap_or((words, ""));
    let _ = writeln!(
        text,
        "<g data-events=\"{event}\"><title>{} = {}</title><rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"{WIDTH:.0}\" \
         height=\"{HEIGHT:.0}\" rx=\"6\" fill=\"#f8fafc\" stroke=\"#334155\"/><text x=\"{:.0}\" y=\"{:.0}\" \
         fill=\"#0f172a\"><tspan font-weight=\"bold\">{}</tspan> {}</text><text x=\"{:.0}\" y=\"{:.0}\" \
         fill=\"#0f172a\">{}</text></g>",
        escaped(name),
        escaped(words),
        left + 10.0,
        top + 21.0,
        escaped(name),
        escaped(&fitting(who, FITS - 5)),
        left + 10.0,
        top + 40.0,
        escaped(&fitting(what, FITS - 4)),
    );
}

fn arrow(text: &mut String, number: usize, step: &Step, places: &[Point]) {
    let (Some(from), Some(to)) = (places.get(step.from), places.get(step.to)) else { return };
    let events: Vec<String> = events(&step.proofs).iter().map(ToString::to_string).collect();
    let (path, label) = curve(*from, *to, places.len());
    let (kind, colour) = (step.kind.name(), colour(step.kind));
    let _ = writeln!(
        text,
        "<g data-step=\"{number}\" data-events=\"{}\"><title>{}</title><path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" \
         stroke-width=\"2\" marker-end=\"url(#arrow-{kind})\"/><path d=\"{path}\" fill=\"none\" stroke=\"#000000\" \
         stroke-opacity=\"0\" stroke-width=\"14\"/><rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"16\" rx=\"3\" \
         fill=\"#ffffff\"/><text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" font-weight=\"bold\" \
         fill=\"{colour}\">{kind}</text></g>",
        events.join(" "),
        escaped(&evidence(step)),
        label.x - 4.0 * kind.len() as f64,
        label.y - 8.0,
        8.0 * kind.len() as f64,
        label.x,
        label.y + 4.0,
    );
}

fn events(proofs: &[Proof]) -> Vec<usize> {
    let places = proofs.iter().flat_map(|proof| &proof.places);
    let mut events: Vec<usize> = places.map(|place| place.event).collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// Why, and what that was inferred from.
pub(super) fn evidence(step: &Step) -> String {
    let mut text = format!("{}: {}", step.kind.name(), step.because);
    if step.proofs.len() > 1 {
        for proof in &step.proofs {
            let _ = write!(text, "\n  {}: {}", proof.kind.name(), proof.text);
        }
    }
    text
}

/// The way from one box to another, bent to the left so that the way back is another, and where its name stands.
fn curve(from: Point, to: Point, count: usize) -> (String, Point) {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1.0);
    let bend = if count <= 2 { 70.0 } else { 16.0 };
    let middle = Point {
        x: (from.x + to.x) / 2.0 + dy / length * bend,
        y: (from.y + to.y) / 2.0 - dx / length * bend,
    };
    let (begin, end) = (edge(from, middle), edge(to, middle));
    let path = format!(
        "M{:.0} {:.0}Q{:.0} {:.0} {:.0} {:.0}",
        begin.x, begin.y, middle.x, middle.y, end.x, end.y
    );
    let label = Point {
        x: (begin.x + 2.0 * middle.x + end.x) / 4.0,
        y: (begin.y + 2.0 * middle.y + end.y) / 4.0,
    };
    (path, label)
}

/// Where a line from the middle of a box to another point leaves the box.
fn edge(of: Point, towards: Point) -> Point {
    let (dx, dy) = (towards.x - of.x, towards.y - of.y);
    let share = |half: f64, d: f64| if d == 0.0 { f64::INFINITY } else { half / d.abs() };
    let share = share(WIDTH / 2.0, dx).min(share(HEIGHT / 2.0, dy)).min(1.0);
    Point { x: of.x + dx * share, y: of.y + dy * share }
}

fn gap(text: &mut String, cycle: &Cycle, before: usize, count: usize, places: &[Point]) {
    let Some(place) = places.last() else { return };
    let neighbours = [
        before.checked_sub(1).and_then(|step| cycle.steps.get(step)).map(|step| step.to),
        cycle.steps.get(before).map(|step| step.from),
    ];
    for neighbour in neighbours.into_iter().flatten() {
        let Some(other) = places.get(neighbour) else { continue };
        let (from, to) = (edge(*other, *place), edge(*place, *other));
        let _ = writeln!(
            text,
            "<path d=\"M{:.0} {:.0}L{:.0} {:.0}\" stroke=\"#64748b\" stroke-dasharray=\"4 4\"/>",
            from.x, from.y, to.x, to.y
        );
    }
    let _ = writeln!(
        text,
        "<g><rect x=\"{:.0}\" y=\"{:.0}\" width=\"{WIDTH:.0}\" height=\"{HEIGHT:.0}\" rx=\"6\" fill=\"#ffffff\" \
         stroke=\"#64748b\" stroke-dasharray=\"4 4\"/><text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" \
         fill=\"#64748b\">… {count} steps more, {} transactions in all …</text></g>",
        place.x - WIDTH / 2.0,
        place.y - HEIGHT / 2.0,
        place.x,
        place.y + 4.0,
        cycle.length
    );
}

fn fitting(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text as it may stand in an element or an attribute of XML or HTML. What XML has no room for becomes `\u{fffd}`.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            '\0'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}
