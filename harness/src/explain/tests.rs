use super::operations::Outcome;
use super::packed::{Packed, packed, unpacked};
use super::svg::svg;
use super::*;
use crate::checker::linearizable::Linearizable;
use crate::checker::list_append::ListAppend;
use crate::checker::rw_register::{Inference, RwRegister};
use crate::checker::transactional::proof::{Dependency, Place};
use crate::cluster::NodeId;
use crate::columns::tests::history as lists;
use crate::history::{Event, Kind, Process};
use crate::interchange::{self, Alphabet};
use crate::op::{Answer, Call, Function, Mop, Object, Op, RegisterMop};
use crate::seed::Seed;
use flate2::read::DeflateDecoder;
use roxmltree::Document;
use std::io::Read;

/// The classic: each of two transactions misses what the other appended.
const SKEW: &str = r#"
{"type":"invoke","process":0,"f":"txn","value":[["r",1,null],["append",2,1]],"time":1000000}
{"type":"invoke","process":1,"f":"txn","value":[["r",2,null],["append",1,1]],"time":2000000}
{"type":"ok","process":0,"f":"txn","value":[["r",1,[]],["append",2,1]],"time":3000000}
{"type":"ok","process":1,"f":"txn","value":[["r",2,[]],["append",1,1]],"time":4000000}
{"type":"invoke","process":2,"f":"txn","value":[["r",1,null],["r",2,null]],"time":5000000}
{"type":"ok","process":2,"f":"txn","value":[["r",1,[1]],["r",2,[1]]],"time":6000000}
"#;

const HOSTILE: &str = "</script><!--<script>alert('&amp;\u{0}\u{2028}\"]]>";

fn skew() -> History {
    interchange::read(SKEW.trim().as_bytes(), None, Alphabet::Lists).expect("it is one").history
}

fn list_append() -> Vec<Box<dyn Checker>> {
    vec![Box::new(ListAppend::default())]
}

fn explain<'h>(history: &'h History, checkers: &[Box<dyn Checker>]) -> Explanation<'h> {
    let verdict = checkers.iter().map(|checker| checker.check(history));
    let verdict = verdict.reduce(Verdict::merge).expect("there are checkers");
    Explanation::of("a title".to_owned(), history, &verdict, checkers)
}

/// Every file by its name.
fn files(explanation: &Explanation) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let written = explanation.files(|name, content| {
        let mut bytes = Vec::new();
        content(&mut bytes)?;
        files.insert(name.to_owned(), String::from_utf8(bytes).expect("it is text"));
        Ok::<(), io::Error>(())
    });
    written.expect("memory does not fail");
    files
}

#[test]
fn the_picture_of_a_write_skew_is_as_it_was() {
    let history = skew();
    let explanation = explain(&history, &list_append());
    let cycle = explanation.anomalies[0].cycle.as_ref().expect("it is one");
    assert_eq!(svg(cycle), include_str!("golden/write-skew.svg"));
    let words = &files(&explanation)["anomalies/G2-item-1.txt"];
    assert_eq!(words, include_str!("golden/write-skew.txt"));
}

/// Every cycle that comes up in random histories, with its history.
fn cycles(mut look: impl FnMut(&History, &Cycle)) {
    for seed in 0..1_500 {
        let history = lists(seed);
        for (_, cycle) in ListAppend::default().cycles(&history) {
            look(&history, &cycle);
        }
        let registers = minimal::tests::of_registers(&history);
        let inference =
            Inference { wfr_keys: true, sequential_keys: true, linearizable_keys: true };
        let checker = RwRegister { inference, ..RwRegister::default() };
        for (_, cycle) in checker.cycles(&registers) {
            look(&registers, &cycle);
        }
    }
}

/// What stands at a place: of a micro-operation its key and whether it writes.
fn at(history: &History, place: &Place) -> Option<(u64, bool)> {
    let mop = place.mop?;
    Some(match &history.events[place.event].op {
        Op::Txn(mops) => (mops[mop].key(), matches!(mops[mop], Mop::Append { .. })),
        Op::Registers(mops) => (mops[mop].key(), matches!(mops[mop], RegisterMop::Write { .. })),
        other => panic!("{other:?} is no transaction"),
    })
}

