//! The linearizability checker, story by story: of each kind of object a history that it accepts and a broken one that it
//! rejects, what it says of them, and what it does not decide.

mod caps;

use harness::checker::Verdict;
use harness::checker::linearizable::{FailedCas, Linearizable, Report};
use harness::interchange::{self, CallFormat, Format, Imported};
use harness::op::{Function, Object, Op};

/// Op maps a line: `0 invoke write 1` is `{:process 0, :type :invoke, :f :write, :value 1}`.
fn history(object: Object, lines: &str) -> Imported {
    let op_map = |(index, line): (usize, &str)| {
        let mut words = line.trim().splitn(4, ' ');
        let [process, kind, f, rest] = [(); 4].map(|()| words.next().unwrap_or("nil"));
        let time = index * 1_000_000;
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {rest}, :time {time}}}\n")
    };
    let edn: String = lines.trim().lines().enumerate().map(op_map).collect();
    interchange::read_calls(edn.as_bytes(), None, object).unwrap_or_else(|e| panic!("{e}\n{edn}"))
}

fn report(object: Object, lines: &str) -> Report {
    Linearizable::of(object).analyse(&history(object, lines).history)
}

/// One client alone: each call is asked and answered.
fn alone(calls: &[(&str, &str)]) -> String {
    let lines =
        calls.iter().map(|(asked, answered)| format!("0 invoke {asked}\n0 ok {answered}\n"));
    lines.collect()
}

fn text(report: &Report) -> &str {
    match &report.verdict {
        Verdict::Invalid(anomalies) => &anomalies[0].text,
        other => panic!("{other:?}"),
    }
}

fn accepts(object: Object, calls: &[(&str, &str)]) {
    assert_eq!(report(object, &alone(calls)).verdict, Verdict::Valid, "{object} {calls:?}");
}

fn rejects(object: Object, calls: &[(&str, &str)]) {
    let report = report(object, &alone(calls));
    assert!(matches!(report.verdict, Verdict::Invalid(_)), "{object} {calls:?}");
}

#[test]
fn a_register_holds_what_was_written_last() {
    let written = ("write 1", "write 1");
    for object in [Object::Register, Object::CasRegister] {
        accepts(object, &[("read", "read nil"), written, ("read", "read 1"), written]);
        rejects(object, &[written, ("read", "read nil")]);
        rejects(object, &[written, written, ("read", "read 2")]);
    }
}

#[test]
fn a_cas_writes_only_over_what_it_expects() {
    let cas = ("cas [nil 1]", "cas [nil 1]");
    accepts(Object::CasRegister, &[cas, ("cas [1 2]", "cas [1 2]"), ("read", "read 2")]);
    rejects(Object::CasRegister, &[cas, ("cas [2 3]", "cas [2 3]")]);
}

#[test]
fn a_counter_shows_the_sum() {
    let (five, three) = (("add 5", "add 5"), ("add -2", "add -2, :answer 3"));
    accepts(Object::Counter, &[("read", "read 0"), five, three, ("read", "read 3")]);
    rejects(Object::Counter, &[five, ("read", "read 4")]);
    rejects(Object::Counter, &[three]);
}

#[test]
fn a_set_shows_what_was_added_and_not_removed() {
    let (add, remove) = (("add 1", "add 1, :answer true"), ("remove 1", "remove 1"));
    let contains = |answer| ("contains 1", answer);
    accepts(Object::Set, &[add, ("read", "read #{1}"), remove, ("read", "read []")]);
    accepts(Object::Set, &[add, contains("contains 1, :answer true"), ("add 2", "add 2")]);
    rejects(Object::Set, &[add, ("read", "read [1 2]")]);
    rejects(Object::Set, &[add, ("read", "read [1 1]")]);
    rejects(Object::Set, &[add, remove, contains("contains 1, :answer true")]);
}

#[test]
fn a_queue_gives_first_what_came_first() {
    let (one, two) = (("enqueue 1", "enqueue 1"), ("enqueue 2", "enqueue 2, :answer 2"));
    let took = |answer| ("dequeue", answer);
    accepts(Object::Queue, &[took("dequeue nil"), one, two, took("dequeue 1")]);
    rejects(Object::Queue, &[one, two, took("dequeue 2")]);
    rejects(Object::Queue, &[one, took("dequeue 1"), took("dequeue 1")]);
    rejects(Object::Queue, &[one, took("dequeue nil")]);
}

#[test]
fn a_list_shows_its_order() {
    let (last, first) = (("append 1", "append 1"), ("prepend 2", "prepend 2"));
    accepts(Object::List, &[last, first, ("read", "read [2 1]"), ("dequeue", "dequeue 2")]);
    rejects(Object::List, &[last, first, ("read", "read [1 2]")]);
}

