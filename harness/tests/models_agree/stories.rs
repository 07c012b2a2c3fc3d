//! Histories of the kinds that the tests of Jepsen's checkers and of Elastickv's own suite are made of, as their files write
//! them, with the verdicts that these give, or the reason why ours is another.

use harness::checker::causal_reverse::CausalReverse;
use harness::checker::counter_bounds::CounterBounds;
use harness::checker::durability::Durability;
use harness::checker::long_fork::LongFork;
use harness::checker::monotonic::Monotonic;
use harness::checker::set_full::SetFull;
use harness::checker::total_queue::TotalQueue;
use harness::checker::unique_ids::UniqueIds;
use harness::checker::zset_safety::ZsetSafety;
use harness::checker::{Analyse, Findings};
use harness::history::History;
use harness::interchange::{self, Alphabet};
use harness::op::Object;

/// One event a line: process, type, function, value.
fn edn(lines: &str) -> String {
    let events = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let events = events.enumerate().map(|(ms, line)| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or("nil");
        let (process, kind, f) = (word(), word(), word());
        let value = word();
        format!("{{:process {process}, :type {kind}, :f {f}, :value {value}, :time {ms}000000}}\n")
    });
    events.collect()
}

fn calls(object: Object, lines: &str) -> History {
    let imported = interchange::read_calls(edn(lines).as_bytes(), None, object);
    imported.expect("it is a history").history
}

fn word(findings: &Findings) -> &'static str {
    findings.verdict().name()
}

const READ_TWICE: &str = "
    0 :invoke :add 0
    1 :invoke :read
    1 :ok :read []
    0 :ok :add 0
    1 :invoke :read
";

#[test]
fn an_element_is_stable_lost_stale_or_never_read() {
    for (end, weak, strict, number) in [
        ("1 :ok :read [0]", "valid", "valid", "stable"),
        ("1 :ok :read []", "invalid", "invalid", "lost"),
        ("1 :ok :read []\n 1 :invoke :read\n 1 :ok :read [0]", "valid", "invalid", "stale"),
        ("1 :info :read", "unknown", "unknown", "never read"),
        ("1 :ok :read [0 0]", "invalid", "invalid", "duplicated"),
    ] {
        let history = calls(Object::Set, &format!("{READ_TWICE}{end}"));
        let findings = SetFull { linearizable: true }.analyse(&history);
        assert_eq!(
            (word(&findings), findings.get(number)),
            (strict, Some(1)),
            "{end}: {findings:?}"
        );
        assert_eq!(word(&SetFull::default().analyse(&history)), weak, "{end}");
    }
    // Missed for 2 ms after it was known.
    let stale = format!(
        "{READ_TWICE}1 :ok :read []\n 1 :invoke :read\n 1 :ok :read []\n 1 :invoke :read\n 1 :ok :read [0]"
    );
    let findings = SetFull::default().analyse(&calls(Object::Set, &stale));
    assert_eq!(findings.get("stable latency ms, median"), Some(3));
}

#[test]
fn a_counter_stays_between_its_bounds() {
    for (lines, verdict) in [
        ("0 :invoke :read\n 0 :ok :read 0", "unknown"),
        ("0 :invoke :add 1\n 0 :fail :add 1\n 0 :invoke :read\n 0 :ok :read 0", "unknown"),
        ("0 :invoke :add 1\n 0 :fail :add 1\n 0 :invoke :read\n 0 :ok :read 1", "invalid"),
        (
            "0 :invoke :add 1\n 1 :invoke :read\n 1 :ok :read 0\n 1 :invoke :read\n 1 :ok :read 1",
            "valid",
        ),
        ("0 :info :add 1\n", "unknown"),
        ("0 :invoke :read\n 0 :ok :read 1", "invalid"),
        ("0 :invoke :add 1\n 0 :ok :add 1\n 0 :invoke :read\n 0 :ok :read 0", "invalid"),
        ("0 :invoke :add -2\n 0 :info :add -2\n 1 :invoke :read\n 1 :ok :read -2", "valid"),
        ("0 :invoke :add -2\n 0 :ok :add -2\n 1 :invoke :read\n 1 :ok :read 0", "invalid"),
    ] {
        let history = calls(Object::Counter, lines);
        assert_eq!(word(&CounterBounds.analyse(&history)), verdict, "{lines}");
    }
}