#[test]
fn every_edge_opens_up_to_places_that_show_it() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    cycles(|history, cycle| {
        for (i, pair) in cycle.steps.windows(2).enumerate() {
            let is_gap = cycle.left_out.is_some_and(|(before, _)| before == i + 1);
            assert!(is_gap || pair[0].to == pair[1].from, "each begins where the one before ended");
        }
        for step in &cycle.steps {
            *kinds.entry(step.kind.name()).or_default() += 1;
            let proven: Vec<Dependency> = step.proofs.iter().map(|proof| proof.kind).collect();
            match step.kind {
                Dependency::Rw => assert_eq!(proven, [Dependency::Wr, Dependency::Ww]),
                kind => assert_eq!(proven, [kind]),
            }
            let (from, to) = (cycle.members[step.from].event, cycle.members[step.to].event);
            let places = |proof: usize| &step.proofs[proof].places;
            match step.kind {
                Dependency::Realtime => {
                    let [ended, invoked] = places(0)[..] else { panic!("two events") };
                    assert!(ended.event == from && ended.event < invoked.event);
                    assert_eq!(history.events[invoked.event].kind, Kind::Invoke);
                    assert_eq!(history.events[invoked.event].process, history.events[to].process);
                }
                Dependency::Process => {
                    assert_eq!(history.events[from].process, history.events[to].process)
                }
                Dependency::Rw => {
                    // The read is of the first, the last write of the second, both of one key.
                    let read = places(0).iter().find(|place| {
                        place.event == from && at(history, place).is_some_and(|(_, writes)| !writes)
                    });
                    let write = places(1).iter().find(|place| {
                        place.event == to && at(history, place).is_some_and(|(_, writes)| writes)
                    });
                    let (read, write) = (read.expect("a read"), write.expect("a write"));
                    let (read, write) = (at(history, read), at(history, write));
                    assert_eq!(read.map(|(key, _)| key), write.map(|(key, _)| key));
                }
                Dependency::Ww | Dependency::Wr => {
                    let of = |event: usize, writes: bool| {
                        let mut places = places(0).iter().filter(|place| place.event == event);
                        places.any(|place| at(history, place).is_some_and(|(_, w)| w == writes))
                    };
                    assert!(of(from, true) && of(to, step.kind == Dependency::Ww), "{step:?}");
                }
            }
        }
    });
    for kind in ["ww", "wr", "rw", "realtime"] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 50), "{kinds:?}");
    }
}

#[test]
fn every_picture_is_well_formed_and_has_all_that_is_told() {
    let mut longest = 0;
    cycles(|_, cycle| {
        let picture = svg(cycle);
        let document = Document::parse(&picture).expect("it is XML");
        let count =
            |name| document.descendants().filter(|node| node.attribute(name).is_some()).count();
        assert_eq!(count("data-events"), cycle.members.len() + cycle.steps.len());
        longest = longest.max(cycle.length);
    });
    assert!(longest > 3);
}

#[test]
fn a_long_cycle_is_told_in_part_with_the_count_of_the_rest_and_hostile_words_stay_words() {
    // p0 appends to key i what p1 .. each follows: 40 transactions in a circle.
    let mut history = History::default();
    let mut push = |kind, process, mops: Vec<Mop>| {
        let time = Duration::from_millis(history.events.len() as u64);
        let process = Process::Client(process);
        history.push(Event { time, process, kind, op: Op::Txn(mops), node: None, error: None });
    };
    let count = 40;
    let asked = |i: u64| Mop::Append { key: i, value: 1 };
    let read = |i: u64, values| Mop::Read { key: (i + count - 1) % count, values };
    (0..count).for_each(|i| push(Kind::Invoke, i as u32, vec![asked(i), read(i, None)]));
    (0..count).for_each(|i| push(Kind::Ok, i as u32, vec![asked(i), read(i, Some(vec![1]))]));
    let explanation = explain(&history, &list_append());
    let mut cycle = explanation.anomalies[0].cycle.clone().expect("it is one");
    assert_eq!((cycle.length, cycle.steps.len(), cycle.left_out), (40, 12, Some((10, 28))));
    assert!(svg(&cycle).contains("… 28 steps more, 40 transactions in all …"));
    cycle.members[0].words = HOSTILE.to_owned();
    cycle.steps[0].because = HOSTILE.to_owned();
    let picture = svg(&cycle);
    let document = Document::parse(&picture).expect("it is XML");
    assert!(!picture.contains("</script>") && !picture.contains("<!--"));
    let shown = HOSTILE.replace('\u{0}', "\u{fffd}");
    let titles = document.descendants().filter(|node| node.has_tag_name("title"));
    assert_eq!(titles.filter(|title| title.text().is_some_and(|t| t.contains(&shown))).count(), 2);
}

