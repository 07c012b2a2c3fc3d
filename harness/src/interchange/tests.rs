mod bad_input;
mod plain_agrees;

use super::*;
use crate::cluster::NodeId;
use crate::history::{Event, Kind, Process};
use crate::op::{Answer, Bank, Function, Held, Mop, Op, RegisterMop, TypeName, Value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::time::Duration;

const EDN: &str = r#"
; a comment
#jepsen.history.Op{:index 0, :time 1000000, :type :invoke, :process 0, :f :txn, :value [[:append :x 1] [:r 7 nil]]}
{:index 1 :time 2000000 :type :info :process :nemesis :f :kill :value {"n1" :killed}}
#_ {:ignored true}
{:type :ok, :process 0, :time 3000000, :node "n3", :value [[:append :x 1] [:r 7 [1 2]]], :ext #object["a" 0x1f "b"]}
{:type :fail :process 1 :error [:timeout "late \"one\""] :value ([:r "y"])}
"#;

fn read(bytes: &[u8], format: Option<Format>) -> Result<Imported, ImportError> {
    super::read(bytes, format, Alphabet::Lists)
}

fn read_edn(text: &str) -> Result<Imported, ImportError> {
    read(text.as_bytes(), Some(Format::Edn))
}

fn sentence(text: &str) -> String {
    read(text.as_bytes(), None).unwrap_err().to_string()
}

#[test]
fn edn_is_read_with_tags_comments_and_names() {
    let imported = read(EDN.as_bytes(), None).unwrap();
    let names: Vec<_> = imported.key_names.iter().map(|(k, n)| (*k, n.to_string())).collect();
    assert_eq!(names, [(8, ":x".to_string()), (9, "\"y\"".to_string())]);
    let events = &imported.history.events;
    assert_eq!(events.len(), 3);
    assert_eq!(events[1].node, Some(NodeId(3)));
    assert_eq!(events[1].time, Duration::from_millis(3));
    let seen = Mop::Read { key: 7, values: Some(vec![1, 2]) };
    assert_eq!(events[1].op, Op::Txn(vec![Mop::Append { key: 8, value: 1 }, seen]));
    assert_eq!(events[2].error.as_deref(), Some(r#"[:timeout "late \"one\""]"#));
    assert_eq!(events[2].op, Op::Txn(vec![Mop::Read { key: 9, values: None }]));
}

#[test]
fn json_lines_are_told_from_edn_by_their_first_characters() {
    let json =
        r#"{"type":"ok","process":3,"time":5,"f":"txn","value":[["append",1,2],["r","x",null]]}"#;
    for text in [json.to_string(), format!("[{json},\n{json}]"), format!("\n  {json}\n\n{json}")] {
        assert_eq!(sniff(text.as_bytes()), Format::JsonLines);
        let imported = read(text.as_bytes(), None).unwrap();
        assert_eq!(imported.history.events[0].process, Process::Client(3));
        assert_eq!(imported.key_names[&2], KeyName::Text("x".to_string()));
    }
    assert_eq!(sniff(EDN.as_bytes()), Format::Edn);
    assert_eq!(sniff(b"[{:type :ok}]"), Format::Edn);
    assert_eq!(read(b"", None), Ok(Imported::default()));
}

#[test]
fn errors_name_the_place_and_what_would_be_right() {
    let cases = [
        (
            "{:type :ok :process 1\n :value [[:w 1 2]]}",
            "line 1, column 1: `[:w 1 2]` is not a micro-operation",
        ),
        (
            "{:type :ok :process 1}\n{:type :done :process 1}",
            "line 2, column 1: `:done` is not a type of event",
        ),
        (
            "{:type :ok :process 1 :value [[:append 1 2]",
            "line 1, column 30: the input ends before the `]`",
        ),
        ("[{:type :ok :process 1}", "line 1, column 1: this vector has no end"),
        ("{:type :ok :process -1}", "line 1, column 1: process `-1` is not a number from 0"),
        (
            "{:type :ok :process 1 :value [[:append 1 -2]]}",
            "line 1, column 1: `-2` is not an element",
        ),
        ("{:type}", "line 1, column 1: key `:type` of this map has no value"),
        ("}", "line 1, column 1: `}` closes nothing"),
        ("7", "line 1, column 1: `7` is not an op map"),
        ("{:error \"abc", "line 1, column 9: this string has no end"),
        ("{:a 1x}", "line 1, column 5: `1x` is not a number"),
        ("{\"type\":\"ok\",\n", "line 1, column 13: EOF while parsing a value"),
        (
            "{\"type\":\"ok\",\"process\":1}\n{\"type\":1,\"process\":1}",
            "line 2: `1` is not a type of event",
        ),
    ];
    for (text, beginning) in cases {
        let sentence = sentence(text);
        assert!(sentence.starts_with(beginning), "{text}\n{sentence}");
    }
    let sentence = read(b"{:a \xff}", None).unwrap_err().to_string();
    assert!(sentence.starts_with("line 1, column 5: this byte is not UTF-8"), "{sentence}");
}

#[test]
fn nesting_without_end_is_refused_not_followed() {
    for opening in ["[", "(", "{", "#a ", "^", "#_", "#{"] {
        let text = format!("{{:type :ok :process 0 :value {}", opening.repeat(100_000));
        assert!(read(text.as_bytes(), Some(Format::Edn)).is_err(), "{opening}");
        assert!(read(text.as_bytes(), Some(Format::JsonLines)).is_err(), "{opening}");
    }
}

fn mop() -> impl Strategy<Value = Mop> {
    let key = prop_oneof![0..12u64, Just((1 << 63) - 1)];
    let value = prop_oneof![0..50u64, any::<u64>()];
    prop_oneof![
        (key.clone(), value.clone()).prop_map(|(key, value)| Mop::Append { key, value }),
        (key, prop::option::of(prop::collection::vec(value, 0..5)))
            .prop_map(|(key, values)| Mop::Read { key, values }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop::sample::select(vec![Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]);
    let mops = prop::collection::vec(mop(), 0..4);
    let node = prop::option::of((1..6u16).prop_map(NodeId));
    (any::<u64>(), any::<u32>(), kind, mops, node, prop::option::of(".{0,12}")).prop_map(
        |(time, process, kind, mops, node, error)| Event {
            time: Duration::from_nanos(time),
            process: Process::Client(process),
            kind,
            op: Op::Txn(mops),
            node,
            error,
        },
    )
}

fn register_event() -> impl Strategy<Value = Event> {
    let value =
        prop_oneof![Just(Held::Unknown), Just(Held::Nothing), any::<u64>().prop_map(Held::Value),];
    let mop = prop_oneof![
        (0..12u64, any::<u64>()).prop_map(|(key, value)| RegisterMop::Write { key, value }),
        (0..12u64, value).prop_map(|(key, value)| RegisterMop::Read { key, value }),
    ];
    (event(), prop::collection::vec(mop, 0..4)).prop_map(|(event, mut mops)| {
        for mop in &mut mops {
            // Elsewhere nil cannot mean it.
            if let RegisterMop::Read { value: value @ Held::Nothing, .. } = mop
                && event.kind != Kind::Ok
            {
                *value = Held::Unknown;
            }
        }
        Event { op: Op::Registers(mops), ..event }
    })
}

fn function() -> impl Strategy<Value = Function> {
    let value = || prop_oneof![0..50u64, any::<u64>()];
    prop_oneof![
        Just(Function::Read),
        Just(Function::Dequeue),
        Just(Function::ZRange),
        Just(Function::Clear),
        value().prop_map(Function::Write),
        (prop::option::of(value()), value()).prop_map(|(from, to)| Function::Cas { from, to }),
        any::<i64>().prop_map(Function::Add),
        value().prop_map(Function::Insert),
        value().prop_map(Function::Remove),
        value().prop_map(Function::Contains),
        value().prop_map(Function::Enqueue),
        value().prop_map(Function::Append),
        value().prop_map(Function::Prepend),
        (value(), value()).prop_map(|(field, value)| Function::Put { field, value }),
        value().prop_map(Function::Get),
        value().prop_map(Function::Delete),
        (value(), any::<i64>()).prop_map(|(member, score)| Function::ZAdd { member, score }),
        (value(), any::<i64>()).prop_map(|(member, by)| Function::ZIncrBy { member, by }),
        value().prop_map(Function::ZRem),
        any::<[i64; 2]>().prop_map(|[min, max]| Function::ZRangeByScore { min, max }),
        (value(), value())
            .prop_map(|(value, milliseconds)| Function::WriteFor { value, milliseconds }),
        value().prop_map(Function::Expire),
        Just(Function::Persist),
        Just(Function::Type),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let values = prop::collection::vec(any::<Value>(), 0..4);
    prop_oneof![
        Just(Answer::Done),
        Just(Answer::Nil),
        Just(Answer::WrongType),
        prop::sample::select(TypeName::ALL.to_vec()).prop_map(Answer::Type),
        any::<bool>().prop_map(Answer::Flag),
        any::<i64>().prop_map(Answer::Number),
        any::<Value>().prop_map(Answer::Value),
        values.prop_map(Answer::Values),
        prop::collection::vec(any::<[Value; 2]>(), 0..4)
            .prop_map(|fields| Answer::Fields(fields.into_iter().map(Into::into).collect())),
        prop::collection::vec(any::<(Value, i64)>(), 0..4).prop_map(Answer::Scores),
    ]
}

fn bank_event() -> impl Strategy<Value = Event> {
    let account = || prop_oneof![0..9u64, any::<u64>()];
    let balances = prop::option::of(prop::collection::vec((account(), any::<i64>()), 0..4));
    let bank = prop_oneof![
        (account(), account(), any::<i64>()).prop_map(|(from, to, amount)| Bank::Transfer {
            from,
            to,
            amount
        }),
        balances.prop_map(|balances| Bank::Read { balances }),
    ];
    (event(), bank).prop_map(|(event, mut bank)| {
        // Only who was answered can say what was seen.
        if let Bank::Read { balances } = &mut bank
            && event.kind != Kind::Ok
        {
            *balances = None;
        }
        Event { op: Op::Bank(bank), ..event }
    })
}

/// A kind of object and calls that it knows, each by a process of its own.
fn calls() -> impl Strategy<Value = (Object, Vec<Event>)> {
    let kind = prop::sample::select(vec![Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]);
    let call = (kind, 0..5u64, function(), prop::option::of(answer()));
    let calls = prop::collection::vec(call, 0..40);
    (prop::sample::select(Object::ALL.to_vec()), calls).prop_map(|(object, calls)| {
        let mut events = Vec::new();
        for (index, (kind, key, function, answer)) in calls.into_iter().enumerate() {
            let answer = answer.filter(|_| kind == Kind::Ok);
            if object.knows(&function, answer.as_ref()) {
                let (process, time) = (Process::Client(index as u32), Duration::ZERO);
                let op = Op::Call(Call { key, function, answer });
                events.push(Event { time, process, kind, op, node: None, error: None });
            }
        }
        (object, events)
    })
}

fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(7);
    ProptestConfig { cases: 256, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_written_is_read_back(events in prop::collection::vec(event(), 0..8)) {
        let imported = Imported::from(History { events });
        for format in [Format::Edn, Format::JsonLines] {
            let text = write(&imported, format);
            let again = read(text.as_bytes(), Some(format));
            prop_assert_eq!(again.as_ref(), Ok(&imported), "{}", text);
            if !imported.history.events.is_empty() {
                prop_assert_eq!(sniff(text.as_bytes()), format);
            }
        }
    }

    #[test]
    fn registers_that_were_written_are_read_back(
        events in prop::collection::vec(register_event(), 0..8),
    ) {
        let imported = Imported::from(History { events });
        for format in [Format::Edn, Format::JsonLines] {
            let text = write(&imported, format);
            let again = super::read(text.as_bytes(), Some(format), Alphabet::Registers);
            prop_assert_eq!(again.as_ref(), Ok(&imported), "{}", text);
        }
    }

    #[test]
    fn a_bank_that_was_written_is_read_back(events in prop::collection::vec(bank_event(), 0..8)) {
        let imported = Imported::from(History { events });
        for format in [Format::Edn, Format::JsonLines] {
            let text = write(&imported, format);
            let again = super::read(text.as_bytes(), Some(format), Alphabet::Bank);
            prop_assert_eq!(again.as_ref(), Ok(&imported), "{}", text);
        }
    }

    #[test]
    fn calls_that_were_written_are_read_back((object, events) in calls()) {
        let imported = Imported::from(History { events });
        for format in [Format::Edn, Format::JsonLines] {
            let text = write(&imported, format);
            let again = read_calls(text.as_bytes(), Some(CallFormat::OpMaps(format)), object);
            prop_assert_eq!(again.as_ref(), Ok(&imported), "{} {}", object, text);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [None, Some(Format::Edn), Some(Format::JsonLines)] {
            let _ = read(&bytes, format);
            let _ = super::read(&bytes, format, Alphabet::Registers);
            let _ = super::read(&bytes, format, Alphabet::Bank);
        }
        for object in Object::ALL {
            let _ = read_calls(&bytes, None, object);
            let _ = read_calls(&[b"INFO jepsen.util - ", &bytes[..]].concat(), None, object);
        }
    }

    #[test]
    fn no_mangled_history_makes_the_reader_panic(
        cut in 0..EDN.len(),
        at in 0..EDN.len(),
        byte in any::<u8>(),
        events in prop::collection::vec(event(), 1..4),
    ) {
        let json = write(&Imported::from(History { events }), Format::JsonLines);
        for text in [EDN, json.as_str()] {
            let mut bytes = text.as_bytes().to_vec();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut);
            for format in [None, Some(Format::Edn), Some(Format::JsonLines)] {
                if let Err(error) = read(&bytes, format) {
                    prop_assert!(error.line > 0 && !error.message.is_empty());
                }
            }
        }
    }
}

#[test]
fn names_of_keys_survive_the_way_out_and_back() {
    let imported = read_edn(EDN).unwrap();
    for format in [Format::Edn, Format::JsonLines] {
        let text = write(&imported, format);
        assert_eq!(read(text.as_bytes(), None), Ok(imported.clone()), "{text}");
    }
}

const REGISTERS: &str = r#"
{:type :invoke, :process 0, :value [[:w :x 1] [:r 7 nil]]}
{:type :ok, :process 0, :value [[:w :x 1] [:r 7 nil] [:r 8] [:r 9 3]]}
{:type :info, :process 1, :value [[:r 7 nil]]}
"#;

#[test]
fn nil_is_the_initial_state_of_a_register_only_where_it_was_read() {
    let read = |text: &str| super::read(text.as_bytes(), None, Alphabet::Registers);
    let imported = read(REGISTERS).unwrap();
    let mops = |event: usize| imported.history.events[event].op.register_mops();
    let seen = |key, value| RegisterMop::Read { key, value };
    assert_eq!(mops(0), [RegisterMop::Write { key: 10, value: 1 }, seen(7, Held::Unknown)]);
    let expected = [seen(7, Held::Nothing), seen(8, Held::Unknown), seen(9, Held::Value(3))];
    assert_eq!(mops(1)[1..], expected);
    assert_eq!(mops(2), [seen(7, Held::Unknown)]);
    for format in [Format::Edn, Format::JsonLines] {
        assert_eq!(read(&write(&imported, format)), Ok(imported.clone()));
    }
    for (mop, right) in [
        ("[:append 1 2]", "is not a micro-operation: [:w key value] and [:r key value] are"),
        ("[:w 1 nil]", "`nil` is not a value to write: a number from 0 to 2^64 - 1 is"),
        ("[:r 1 [2]]", "is not a micro-operation"),
        ("[:r 1 -2]", "`-2` is not a value: a number from 0 to 2^64 - 1 is"),
    ] {
        let text = format!("\n{{:type :ok :process 1 :value [{mop}]}}");
        let sentence = read(&text).unwrap_err().to_string();
        assert!(sentence.starts_with("line 2, column 1: "), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
    }
}

const BANK: &str = r#"
{:type :invoke, :f :transfer, :process 0, :value {:from 0, :to 1, :amount 5}}
{:type :invoke, :f :read, :process 1, :value nil}
{:type :ok, :f :read, :process 1, :value {0 10, 1 nil, 2 -3}}
{:type :info, :f :read, :process 2, :value :timed-out}
"#;

#[test]
fn a_bank_is_read_and_an_account_of_nil_has_no_balance() {
    let read = |text: &str| super::read(text.as_bytes(), None, Alphabet::Bank);
    let imported = read(BANK).unwrap();
    let ops: Vec<&Op> = imported.history.events.iter().map(|event| &event.op).collect();
    let looked = |balances| Op::Bank(Bank::Read { balances });
    assert_eq!(*ops[0], Op::Bank(Bank::Transfer { from: 0, to: 1, amount: 5 }));
    assert_eq!(*ops[2], looked(Some(vec![(0, 10), (2, -3)])));
    assert_eq!((ops[1], ops[3]), (&looked(None), &looked(None)));
    let json = r#"{"type":"ok","process":1,"f":"read","value":{"0":10,"1":null}}"#;
    assert_eq!(read(json).unwrap().history.events[0].op, looked(Some(vec![(0, 10)])));
    for (value, right) in [
        (":f :transfer :value {:from 0 :to 1}", "has no :amount"),
        (":f :transfer :value [0 1 5]", "`[0 1 5]` is no transfer: {:from 0"),
        (":f :transfer :value {:from -1 :to 1 :amount 5}", "`-1` is not an account"),
        (":f :read :value {0 :x}", "`:x` is not money"),
        (":f :read :value [[0 1 2]]", "`[0 1 2]` is no account with its balance"),
        (":f :read :value 7", "value `7` is no balances"),
        (":f :deposit", "`:deposit` is no function of a bank"),
    ] {
        let sentence =
            read(&format!("\n{{:type :ok :process 1 {value}}}")).unwrap_err().to_string();
        assert!(sentence.starts_with("line 2, column 1: "), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
    }
}

const QUEUE: &str = r#"
{:type :invoke, :f :enqueue, :process 0, :value 4}
{:type :invoke, :f :drain, :process 1, :time 5}
{:type :ok, :f :enqueue, :process 0, :value 4}
{:type :ok, :f :drain, :process 1, :time 9, :value [4 5]}
{:type :invoke, :f :drain, :process 1}
{:type :info, :f :drain, :process 1, :value :timed-out}
{:type :invoke, :f :drain, :process 2}
"#;

#[test]
fn a_drain_found_nothing_and_took_what_it_shows_or_took_anything() {
    let imported = read_drained_queues(QUEUE.as_bytes(), None).unwrap();
    let events = imported.history.events.iter();
    let told: Vec<String> = events
        .map(|event| match &event.op {
            Op::Call(call) => format!("{} {:?} {call}", event.process, event.kind),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "p0 Invoke key 0 :enqueue 4",
        "p1 Invoke key 0 :dequeue",
        "p0 Ok key 0 :enqueue 4",
        "p1 Ok key 0 :dequeue -> nil",
        "p1 Invoke key 0 :dequeue",
        "p1 Ok key 0 :dequeue -> 4",
        "p1 Invoke key 0 :dequeue",
        "p1 Ok key 0 :dequeue -> 5",
        "p1 Invoke key 0 :clear",
        "p1 Info key 0 :clear",
        "p2 Invoke key 0 :clear",
    ];
    assert_eq!(told, expected);
    // Only who does not look at orders may read them.
    let sentence = read_calls(QUEUE.as_bytes(), None, Object::Queue).unwrap_err().to_string();
    assert!(sentence.contains("`:drain` is no function of a queue"), "{sentence}");
    let keyed = b"{:type :invoke :f :drain :process 0 :value [:x nil]} {:type :ok :f :drain :process 0 :value [:x [3]]}";
    let imported = read_drained_queues(keyed, None).unwrap();
    assert_eq!(imported.history.events.len(), 4);
    assert!(imported.history.events.iter().all(|event| event.op.keys() == [0]));
    assert_eq!(imported.key_names[&0], KeyName::Keyword("x".to_string()));
}

#[test]
fn words_of_other_tests_are_read_as_what_they_mean() {
    let ids =
        "{:type :invoke :f :generate :process 0} {:type :ok :f :generate :process 0 :value 7}";
    let imported = read_calls(ids.as_bytes(), None, Object::Counter).unwrap();
    let (function, answer) = (Function::Add(1), Some(Answer::Number(7)));
    assert_eq!(imported.history.events[1].op, Op::Call(Call { key: 0, function, answer }));
    let inserts = "{:type :invoke :f :write :process 0 :value 7}";
    let imported = read_calls(inserts.as_bytes(), None, Object::Set).unwrap();
    let function = Function::Insert(7);
    assert_eq!(imported.history.events[0].op, Op::Call(Call { key: 0, function, answer: None }));
}

#[test]
fn an_op_map_that_names_nobody_is_refused_where_that_matters() {
    let ok = |process: &str| format!("{{:type :ok {process} :value [[:append 1 1]]}}");
    for process in [":process :nemesis", ":process nil"] {
        assert_eq!(read_edn(&ok(process)).expect("nobody's").history.events.len(), 0);
    }
    let nobodys = ok(":proces 2");
    assert_eq!(read_edn(&nobodys).expect("as Elle's tests write").history.events.len(), 0);
    let strictly = read_strictly(nobodys.as_bytes(), None, Alphabet::Lists);
    let sentence = strictly.unwrap_err().to_string();
    assert!(sentence.contains("line 1") && sentence.contains("without a process"), "{sentence}");
    let sentence = read(br#"{"type":"ok","process":"p1","value":[]}"#, None).unwrap_err();
    assert!(sentence.to_string().contains("is not a number"), "{sentence}");
    let nemesis = read(br#"{"type":"info","process":"nemesis","value":[]}"#, None);
    assert_eq!(nemesis.expect("it is the nemesis's").history.events.len(), 0);
}

#[test]
fn a_name_moves_no_cursor() {
    let name = KeyName::Keyword("a\u{1b}[2Jvalid".to_owned());
    assert_eq!(shown(&name), ":a\u{fffd}[2Jvalid");
}