#[test]
fn one_process_may_see_less_than_another_did_but_not_than_itself() {
    let lines = "0 :invoke :read\n 0 :ok :read 5\n 1 :invoke :read\n 1 :ok :read 3\n 1 :invoke :read\n 1 :ok :read ";
    for (last, all, each) in [("4", "invalid", "valid"), ("2", "invalid", "invalid")] {
        let history = calls(Object::Counter, &format!("{lines}{last}"));
        assert_eq!(word(&Monotonic::default().analyse(&history)), all);
        assert_eq!(word(&Monotonic { per_process: true }.analyse(&history)), each);
    }
    let shrinks = calls(Object::Counter, &format!("{lines}4\n 0 :invoke :add -1\n 0 :ok :add -1"));
    assert_eq!(word(&Monotonic::default().analyse(&shrinks)), "unknown");
    let still =
        calls(Object::Counter, "0 :invoke :read\n 0 :ok :read 5\n 1 :invoke :read\n 1 :ok :read 5");
    assert_eq!(word(&Monotonic::default().analyse(&still)), "unknown");
}

/// A compare-and-set of which nobody says whether it wrote is no acknowledged write.
#[test]
fn what_may_not_have_been_written_is_not_lost() {
    let cas = |answer: &str| {
        let history = format!(
            "{{:process 0, :type :invoke, :f :write, :value 1}} {{:process 0, :type :ok, :f :write, :value 1}}
             {{:process 0, :type :invoke, :f :cas, :value [1 2]}} {{:process 0, :type :ok, :f :cas, :value [1 2], :answer {answer}}}
             {{:process 1, :type :invoke, :f :read, :value nil}} {{:process 1, :type :ok, :f :read, :value 1}}"
        );
        let imported = interchange::read_calls(history.as_bytes(), None, Object::CasRegister);
        word(&Durability::default().analyse(&imported.expect("it is a history").history)).to_owned()
    };
    assert_eq!(cas("true"), "invalid");
    assert_ne!(cas(":unknown"), "invalid");
}

#[test]
fn ids_that_were_generated_twice_are_counted_once() {
    let lines = "0 :invoke :generate\n 0 :ok :generate 0\n 1 :invoke :generate\n 1 :ok :generate 1\n 2 :invoke :generate\n \
                 2 :ok :generate 0\n 3 :invoke :generate\n 3 :ok :generate 0\n 4 :invoke :generate\n 4 :info :generate";
    let findings = UniqueIds.analyse(&calls(Object::Counter, lines));
    assert_eq!(word(&findings), "invalid");
    for (name, number) in
        [("attempted", 5), ("acknowledged", 4), ("duplicated", 1), ("lowest", 0), ("highest", 1)]
    {
        assert_eq!(findings.get(name), Some(number), "{name}");
    }
}

fn queue(lines: &str) -> Findings {
    let imported = interchange::read_drained_queues(edn(lines).as_bytes(), None);
    TotalQueue.analyse(&imported.expect("it is a history").history)
}

#[test]
fn a_queue_that_is_drained_shows_what_is_lost() {
    let went_in = "1 :invoke :enqueue 1\n 2 :invoke :enqueue 2\n 2 :ok :enqueue 2\n 3 :invoke :enqueue 3\n 3 :ok :enqueue 3\n";
    for (rest, verdict, numbers) in [
        ("4 :invoke :drain\n 4 :ok :drain [2 1 3]", "valid", [0, 0, 0, 1]),
        ("4 :invoke :drain\n 4 :ok :drain [3]", "invalid", [1, 0, 0, 0]),
        ("4 :invoke :drain\n 4 :ok :drain [2 3 3 9]", "invalid", [0, 1, 1, 0]),
        // Jepsen's would call these lost: nobody looked whether they are still inside, or a drain may have taken them.
        ("4 :invoke :dequeue\n 4 :ok :dequeue 3", "unknown", [0, 0, 0, 0]),
        (
            "4 :invoke :drain\n 4 :info :drain\n 5 :invoke :drain\n 5 :ok :drain [2]",
            "unknown",
            [0, 0, 0, 0],
        ),
        (
            "4 :invoke :dequeue\n 4 :info :dequeue\n 5 :invoke :drain\n 5 :ok :drain [2]",
            "unknown",
            [0, 0, 0, 0],
        ),
        (
            "4 :invoke :dequeue\n 4 :info :dequeue\n 5 :invoke :drain\n 5 :ok :drain []",
            "invalid",
            [1, 0, 0, 0],
        ),
        // It went in while the queue was drained: it may be there still.
        (
            "4 :invoke :drain\n 5 :invoke :enqueue 7\n 5 :ok :enqueue 7\n 4 :ok :drain [2 3]",
            "unknown",
            [0, 0, 0, 0],
        ),
    ] {
        let findings = queue(&format!("{went_in}{rest}"));
        let names = ["lost", "unexpected", "duplicated", "recovered"];
        let counted = names.map(|name| findings.get(name).unwrap_or(-1));
        assert_eq!((word(&findings), counted), (verdict, numbers), "{rest}: {findings:?}");
    }
}