/// What the page holds of one of its parts.
fn part(page: &str, id: &str) -> Vec<u8> {
    let begin = format!("<script type=\"application/octet-stream\" id=\"{id}\">");
    let rest = page.split(&begin).nth(1).expect("it is there");
    let text = rest.split("</script>").next().expect("it ends");
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let mut number = 0u32;
        for letter in four {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                other => panic!("{other} is no letter of base64"),
            };
            number = number << 6 | u32::from(value);
        }
        let padding = four.iter().filter(|letter| **letter == b'=').count();
        bytes.extend(&number.to_be_bytes()[1..4 - padding]);
    }
    let mut inflated = Vec::new();
    DeflateDecoder::new(&bytes[..]).read_to_end(&mut inflated).expect("it is deflated");
    inflated
}

fn hostile() -> History {
    let mut history = skew();
    history.events[3].kind = Kind::Fail;
    history.events[3].error = Some(HOSTILE.to_owned());
    history.events[1].node = Some(NodeId(3));
    history.events.truncate(5);
    history
}

#[test]
fn a_page_of_hostile_text_is_a_page_and_gives_its_operations_back() {
    let history = hostile();
    let anomaly = Anomaly {
        name: HOSTILE.to_owned(),
        found_by: "invariant:x".to_owned(),
        text: HOSTILE.to_owned(),
        events: vec![2, 4, 9_999],
    };
    let verdict = Verdict::Invalid(vec![anomaly]);
    let explanation = Explanation::of(HOSTILE.to_owned(), &history, &verdict, &list_append());
    let files = files(&explanation);
    assert!(files.keys().all(|name| !name.contains(['<', '\'', '\0'])), "{:?}", files.keys());
    let page = &files[TIMELINE];
    // Three scripts end and no more; nothing is loaded; the policy names what is there.
    assert_eq!(page.matches("</script>").count(), 3);
    assert_eq!(page.matches("<script").count(), 3);
    assert!(!page.contains("<!--"));
    let own = page.replace(timeline::SCRIPT, "").replace(timeline::STYLE, "");
    for word in ["http:", "https:", "src=", "href=", "url(", "@import", "onload", "onerror"] {
        assert!(!own.contains(word), "{word}");
    }
    for word in ["http:", "https:", "fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval("] {
        assert!(!timeline::SCRIPT.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    let about: serde_json::Value =
        serde_json::from_slice(&part(page, "about")).expect("it is JSON");
    assert_eq!(about["title"], HOSTILE);
    assert_eq!(about["errors"][0], HOSTILE);
    let operations = operations::operations(&history);
    let packed = Packed { bytes: part(page, "operations"), ..packed(&operations) };
    let unpacked = unpacked(&packed).expect("they were packed");
    assert_eq!(unpacked.len(), 3);
    assert_eq!(about["count"], 3);
    assert_eq!(unpacked[1].error.as_deref(), Some(HOSTILE));
    assert_eq!((unpacked[1].node.as_deref(), unpacked[1].outcome), (Some("n3"), Outcome::Fail));
    assert_eq!(unpacked[0].words, "[[:r 1 []] [:append 2 1]]");
    assert_eq!((unpacked[0].span, unpacked[0].keys.clone()), ((1_000_000, 3_000_000), vec![1, 2]));
    assert_eq!((unpacked[2].completed, unpacked[2].outcome), (None, Outcome::Open));
}

#[test]
fn what_is_packed_comes_back_whatever_the_history_is() {
    for seed in 0..400 {
        let mut history = lists(seed);
        if seed % 3 == 0 {
            // Clocks may go back in histories from elsewhere, and begin in 1970.
            history
                .events
                .iter_mut()
                .step_by(2)
                .for_each(|event| event.time += Duration::from_secs(1 << 30));
        }
        let operations = operations::operations(&history);
        let back = unpacked(&packed(&operations)).expect("they were packed");
        assert_eq!(back.len(), operations.len());
        for (back, operation) in back.iter().zip(&operations) {
            assert_eq!((back.first, back.completed), (operation.first, operation.completed));
            let span = (operation.span.0.as_nanos() as i128, operation.span.1.as_nanos() as i128);
            assert_eq!((back.span, back.outcome), (span, operation.outcome));
            assert_eq!(back.process, operation.process.to_string());
            assert_eq!(back.words, operations::words(operation.op));
        }
        let (lanes, count) = lanes::lanes(&operations);
        let processes = packed(&operations).processes.all;
        assert_eq!(lanes.len(), processes.len());
        for (i, a) in operations.iter().enumerate() {
            let lane = |of: &operations::Operation| {
                let name = of.process.to_string();
                lanes[processes.iter().position(|other| *other == name).expect("it is there")]
            };
            assert!(lane(a) < count);
            let others = operations[i + 1..].iter().filter(|b| b.process != a.process);
            for b in others.filter(|b| lane(b) == lane(a)) {
                assert!(a.span.1 <= b.span.0 || b.span.1 <= a.span.0, "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

fn call(
    history: &mut History,
    process: u32,
    kind: Kind,
    function: Function,
    answer: Option<Answer>,
) {
    let time = Duration::from_millis(history.events.len() as u64);
    let process = Process::Client(process);
    let op = Op::Call(Call { key: 7, function, answer });
    history.push(Event { time, process, kind, op, node: None, error: None });
}

#[test]
fn a_stale_read_is_told_with_what_the_register_held_before_and_after_each_call() {
    let mut history = History::default();
    for value in [1, 2] {
        call(&mut history, 0, Kind::Invoke, Function::Write(value), None);
        call(&mut history, 0, Kind::Ok, Function::Write(value), Some(Answer::Done));
        for _ in 0..3 {
            call(&mut history, 2, Kind::Invoke, Function::Read, None);
            call(&mut history, 2, Kind::Ok, Function::Read, Some(Answer::Value(value)));
        }
    }
    call(&mut history, 1, Kind::Invoke, Function::Read, None);
    call(&mut history, 1, Kind::Ok, Function::Read, Some(Answer::Value(1)));
    let checkers: Vec<Box<dyn Checker>> = vec![Box::new(Linearizable::of(Object::Register))];
    let explanation = explain(&history, &checkers);
    let explained = &explanation.anomalies[0];
    let minimal = explained.minimal.as_ref().expect("it is small");
    assert_eq!((minimal.operations, minimal.of, minimal.is_capped), (3, 9, false));
    let order = explained.order.as_ref().expect("there is one");
    let states: Vec<_> = order.order.iter().map(|placed| placed.states.clone()).collect();
    let pair = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
    assert_eq!(states, [pair("nil", "1"), pair("1", "2")]);
    assert_eq!((order.stuck.clone(), order.left.as_str()), (vec![16, 17], "2"));
    assert_eq!(order.order[1].events, [8, 9], "as they are counted in the whole");
    let words = &files(&explanation)["anomalies/nonlinearizable-1.txt"];
    assert!(words.contains("  :write 2   1 => 2   (events 8 and 9)"), "{words}");
    assert!(
        words.contains("3 of 9 operations still show it, in nonlinearizable-1.jsonl"),
        "{words}"
    );
    let again = "cargo sim check register nonlinearizable-1.jsonl";
    assert!(words.contains(again), "{words}");
}

#[test]
fn the_smaller_history_is_a_file_that_says_the_same_when_it_is_read() {
    let mut found = 0;
    for seed in 0..300 {
        let history = lists(seed);
        let explanation = explain(&history, &list_append());
        let files = files(&explanation);
        for explained in &explanation.anomalies {
            let text = &files[&format!("{ANOMALIES}/{}.jsonl", explained.name)];
            let read =
                interchange::read(text.as_bytes(), None, Alphabet::Lists).expect("it is one");
            let Verdict::Invalid(anomalies) = ListAppend::default().check(&read.history) else {
                panic!("seed {seed}: {} is gone", explained.name)
            };
            assert!(anomalies.iter().any(|anomaly| anomaly.name == explained.anomaly.name));
            found += 1;
        }
    }
    assert!(found > 100);
}

#[test]
fn what_was_found_inside_has_its_moment_and_is_not_made_small() {
    let mut run = Run::new("some-test", Seed(7), &[NodeId(1)], Vec::new());
    run.artifacts.findings.push(crate::cluster::Finding {
        name: "two-leaders".to_owned(),
        text: "n1 and n2 lead term 3".to_owned(),
        time: Duration::from_millis(1_500),
    });
    let options = crate::options::Options::default();
    let test = crate::catalog::find("redis-append").expect("it is there");
    let judgement = crate::judge::judge(&test, &options, &run);
    let explanation = Explanation::of_run(&run, &judgement, &(test.checkers)());
    assert_eq!(explanation.moments, BTreeMap::from([(0, Duration::from_millis(1_500))]));
    let words = &files(&explanation)["anomalies/two-leaders-1.txt"];
    assert!(words.contains("No smaller history was made: invariant:two-leaders judges no history"));
}
