//! `check` and `convert`: histories from elsewhere.

use super::{refused, room, say};
use serde_json::Value;
use std::fs;

/// A cas that failed although the register held all the time what it asked for.
const FAILED_CAS: &str = "\
INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 0   :invoke :cas    [1 2]
INFO  jepsen.util - 0   :fail :cas      [1 2]
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t1
";

#[test]
fn check_judges_calls_of_objects_and_reads_logs() {
    let room = room("objects");
    fs::write(room.join("etcd.log"), FAILED_CAS).expect("the room is ours");
    let dropped = say(&room, &["check", "cas-register", "etcd.log", "--json"]);
    assert_eq!(dropped.code, 0, "{}", dropped.err);
    assert_eq!(dropped.objects()[0]["coverage"]["told"], 1);
    let observed = ["check", "cas-register", "etcd.log", "--failed-cas", "observed"];
    let words = say(&room, &observed);
    assert_eq!(words.code, 1, "{}", words.err);
    assert!(words.out.starts_with("INVALID   linearizable cas-register"), "{}", words.out);
    assert!(words.out.contains("p0 :cas [1 2], asked at"), "{}", words.out);
    let json = say(&room, &[&observed[..], &["--json"]].concat());
    let object = &json.objects()[0];
    assert_eq!((json.code, &object["anomalies"][0]["name"]), (1, &"nonlinearizable".into()));
    fs::write(room.join("empty.edn"), "").expect("the room is ours");
    assert_eq!(say(&room, &["check", "zset", "empty.edn"]).code, 2);
    fs::write(room.join("short.log"), &FAILED_CAS[..30]).expect("the room is ours");
    refused(&room, &["check", "cas-register", "short.log"], "short.log", "line 1");
}

/// Two writes of x at once; who reads the first of them reads y as the second left it.
const NO_ORDER: &str = "\
{:type :invoke, :process 0, :value [[:w :x 1]]}
{:type :invoke, :process 1, :value [[:w :x 2] [:w :y 3]]}
{:type :invoke, :process 2, :value [[:r :x nil] [:r :y nil]]}
{:type :ok, :process 0, :value [[:w :x 1]]}
{:type :ok, :process 1, :value [[:w :x 2] [:w :y 3]]}
{:type :ok, :process 2, :value [[:r :x 1] [:r :y 3]]}
";

#[test]
fn check_takes_an_order_of_transactions() {
    let room = room("order");
    let write = |name: &str, text: &str| fs::write(room.join(name), text).expect("it is ours");
    write("writes.edn", NO_ORDER);
    let check = ["check", "rw-register", "writes.edn"];
    let ordering = [&check[..], &["--transaction-order", "log.txt"]].concat();
    let ordered = |text: &str| {
        write("log.txt", text);
        say(&room, &ordering)
    };
    let alone = say(&room, &check);
    assert_eq!(alone.code, 0, "{}{}", alone.out, alone.err);
    assert_eq!(ordered("4 1\n3 2 # the reader after both\n5 3\n").code, 0);
    let skewed = ordered("3 1\n4 2\n5 3\n");
    assert_eq!(skewed.code, 1, "{}{}", skewed.out, skewed.err);
    assert!(skewed.out.contains("G-single-item: "), "{}", skewed.out);
    assert!(skewed.out.contains("transaction-order"), "{}", skewed.out);
    let void = ordered("3 1\n4 3\n5 2\n");
    assert_eq!(void.code, 0, "{}{}", void.out, void.err);
    assert!(void.out.contains("event 4 has number 3 and wrote what event 5"), "{}", void.out);
    write("log.txt", "0 1\n");
    refused(&room, &ordering, "log.txt", "event 0 is no completion");
    let nowhere = [&check[..], &["--transaction-order", "nowhere"]].concat();
    refused(&room, &nowhere, "nowhere", "No such file");
    let lists = ["check", "list-append", "writes.edn", "--transaction-order", "log.txt"];
    refused(&room, &lists, "`--transaction-order`", "rw-register");
}