#[test]
fn no_write_is_visible_without_those_before_it() {
    let writes = "0 :invoke :write 1\n 0 :ok :write 1\n 0 :invoke :write 2\n 0 :ok :write 2\n 0 :invoke :read\n";
    for (seen, verdict) in [("[1 2]", "valid"), ("[2 1]", "valid"), ("[2]", "invalid")] {
        let history = calls(Object::Set, &format!("{writes}0 :ok :read {seen}"));
        assert_eq!(word(&CausalReverse.analyse(&history)), verdict, "{seen}");
    }
    // Without a write that came after another there is nothing to see.
    let first = calls(Object::Set, &format!("{writes}0 :ok :read [1]"));
    assert_eq!(word(&CausalReverse.analyse(&first)), "unknown");
}

#[test]
fn reads_of_a_group_of_three_fork() {
    let lines = "0 :invoke :write [[:w 0 1]]\n 0 :ok :write [[:w 0 1]]\n 0 :invoke :write [[:w 1 1]]\n 1 :invoke :write [[:w 2 1]]\n \
                 2 :invoke :read [[:r 0 nil] [:r 1 nil] [:r 2 nil]]\n 3 :invoke :read [[:r 2 nil] [:r 0 nil] [:r 1 nil]]\n \
                 2 :ok :read [[:r 0 1] [:r 1 1] [:r 2 nil]]\n 3 :ok :read [[:r 2 1] [:r 0 1] [:r 1 nil]]";
    let imported = interchange::read(edn(lines).as_bytes(), None, Alphabet::Registers);
    let findings = LongFork.analyse(&imported.expect("it is a history").history);
    assert_eq!((word(&findings), findings.get("groups with a fork")), ("invalid", Some(1)));
    assert_eq!((findings.get("early reads"), findings.get("late reads")), (Some(0), Some(0)));
}

#[test]
fn a_sorted_set_may_be_what_some_order_makes_it() {
    let one = "0 :invoke :zadd [1 1]\n 0 :ok :zadd [1 1]\n";
    for (rest, verdict) in [
        // A change of unknown outcome may be seen, before it is given up and after.
        (
            "1 :invoke :zincrby [1 5]\n 0 :invoke :zrange\n 0 :ok :zrange [[1 6]]\n 1 :info :zincrby [1 5]",
            "valid",
        ),
        (
            "1 :invoke :zincrby [1 5]\n 1 :info :zincrby [1 5]\n 0 :invoke :zrange\n 0 :ok :zrange [[1 6]]",
            "valid",
        ),
        (
            "1 :invoke :zincrby [1 5]\n 1 :info :zincrby [1 5]\n 0 :invoke :zrange\n 0 :ok :zrange [[1 7]]",
            "invalid",
        ),
        ("0 :invoke :zrange\n 0 :ok :zrange [[1 999]]", "invalid"),
        ("0 :invoke :zrange\n 0 :ok :zrange []", "invalid"),
        ("0 :invoke :zrange\n 0 :ok :zrange [[1 1] [7 3]]", "invalid"),
        // What failed relaxes nothing.
        ("1 :invoke :zrem 1\n 0 :invoke :zrange\n 0 :ok :zrange []\n 1 :fail :zrem 1", "invalid"),
        ("1 :invoke :zrem 1\n 0 :invoke :zrange\n 0 :ok :zrange []\n 1 :info :zrem 1", "valid"),
        // Of two that overlap either may be last, but for every reader the same.
        (
            "1 :invoke :zadd [1 5]\n 2 :invoke :zadd [1 9]\n 2 :ok :zadd [1 9]\n 1 :ok :zadd [1 5]\n 0 :invoke :zrange\n \
          0 :ok :zrange [[1 5]]",
            "valid",
        ),
        (
            "1 :invoke :zadd [1 5]\n 2 :invoke :zadd [1 9]\n 2 :ok :zadd [1 9]\n 1 :ok :zadd [1 5]\n 0 :invoke :zrange\n \
          0 :ok :zrange [[1 5]]\n 0 :invoke :zrangebyscore [6 9]\n 0 :ok :zrangebyscore [6 9]",
            "invalid",
        ),
    ] {
        // Of a range the answer stands beside its bounds.
        let text = edn(&format!("{one}{rest}")).replace(
            ":ok, :f :zrangebyscore, :value [6 9]",
            ":ok, :f :zrangebyscore, :value [6 9], :answer [[1 9]]",
        );
        let imported = interchange::read_calls(text.as_bytes(), None, Object::Zset);
        let history = imported.expect("it is a history").history;
        let findings = ZsetSafety::default().analyse(&history);
        assert_eq!(word(&findings), verdict, "{rest}: {findings:?}");
    }
}
