//! How far the search goes: what it says at a cap, at what exactly it hits one, and what it keeps of a long order.

use super::{history, report, unknown};
use harness::checker::linearizable::{Caps, Linearizable};
use harness::checker::{Checker, Verdict};
use harness::op::Object;

#[test]
fn a_search_that_grows_too_large_says_which_cap_it_hit_and_where() {
    let mut lines = String::new();
    for process in 0..20 {
        lines.push_str(&format!("{process} invoke add 1\n"));
    }
    for process in 0..20 {
        lines.push_str(&format!("{process} ok add 1\n"));
    }
    lines.push_str("0 invoke read\n0 ok read 20");
    let counter = Linearizable::of(Object::Counter);
    let history = history(Object::Counter, &lines).history;
    let caps = Caps { configurations: 1000, deep: 10, ..Caps::default() };
    let report = Linearizable { caps, ..counter }.analyse(&history);
    let said = unknown(&report);
    assert!(
        said.starts_with("key 0 is not decided: 1000 configurations at once is the cap, reached"),
        "{said}"
    );
    assert!(
        said.contains("configurations at call 1 of 21: p0 :add 1, asked at 0.000 s (event 0)"),
        "{said}"
    );
    let deep = "; one order at a time, 10 configurations were too many, at call 11 at the furthest";
    assert!(said.ends_with(deep), "{said}");
    let caps = Caps { visited: 1000, deep: 10, ..Caps::default() };
    let report = Linearizable { caps, ..counter }.analyse(&history);
    assert!(unknown(&report).contains("1000 configurations in all"), "{report:?}");
}

#[test]
fn a_cap_that_is_reached_exactly_is_not_hit() {
    let asked: String = (0..4).map(|process| format!("{process} invoke add 1\n")).collect();
    let answered: String = (0..4).map(|process| format!("{process} ok add 1\n")).collect();
    let history = history(Object::Counter, &(asked + &answered + "0 invoke read\n0 ok read 4"));
    let decided = |configurations, visited| {
        let caps = Caps { configurations, visited, deep: 0, narrow: 0 };
        let report =
            Linearizable { caps, ..Linearizable::of(Object::Counter) }.analyse(&history.history);
        (report.verdict == Verdict::Valid, report.undecided)
    };
    // Every choice of the four adds; then of those that are left, each time one fewer.
    let (at_once, in_all) = (16, 16 + 8 + 4 + 2);
    assert_eq!(decided(at_once, in_all), (true, 0));
    assert_eq!(decided(at_once - 1, in_all), (false, 1));
    assert_eq!(decided(at_once, in_all - 1), (false, 1));
}

#[test]
fn objects_at_which_the_search_gives_up_are_counted() {
    let lines = "0 invoke add [0 1]\n0 ok add [0 1]\n1 invoke add [1 1]\n1 ok add [1 1]\n";
    let reads = "0 invoke read [0 nil]\n0 ok read [0 1]\n1 invoke read [1 nil]\n1 ok read [1 1]";
    let caps = Caps { configurations: 0, visited: 0, deep: 0, narrow: 0 };
    let history = history(Object::Counter, &format!("{lines}{reads}")).history;
    let report = Linearizable { caps, ..Linearizable::of(Object::Counter) }.analyse(&history);
    assert_eq!(report.undecided, 2, "{report:?}");
}

#[test]
fn of_a_long_search_the_beginning_is_forgotten() {
    // A checkpoint is made every 256 events.
    for (calls, is_cut) in [(126, false), (127, false), (128, true), (200, true)] {
        let lines: String = (0..calls).map(|_| "0 invoke write 1\n0 ok write 1\n").collect();
        let history = history(Object::CasRegister, &(lines + "0 invoke read\n0 ok read 2")).history;
        let order = Linearizable::of(Object::CasRegister).order(&history).expect("it is wrong");
        assert_eq!((order.is_cut, order.order.len() == calls), (is_cut, !is_cut), "{calls}");
    }
}

#[test]
fn both_searches_tell_the_same_of_one_order() {
    for calls in [1, 31, 32, 33, 80] {
        let write = |at| format!("0 invoke write {at}\n0 ok write {at}\n");
        let lines: String = (0..calls).map(write).collect();
        // Written twice, so that there is a search.
        let lines = format!("{}{lines}0 invoke read\n0 ok read 1000", write(0));
        let history = history(Object::CasRegister, &lines).history;
        let one_at_a_time =
            Caps { narrow: 0, deep: usize::MAX, configurations: 0, visited: u64::MAX };
        let object = Linearizable::of(Object::CasRegister);
        let deep = Linearizable { caps: one_at_a_time, ..object };
        assert_eq!(deep.analyse(&history), object.analyse(&history), "{calls}");
        // The deep one keeps the end of a long order, and forgets what came before.
        let [kept, all] = [deep, object].map(|judge| judge.order(&history).expect("it is wrong"));
        assert_eq!((kept.is_cut, kept.order.len()), (calls > 31, 32.min(calls + 1)), "{calls}");
        assert!(calls > 31 || kept == all, "{calls}");
    }
}

#[test]
fn more_open_calls_than_there_are_slots_are_unknown() {
    let invoked: String = (0..65).map(|process| format!("{process} invoke add 1\n")).collect();
    let answered: String = (0..65).map(|process| format!("{process} ok add 1\n")).collect();
    let report = report(Object::Counter, &(invoked + &answered + "0 invoke read\n0 ok read 65"));
    assert!(unknown(&report).contains("more than 64 operations are open at once"), "{report:?}");
}