/// A transfer, and two reads of which the second has lost money.
const LOST_MONEY: &str = "\
{:type :invoke, :process 0, :f :transfer, :value {:from 0, :to 1, :amount 5}}
{:type :ok, :process 0, :f :transfer, :value {:from 0, :to 1, :amount 5}}
{:type :invoke, :process 1, :f :read, :value nil}
{:type :ok, :process 1, :f :read, :value {0 45, 1 55}}
{:type :invoke, :process 1, :f :read, :value nil}
{:type :ok, :process 1, :f :read, :value {0 45, 1 50}}
";

#[test]
fn check_judges_one_property_and_says_how_much_there_was() {
    let room = room("properties");
    fs::write(room.join("bank.edn"), LOST_MONEY).expect("the room is ours");
    let words = say(&room, &["check", "bank", "bank.edn"]);
    assert_eq!(words.code, 1, "{}", words.err);
    assert!(
        words.out.starts_with("INVALID   bank   2 reads, 1 transfers, 1 wrong reads\n"),
        "{}",
        words.out
    );
    assert!(words.out.contains("wrong-total: the accounts hold 95 together, and should hold 100"));
    let json = say(&room, &["check", "bank", "bank.edn", "--total", "95", "--json"]);
    let object = &json.objects()[0];
    assert_eq!((json.code, &object["counts"]["wrong-total"]), (1, &1.into()));
    assert_eq!((&object["valid"], &object["numbers"]["reads"]), (&false.into(), &2.into()));
    assert_eq!(object["anomalies"][0]["events"], serde_json::json!([2, 3]));
    let stats = say(&room, &["check", "stats", "bank.edn", "--of", "bank"]);
    assert_eq!((stats.code, stats.err.as_str()), (0, ""), "{}", stats.out);
    fs::write(room.join("empty.edn"), "").expect("the room is ours");
    for name in
        ["set-final", "set-full", "total-queue", "unique-ids", "counter-bounds", "monotonic"]
    {
        assert_eq!(say(&room, &["check", name, "empty.edn"]).code, 2, "{name}");
    }
    for name in ["causal-reverse", "bank", "long-fork", "zset-safety", "durability", "stats"] {
        assert_eq!(say(&room, &["check", name, "empty.edn"]).code, 2, "{name}");
    }
    fs::write(room.join("n1.log"), "all is well\nn1 panicked\n").expect("the room is ours");
    let log = say(&room, &["check", "log-patterns", "n1.log", "--pattern", "panicked"]);
    assert_eq!(log.code, 1, "{}", log.err);
    assert!(
        log.out.contains("log-pattern: n1.log, line 2 has `panicked`: n1 panicked"),
        "{}",
        log.out
    );
    let other = say(&room, &["check", "log-patterns", "n1.log", "--pattern", "corrupt"]);
    assert_eq!(other.code, 0, "{}", other.out);
    refused(&room, &["check", "bank", "n1.log"], "n1.log", "line 1");
}

/// Two appends in the wrong order, seen by a third transaction.
const REORDERED: &str = "\
{:type :invoke, :process 0, :value [[:append :x 1] [:append :x 2]], :time 1}
{:type :ok, :process 0, :value [[:append :x 1] [:append :x 2]], :time 2}
{:type :invoke, :process 1, :value [[:r :x nil]], :time 3}
{:type :ok, :process 1, :value [[:r :x [2 1]]], :time 4}
";