#[test]
fn a_map_holds_a_value_for_each_field() {
    let (one, two) = (("put [1 10]", "put [1 10]"), ("put [2 20]", "put [2 20], :answer true"));
    let got = |answer| ("get 1", answer);
    accepts(Object::Map, &[one, two, ("read", "read {1 10, 2 20}"), ("delete 1", "delete 1")]);
    accepts(Object::Map, &[got("get 1, :answer nil"), one, got("get 1, :answer 10")]);
    rejects(Object::Map, &[one, two, ("read", "read {1 10}")]);
    rejects(Object::Map, &[one, ("delete 1", "delete 1"), got("get 1, :answer 10")]);
    rejects(Object::Map, &[two, two]);
}

#[test]
fn a_zset_shows_members_by_their_scores() {
    let (one, two) = (("zadd [1 20]", "zadd [1 20]"), ("zadd [2 -5]", "zadd [2 -5]"));
    let up = ("zincrby [2 30]", "zincrby [2 30], :answer 25");
    let all = |answer| ("zrange", answer);
    let low = |answer| ("zrangebyscore [-9 20]", answer);
    accepts(Object::Zset, &[one, two, all("zrange [[2 -5] [1 20]]"), up]);
    accepts(Object::Zset, &[one, two, up, low("zrangebyscore [-9 20], :answer [[1 20]]")]);
    rejects(Object::Zset, &[one, two, all("zrange [[1 20] [2 -5]]")]);
    rejects(Object::Zset, &[one, two, up, low("zrangebyscore [-9 20], :answer [[2 -5] [1 20]]")]);
    rejects(Object::Zset, &[two, ("zrem 2", "zrem 2, :answer false")]);
}

#[test]
fn keys_are_objects_of_their_own() {
    let calls = [("write [1 5]", "write [1 5]"), ("read [2 nil]", "read [2 nil]")];
    accepts(Object::Register, &calls);
    let report = report(Object::Register, &alone(&[calls[0], ("read [1 nil]", "read [1 nil]")]));
    assert!(text(&report).starts_with("nonlinearizable: key 1, a register:"), "{report:?}");
}

const STALE: &str = "
    0 invoke write 1
    0 ok write 1
    1 invoke write 2
    2 invoke cas [1 3]
    1 info write :timed-out
    3 invoke read
    2 ok cas [1 3]
    3 ok read 1
    4 invoke read
    4 ok read 2
    4 invoke read
    4 ok read 1";

#[test]
fn what_fits_nowhere_is_told_with_all_that_a_person_needs() {
    let report = report(Object::CasRegister, STALE);
    let expected = "\
nonlinearizable: key 0, a cas-register: no order of these calls explains every answer
  p4 :read, asked at 0.010 s (event 10), answered 1 at 0.011 s (event 11)
It must have taken effect in that time, and it cannot have: until it was answered the cas-register could only be 2.
Of unknown outcome, so that each may have taken effect at any time since, or never:
  p1 :write 2, asked at 0.002 s (event 2), given up at 0.004 s (event 4)
One of the longest orders that explain all that was answered before:
  p0 :write 1
  p3 :read -> 1
  p2 :cas [1 3] -> true
  p1 :write 2
  p4 :read -> 2
  and leaves 2.";
    assert_eq!(text(&report), expected);
    let Verdict::Invalid(anomalies) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(anomalies[0].events, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(
        (&anomalies[0].name[..], &anomalies[0].found_by[..]),
        ("nonlinearizable", "linearizable")
    );
}

#[test]
fn two_values_at_once_are_told_by_their_stays() {
    let lines = "
        0 invoke write 1
        0 ok write 1
        0 invoke write 2
        0 ok write 2
        1 invoke read
        1 ok read 1
        1 invoke read
        1 ok read 2";
    let report = report(Object::Register, lines);
    let expected = "\
nonlinearizable: key 0, a register: two values, each written once, were there at the same time
1 was there from the end of the first of these at the latest until the beginning of the second at least:
  p0 :write 1, asked at 0.000 s (event 0), done at 0.001 s (event 1)
  p1 :read, asked at 0.004 s (event 4), answered 1 at 0.005 s (event 5)
2 was there from the end of the first of these at the latest until the beginning of the second at least:
  p0 :write 2, asked at 0.002 s (event 2), done at 0.003 s (event 3)
  p1 :read, asked at 0.006 s (event 6), answered 2 at 0.007 s (event 7)";
    assert_eq!((text(&report), report.unsearched), (expected, 1));
}

/// Key 0 of that kind is judged without a search, and this is said of it.
fn says(object: Object, lines: &str, expected: &str) {
    let report = report(object, lines);
    let expected = format!("nonlinearizable: key 0, a {object}: {expected}");
    assert_eq!((text(&report), report.unsearched), (&expected[..], 1));
}

#[test]
fn a_set_is_told_by_the_calls_that_contradict_each_other() {
    let adds = "0 invoke add 1\n0 ok add 1\n1 invoke add 2\n1 ok add 2\n";
    let after = |lines: &str| format!("{adds}{lines}");
    says(
        Object::Set,
        &after("2 invoke read\n2 ok read [1 2 3]"),
        "an element was seen that nobody can have added
  p2 :read, asked at 0.004 s (event 4), answered [1 2 3] at 0.005 s (event 5)
No add of 3 succeeded or has an unknown outcome.",
    );
    says(
        Object::Set,
        &after("2 invoke read\n2 ok read [2]"),
        "of two calls the one that must have come first was asked for after the other had ended
  p0 :add 1, asked at 0.000 s (event 0), done at 0.001 s (event 1)
  p2 :read, asked at 0.004 s (event 4), answered [2] at 0.005 s (event 5)
The second of these does not show 1.
Each element was added once and nothing is ever removed, so the second must have come before the first.",
    );
    says(
        Object::Set,
        "0 invoke add 1\n1 invoke add 2\n2 invoke read\n2 ok read [1]\n3 invoke read\n3 ok read [2]\n0 ok add 1\n1 ok add 2",
        "two reads each show an element, added once, that the other does not
  p2 :read, asked at 0.002 s (event 2), answered [1] at 0.003 s (event 3)
This one shows 1, and the other does not.
  p3 :read, asked at 0.004 s (event 4), answered [2] at 0.005 s (event 5)
This one shows 2, and the other does not.
Nothing is ever removed, so neither can have come first.",
    );
    // Element 2 was seen without 1, so its add came before that of 1, which had ended.
    says(
        Object::Set,
        "3 invoke read\n0 invoke add 1\n0 ok add 1\n1 invoke add 2\n1 ok add 2\n3 ok read [2]",
        "of two calls the one that must have come first was asked for after the other had ended
  p0 :add 1, asked at 0.001 s (event 1), done at 0.002 s (event 2)
  p1 :add 2, asked at 0.003 s (event 3), done at 0.004 s (event 4)
2 was there before 1 was:
  p3 :read, asked at 0.000 s (event 0), answered [2] at 0.005 s (event 5)
Each element was added once and nothing is ever removed, so the second must have come before the first.",
    );
}

#[test]
fn a_queue_is_told_by_what_was_overtaken_and_by_what_was_there() {
    let puts = "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke enqueue 2\n0 ok enqueue 2\n";
    let after = |lines: &str| format!("{puts}{lines}");
    says(
        Object::Queue,
        &after("1 invoke dequeue\n1 ok dequeue 2\n1 invoke dequeue\n1 ok dequeue 1"),
        "what was put in later was taken earlier, though each was put in once
1 was in the queue before anybody asked to put 2 in:
  p0 :enqueue 1, asked at 0.000 s (event 0), done at 0.001 s (event 1)
  p0 :enqueue 2, asked at 0.002 s (event 2), done at 0.003 s (event 3)
Yet 2 was taken,
  p1 :dequeue, asked at 0.004 s (event 4), answered 2 at 0.005 s (event 5)
and 1 only after that:
  p1 :dequeue, asked at 0.006 s (event 6), answered 1 at 0.007 s (event 7)",
    );
    says(
        Object::Queue,
        &after("1 invoke dequeue\n1 ok dequeue 2\n2 invoke dequeue\n2 info dequeue"),
        "what was put in later was taken earlier, though each was put in once
1 was in the queue before anybody asked to put 2 in:
  p0 :enqueue 1, asked at 0.000 s (event 0), done at 0.001 s (event 1)
  p0 :enqueue 2, asked at 0.002 s (event 2), done at 0.003 s (event 3)
Yet 2 was taken,
  p1 :dequeue, asked at 0.004 s (event 4), answered 2 at 0.005 s (event 5)
Nobody is known to have taken 1. These takes have an unknown outcome, but none that was asked for before that is left: \
         each took one at most, and others were left behind as well.
  p2 :dequeue, asked at 0.006 s (event 6), given up at 0.007 s (event 7)",
    );
    says(
        Object::Queue,
        "0 invoke enqueue 1\n0 ok enqueue 1\n1 invoke dequeue\n0 invoke enqueue 2\n0 ok enqueue 2\n2 invoke dequeue\n2 ok dequeue 1\n1 ok dequeue nil",
        "nothing was found in the queue, in which there was something all the time
  p1 :dequeue, asked at 0.002 s (event 2), answered nil at 0.007 s (event 7)
Each of these was there from the end of its put, at the latest, until the beginning of its take, at the earliest:
  p0 :enqueue 1, asked at 0.000 s (event 0), done at 0.001 s (event 1)
  p2 :dequeue, asked at 0.005 s (event 5), answered 1 at 0.006 s (event 6)
  p0 :enqueue 2, asked at 0.003 s (event 3), done at 0.004 s (event 4)
  Nobody took 2.",
    );
}

#[test]
fn a_counter_is_told_by_the_sums_that_contradict_each_other() {
    says(
        Object::Counter,
        "0 invoke add 2\n0 ok add 2, :answer 2\n1 invoke add 3\n1 ok add 3, :answer 6",
        "what was added does not make up the sums, all of which are known
  p0 :add 2, asked at 0.000 s (event 0), answered 2 at 0.001 s (event 1)
  p1 :add 3, asked at 0.002 s (event 2), answered 6 at 0.003 s (event 3)
No other sum lies between these two, and the counter only ever rises.
So it was 2 when 3 was added, which makes 5.",
    );
    says(
        Object::Counter,
        "0 invoke add 2\n0 ok add 2, :answer 2\n1 invoke read\n1 ok read 0",
        "of two calls the one that must have come first was asked for after the other had ended
  p0 :add 2, asked at 0.000 s (event 0), answered 2 at 0.001 s (event 1)
  p1 :read, asked at 0.002 s (event 2), answered 0 at 0.003 s (event 3)
The counter only ever rises: by their sums the second came before the first.",
    );
}

#[test]
fn what_unique_values_cannot_judge_is_searched() {
    let searched = |object, lines: &str| {
        let report = report(object, lines);
        assert_eq!((&report.verdict, report.unsearched), (&Verdict::Valid, 0), "{lines}");
    };
    // An add of unknown outcome makes up the sums; a length is told; what was taken is not; an element comes again.
    searched(
        Object::Counter,
        "0 invoke add 2\n0 info add 2\n1 invoke add 3\n1 ok add 3, :answer 5",
    );
    searched(
        Object::Queue,
        "0 invoke enqueue 1\n0 ok enqueue 1, :answer 1\n1 invoke dequeue\n1 ok dequeue 1",
    );
    let taken = "0 invoke enqueue 1\n0 ok enqueue 1\n1 invoke dequeue\n1 info dequeue\n2 invoke dequeue\n2 ok dequeue nil";
    searched(Object::Queue, taken);
    searched(
        Object::Set,
        "0 invoke add 1\n0 ok add 1\n0 invoke add 1\n0 ok add 1\n0 invoke read\n0 ok read [1]",
    );
}

/// Of two values the first, of unknown outcome, was taken by who does not say so: nobody sees it, and it was there.
const TAKEN_UNSEEN: &str = "\
{:type :invoke, :process 0, :f :append, :value 1}
{:type :info, :process 0, :f :append, :value 1}
{:type :invoke, :process 1, :f :append, :value 2}
{:type :ok, :process 1, :f :append, :value 2}
{:type :invoke, :process 1, :f :dequeue, :value nil}
{:type :ok, :process 1, :f :dequeue, :value 1}
{:type :invoke, :process 1, :f :read, :value nil}
{:type :ok, :process 1, :f :read, :value [2]}
";

#[test]
fn what_nobody_saw_may_have_made_way() {
    let verdict = |edn: &str| {
        let read = interchange::read_calls(edn.as_bytes(), None, Object::List);
        let mut history = read.expect("it is EDN").history;
        for event in &mut history.events {
            match &mut event.op {
                Op::Call(call) if call.function == Function::Dequeue => call.answer = None,
                _ => {}
            }
        }
        Linearizable::of(Object::List).analyse(&history).verdict
    };
    assert_eq!(verdict(TAKEN_UNSEEN), Verdict::Valid);
    let without = TAKEN_UNSEEN.split_once("{:type :invoke, :process 1").expect("it is there").1;
    let without = format!("{{:type :invoke, :process 1{without}");
    assert_ne!(verdict(&without), Verdict::Valid, "nothing else explains it");
}

#[test]
fn a_failed_cas_says_something_only_to_those_who_ask() {
    let lines = "0 invoke write 1\n0 ok write 1\n0 invoke cas [1 2]\n0 fail cas [1 2]\n0 invoke read\n0 ok read 1";
    let history = history(Object::CasRegister, lines).history;
    let of = Linearizable::of(Object::CasRegister);
    assert_eq!(of.analyse(&history).verdict, Verdict::Valid);
    let observed = Linearizable { failed_cas: FailedCas::Observed, ..of };
    let report = observed.analyse(&history);
    assert!(text(&report).contains("p0 :cas [1 2], asked at 0.002 s (event 2), refused at"));
}

fn unknown(report: &Report) -> &str {
    match &report.verdict {
        Verdict::Unknown(reasons) => &reasons[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_tested_nothing_is_unknown() {
    for object in Object::ALL {
        assert!(unknown(&report(object, "")).contains("too little was tested"));
    }
    let writes = "0 invoke write 1\n0 ok write 1\n1 invoke read nil\n1 info read nil";
    let said = report(Object::Register, writes);
    assert!(unknown(&said).contains("(1 ok, 0 failed, 1 unknown, over 1 keys)"), "{said:?}");
}

#[test]
fn what_is_no_history_of_calls_is_unknown_and_says_where() {
    let twice = report(Object::Register, "3 invoke read\n3 invoke read");
    assert!(unknown(&twice).contains("p3 invokes at event 1"), "{twice:?}");
    let bare = report(Object::Register, "3 ok read 1");
    assert!(unknown(&bare).contains("event 0 completes what p3 has not asked for"), "{bare:?}");
    let other = report(Object::Register, "3 invoke read\n3 ok write 1");
    assert!(
        unknown(&other).contains("event 1, key 0 :write 1, completes another call"),
        "{other:?}"
    );
    let as_counter = Linearizable::of(Object::Counter);
    let wrong = as_counter.analyse(&history(Object::Register, "3 invoke write 1").history);
    assert!(unknown(&wrong).contains("event 0, key 0 :write 1, is no call of a counter"));
}

#[test]
fn a_failed_cas_is_read_in_one_of_two_ways() {
    assert_eq!("dropped".parse(), Ok(FailedCas::Dropped));
    assert_eq!("observed".parse(), Ok(FailedCas::Observed));
    let wrong = "ignored".parse::<FailedCas>();
    assert!(wrong.is_err_and(|sentence| sentence.starts_with("`ignored` is not a reading")));
}

#[test]
fn calls_are_read_back_as_they_were_written() {
    let imported = history(Object::CasRegister, STALE);
    for format in [Format::Edn, Format::JsonLines] {
        let text = interchange::write(&imported, format);
        let again = interchange::read_calls(text.as_bytes(), None, Object::CasRegister);
        assert_eq!(again.as_ref(), Ok(&imported), "{text}");
    }
    let edn = interchange::write(&imported, Format::Edn);
    assert!(edn.contains(":type :invoke, :process 2, :f :cas, :value [0 [1 3]]}"), "{edn}");
    let json = interchange::write(&imported, Format::JsonLines);
    assert!(json.contains(r#""f":"read","index":7,"process":3"#), "{json}");
}

#[test]
fn a_line_that_is_no_call_is_refused_with_its_place_and_what_would_be_right() {
    let says = |text: &str, format, object, beginning: &str| {
        let error = interchange::read_calls(text.as_bytes(), format, object).unwrap_err();
        assert!(error.to_string().starts_with(beginning), "{text}: {error}");
    };
    let of = Object::CasRegister;
    let log = "INFO  jepsen.util - 4\t:invoke\t:read\tnil\n";
    says(
        &format!("{log}INFO jepsen.core - hello"),
        None,
        of,
        "line 2: `INFO jepsen.core - hello` is no line",
    );
    says(&format!("{log}INFO jepsen.util - 4 :ok :read 1 2"), None, of, "line 2: `2` stands after");
    says("WARN", Some(CallFormat::EtcdLog), of, "line 1: `WARN` is no line of such a log");
    let map = "{:type :invoke, :process 1, :f :add, :value 1}";
    says(
        map,
        None,
        of,
        "line 1, column 1: `:add` is no function of a cas-register: read, write, cas, clear",
    );
    let map = "{:type :invoke, :process 1, :f :cas, :value 1}";
    says(map, None, of, "line 1, column 1: value `1` is not two in a row");
    let mixed = "{:type :invoke, :process 1, :f :write, :value 1}\n{:type :invoke, :process 2, :f :write, :value [1 2]}";
    says(mixed, None, of, "line 2, column 1: value `2` of :write: either all values of a history");
    let untold = "{:type :ok, :process 1, :f :contains, :value 1}";
    says(untold, None, Object::Set, "line 1, column 1: an ok :contains has its answer in :answer");
}