#[test]
fn columns_are_judged_as_the_history_that_they_were_made_of() {
    let room = room("columns");
    fs::write(room.join("reordered.edn"), REORDERED).expect("the room is ours");
    let converted = say(&room, &["convert", "reordered.edn", "reordered.columns"]);
    assert_eq!(converted.code, 0, "{}", converted.err);
    assert_eq!(converted.out, "2 transactions   reordered.columns\n");
    let words = say(&room, &["check", "list-append", "reordered.edn"]);
    assert_eq!(words.code, 1, "{}", words.err);
    assert!(
        words.out.contains("reordered appends") && words.out.contains("is :x"),
        "{}",
        words.out
    );
    for jobs in ["1", "2"] {
        let columns = say(&room, &["check", "list-append", "reordered.columns", "--jobs", jobs]);
        assert_eq!((columns.code, &columns.out), (1, &words.out), "{}", columns.err);
    }
    refused(
        &room,
        &["convert", "reordered.edn", "reordered.columns"],
        "reordered.columns",
        "exists",
    );
    let whole = fs::read(room.join("reordered.columns")).expect("it was written");
    fs::write(room.join("cut.columns"), &whole[..whole.len() - 3]).expect("the room is ours");
    refused(&room, &["check", "list-append", "cut.columns"], "cut.columns", "expected");
}

#[test]
fn a_malformed_history_is_refused_with_its_place() {
    let room = room("malformed");
    let whole = "{:type :invoke, :process 0, :value [[:append 1 1]], :time 1}\n";
    let json = r#"{"type":"invoke","process":0,"value":[["append",1,1]],"time":1}"#;
    for (name, text, place) in [
        ("truncated.edn", &whole[..40], "line 1"),
        ("second_line.edn", &format!("{whole}{{:type :maybe, :process 0}}\n"), "line 2"),
        ("truncated.jsonl", &json[..30], "line 1"),
        ("second_line.jsonl", &format!("{json}\n{{\"type\":\"maybe\",\"process\":0}}\n"), "line 2"),
        ("noise.edn", "\u{0}\u{1}\u{2}", "line 1"),
        ("unasked.edn", &whole.replace(":invoke", ":ok"), "line 1, column 1: p0 completes"),
        ("busy.edn", &format!("{whole}{{:type :invoke, :process 0}}"), "asked on line 1 is open"),
        (
            "twice.edn",
            &format!("{whole}{}", whole.replace("process 0", "process 1")),
            "on line 1: an",
        ),
        ("deep.edn", &"[".repeat(100_000), "line 1"),
        ("range.edn", &whole.replace("1 1]", "1 18446744073709551616]"), "from 0 to 2^64 - 1"),
    ] {
        fs::write(room.join(name), text).expect("the room is ours");
        refused(&room, &["check", "list-append", name], name, place);
        refused(&room, &["check", "list-append", name, "--json"], name, place);
    }
    fs::write(room.join("noise.bin"), [0xff, 0xfe, 0x00, 0x80]).expect("the room is ours");
    refused(&room, &["check", "list-append", "noise.bin"], "noise.bin", "line 1");
    refused(&room, &["check", "list-append", "."], ".", "history.jsonl");
}

#[test]
fn a_history_of_another_alphabet_is_refused_with_its_place() {
    let room = room("alphabets");
    let lists = "{:type :ok, :process 0, :value [[:append 1 1]]}\n";
    let registers = "{:type :ok, :process 0, :value [[:w 1 1]]}\n";
    fs::write(room.join("lists.edn"), lists).expect("the room is ours");
    fs::write(room.join("registers.edn"), registers).expect("the room is ours");
    refused(&room, &["check", "rw-register", "lists.edn"], "line 1", "[:w key value]");
    refused(&room, &["check", "list-append", "registers.edn"], "line 1", "[:append key element]");
}

/// A write, then another, then a read of the first.
const STALE: &str = "\
{:type :invoke, :process 0, :value [[:w :x 1]], :time 1}
{:type :ok, :process 0, :value [[:w :x 1]], :time 2}
{:type :invoke, :process 0, :value [[:w :x 2]], :time 3}
{:type :ok, :process 0, :value [[:w :x 2]], :time 4}
{:type :invoke, :process 1, :value [[:r :x nil]], :time 5}
{:type :ok, :process 1, :value [[:r :x 1]], :time 6}
";

#[test]
fn check_judges_registers_by_the_rules_that_were_given() {
    let room = room("check_registers");
    fs::write(room.join("stale.edn"), STALE).expect("the room is ours");
    let said = say(&room, &["check", "rw-register", "stale.edn", "--linearizable-keys", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let [object] = &said.objects()[..] else { panic!("not one line: {}", said.out) };
    assert_eq!((&object["valid"], &object["not"][0]), (&false.into(), &"read-uncommitted".into()));
    assert_eq!(object["anomaly_types"][0], "cyclic-versions");
    assert_eq!(
        (&object["coverage"]["written"], &object["coverage"]["observed"]),
        (&2.into(), &1.into())
    );
    let words = say(&room, &["check", "rw-register", "stale.edn", "--linearizable-keys"]);
    assert_eq!(words.code, 1);
    assert!(words.out.contains("(linearizable-keys)"), "{}", words.out);
    assert!(words.out.contains("is :x in the file"), "{}", words.out);
    // What no rule orders may have come in any order.
    let unordered = say(&room, &["check", "rw-register", "stale.edn"]);
    assert_eq!(unordered.code, 0, "{}{}", unordered.out, unordered.err);

    let twice = STALE.replace("[:w :x 2]", "[:w :x 1]");
    fs::write(room.join("twice.edn"), twice).expect("the room is ours");
    let said = say(&room, &["check", "rw-register", "twice.edn"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("a value must be written once to its key"), "{}", said.out);
}

/// Two reads that see two appends in opposite orders.
const CONTRADICTION: &str = "\
{:type :invoke, :process 0, :value [[:append 1 1]], :time 1}
{:type :ok, :process 0, :value [[:append 1 1]], :time 2}
{:type :invoke, :process 0, :value [[:append 1 2]], :time 3}
{:type :ok, :process 0, :value [[:append 1 2]], :time 4}
{:type :invoke, :process 1, :value [[:r 1 nil]], :time 5}
{:type :ok, :process 1, :value [[:r 1 [1 2]]], :time 6}
{:type :invoke, :process 1, :value [[:r 1 nil]], :time 7}
{:type :ok, :process 1, :value [[:r 1 [1]]], :time 8}
";

#[test]
fn check_reads_edn_and_json_lines_and_says_what_it_finds() {
    let room = room("check");
    fs::write(room.join("bad.edn"), CONTRADICTION).expect("the room is ours");
    let said = say(&room, &["check", "list-append", "bad.edn", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let [object] = &said.objects()[..] else { panic!("not one line: {}", said.out) };
    assert_eq!(object["valid"], false);
    let types: Vec<&str> =
        object["anomaly_types"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(types, ["G-single-item-realtime"]);
    assert_eq!(object["not"][0], "strong-snapshot-isolation");
    assert!(object["also_not"].is_array() && object["cpu_ms"].is_number(), "{object}");
    let words = say(&room, &["check", "list-append", "bad.edn"]);
    assert_eq!(words.code, 1);
    assert!(words.out.starts_with("INVALID   strict-serializable"), "{}", words.out);
    assert!(words.out.contains("not:"), "{}", words.out);
    let weaker = say(&room, &["check", "list-append", "bad.edn", "--model", "serializable"]);
    assert_eq!(weaker.code, 0, "a stale read is serializable: {}{}", weaker.out, weaker.err);

    let json = r#"{"type":"invoke","process":0,"f":"txn","value":[["append",1,1]],"time":1}
{"type":"ok","process":0,"f":"txn","value":[["append",1,1]],"time":2}
{"type":"invoke","process":0,"f":"txn","value":[["r",1,null]],"time":3}
{"type":"ok","process":0,"f":"txn","value":[["r",1,[1]]],"time":4}
"#;
    fs::write(room.join("good.jsonl"), json).expect("the room is ours");
    let good = say(&room, &["check", "list-append", "good.jsonl", "--json"]);
    assert_eq!((good.code, &good.objects()[0]["valid"]), (0, &Value::from(true)));

    fs::write(room.join("empty.edn"), "").expect("the room is ours");
    let empty = say(&room, &["check", "list-append", "empty.edn", "--json"]);
    assert_eq!((empty.code, &empty.objects()[0]["valid"]), (2, &Value::from("unknown")));
}
