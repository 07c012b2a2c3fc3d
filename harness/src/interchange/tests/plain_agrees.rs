//! The plain reader against the formats' own: whatever the text, the same history or the same error.

use super::*;
use crate::seed::{Draw, Seed, Stream};

/// How a format writes what an op map is made of; each list begins with what is plain.
struct Notation {
    format: Format,
    before: &'static [&'static str],
    between: &'static [&'static str],
    colon: &'static [&'static str],
    fields: &'static [(&'static str, &'static [&'static str])],
    mops: &'static [&'static str],
    after: &'static [&'static str],
}

const EDN_NOTATION: Notation = Notation {
    format: Format::Edn,
    before: &["", "", "", "#jepsen.history.Op", "#jepsen.history.Opera", "#x ", "[", "^:m "],
    between: &[", ", " ", " ", ",\t", "\n ", "", ",,", " ;c\n", " #_x ", "\u{b}", "\u{c}"],
    colon: &[" ", " ", " ", "", "  ", ",", "\n", ";c\n", "x"],
    fields: &[
        (
            ":type",
            &[":ok", ":invoke", ":info", ":fail", ":okay", ":", "ok", "\"ok\"", "::ok", ":ok;"],
        ),
        (
            ":process",
            &[
                "0",
                "7",
                "4294967295",
                "4294967296",
                "007",
                "-1",
                "+1",
                "1N",
                "1x",
                ":nemesis",
                "nil",
                "1.0",
                "\"1\"",
            ],
        ),
        (":value", &["nil", "[]", "()", "[", "[[]]", "#{}", "nilx", "[nil]", "{}"]),
        (":value", &["nil", "[]"]),
        (
            ":time",
            &[
                "1",
                "9999999999999999999",
                "18446744073709551615",
                "18446744073709551616",
                "-1",
                "0x1f",
                "1.5",
                "nil",
            ],
        ),
        (":index", &["3", "03", "-1", "3a", ":x", "99999999999999999999", "[1 2]"]),
        (":f", &[":txn", ":read-all", ":", ":r2", "nil", "\"txn\"", "7"]),
        (
            ":error",
            &[
                "\"late\"",
                "\"\"",
                "\"\u{e9}\"",
                ":late",
                "nil",
                "\"a\\\"b\"",
                "\"a\nb\"",
                "[:a 1]",
                "\"open",
            ],
        ),
        (
            ":node",
            &[
                "\"n3\"",
                "\"n65535\"",
                "\"n65536\"",
                "\"n\"",
                "\"n+3\"",
                "\"m3\"",
                ":n3",
                "\":n3\"",
                "nil",
            ],
        ),
        (":ext", &["1", "[:a]"]),
        ("\"type\"", &[":ok", "\"info\""]),
        (":::type", &[":ok"]),
    ],
    mops: &[
        "[:append 1 2]",
        "[:r 1 nil]",
        "[:r 1 [1 2 3]]",
        "[:r 1]",
        "[:w 1 2]",
        "[:r 1 7]",
        "[:r 12 []]",
        "[:r  3\t[ 1,2 ]\n]",
        "[:append,1,2,]",
        "[:append 1 9999999999999999999]",
        "[:append 1 18446744073709551615]",
        "[:append 9223372036854775807 1]",
        "[:append 9223372036854775808 1]",
        "[:r 1 [1[2]]]",
        "[:r 1 [1 nil]]",
        "[:append :x 1]",
        "[:r \"x\" nil]",
        "[:append 1 -2]",
        "[:append 1 2 3]",
        "[:append 1]",
        "[:r]",
        "[]",
        "(:r 1 nil)",
        "[:r 1 (1 2)]",
        "[:r 1 nil nil]",
        "[:r 1 nilnil]",
        "[:r1 1]",
        "[:append 01 02]",
        "[:r 1 [1;c\n2]]",
        "[:r 1[2]]",
        "[:w 1 nil]",
        "[\"r\" 1 nil]",
        "[r 1 nil]",
        "[:r 1 [1 2]",
        "[:r 1 [1 2]]]",
        "[:r nil nil]",
    ],
    after: &["", "", "", "\n", "}", "]", " 1", "{", "{:type :ok :process 3}"],
};

const JSON_NOTATION: Notation = Notation {
    format: Format::JsonLines,
    before: &["", "", "", " ", "\u{b}", "[", "x", "\u{feff}"],
    between: &[",", ", ", " ,", "\t,\r", ",,", "", " ", ",\n", ",\u{c}"],
    colon: &[":", ": ", " : ", "", "::", ":\n"],
    fields: &[
        (
            "\"type\"",
            &[
                "\"ok\"",
                "\"invoke\"",
                "\"info\"",
                "\"fail\"",
                "\":ok\"",
                "\"okay\"",
                "ok",
                "\"o\\u006b\"",
                "null",
            ],
        ),
        (
            "\"process\"",
            &[
                "0",
                "7",
                "4294967295",
                "4294967296",
                "007",
                "-1",
                "+1",
                "1.0",
                "1e2",
                "\"nemesis\"",
                "null",
                "\"1\"",
                "-0",
            ],
        ),
        ("\"value\"", &["null", "[]", "[", "[[]]", "nullx", "[null]", "{}", "[,]"]),
        ("\"value\"", &["null", "[]"]),
        (
            "\"time\"",
            &[
                "1",
                "9999999999999999999",
                "18446744073709551615",
                "18446744073709551616",
                "-1",
                "1.5",
                "1e30",
                "null",
            ],
        ),
        ("\"index\"", &["3", "03", "-1", "3a", "\"x\"", "99999999999999999999", "[1,2]"]),
        ("\"f\"", &["\"txn\"", "\"read-all\"", "\"\"", "\"R\"", "null", "7"]),
        (
            "\"error\"",
            &[
                "\"late\"",
                "\"\"",
                "\"\u{e9}\"",
                "\":late\"",
                "\":\"",
                "null",
                "\"a\\\"b\"",
                "\"a\u{1}b\"",
                "[\"a\",1]",
                "\"open",
            ],
        ),
        (
            "\"node\"",
            &[
                "\"n3\"",
                "\"n65535\"",
                "\"n65536\"",
                "\"n\"",
                "\"n+3\"",
                "\"m3\"",
                "\":n3\"",
                "null",
            ],
        ),
        ("\"ext\"", &["1", "[\"a\"]"]),
        ("\":type\"", &["\"ok\"", "\"info\""]),
        ("type", &["\"ok\""]),
    ],
    mops: &[
        r#"["append",1,2]"#,
        r#"["r",1,null]"#,
        r#"["r",1,[1,2,3]]"#,
        r#"["r",1]"#,
        r#"["w",1,2]"#,
        r#"["r",1,7]"#,
        r#"["r",12,[]]"#,
        "[\"r\" , 3,\t[ 1 ,2 ] ]",
        r#"["append",1,2,]"#,
        r#"["append",1,9999999999999999999]"#,
        r#"["append",1,18446744073709551615]"#,
        r#"["append",9223372036854775807,1]"#,
        r#"["append",9223372036854775808,1]"#,
        r#"["r",1,[1,[2]]]"#,
        r#"["r",1,[1,null]]"#,
        r#"["append",":x",1]"#,
        r#"["r","x",null]"#,
        r#"["append",1,-2]"#,
        r#"["append",1,2,3]"#,
        r#"["append",1]"#,
        r#"["r"]"#,
        "[]",
        r#"["r",1,[1 2]]"#,
        r#"["r",1,[1,,2]]"#,
        r#"["r",1,[1,2,]]"#,
        r#"["r",1,[,1]]"#,
        r#"["append",01,2]"#,
        r#"["append",1,02]"#,
        r#"["append",0,0]"#,
        r#"["r" 1,null]"#,
        r#"[":r",1,null]"#,
        r#"["r",1,[1.0]]"#,
        r#"["r",1,[1,2]"#,
        r#"["r",1,[1,2]]]"#,
        r#"["r",null,null]"#,
        r#"["w",1,null]"#,
    ],
    after: &["", "", "", "\n", "\r\n", "\n\n", "}", "]", " 1", "{", " \u{b}", ","],
};

/// Mostly one of the first three, which are plain.
fn choose(rng: &mut impl Draw, from: &[&'static str]) -> &'static str {
    let plain = from.len().min(3);
    let from = if rng.chance(0.95) { &from[..plain] } else { from };
    from[rng.range(0, from.len() as u64) as usize]
}

fn op_map(notation: &Notation, rng: &mut impl Draw) -> String {
    let mut text = format!("{}{{", choose(rng, notation.before));
    // Type, process and value, with others between them.
    let mut names: Vec<usize> = vec![0, 1, 2];
    for _ in 0..rng.range(0, 4) {
        names.insert(rng.range(0, names.len() as u64 + 1) as usize, rng.range(3, 9) as usize);
    }
    if rng.chance(0.1) {
        names.push(rng.range(0, notation.fields.len() as u64) as usize);
    }
    if rng.chance(0.1) {
        names.remove(rng.range(0, names.len() as u64) as usize);
    }
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            text.push_str(choose(rng, notation.between));
        }
        let (name, values) = notation.fields[name];
        text.push_str(name);
        text.push_str(choose(rng, notation.colon));
        if name.contains("value") && rng.chance(0.8) {
            text.push_str(&mops(notation, rng));
        } else {
            text.push_str(choose(rng, values));
        }
    }
    text.push('}');
    text.push_str(choose(rng, notation.after));
    text
}

fn mops(notation: &Notation, rng: &mut impl Draw) -> String {
    let mut text = "[".to_owned();
    for index in 0..rng.range(0, 4) {
        if index > 0 {
            text.push_str(choose(rng, notation.between));
        }
        // Among the first seven each alphabet finds its own.
        let mop = if rng.chance(0.9) { &notation.mops[..7] } else { notation.mops };
        text.push_str(rng.pick::<&str>(mop));
    }
    text.push(']');
    text
}

/// What became of many texts.
#[derive(Debug, Default)]
struct Seen {
    plain: usize,
    histories: usize,
    errors: usize,
}

fn agree(notation: &Notation, alphabet: Alphabet, bytes: &[u8], seen: &mut Seen) {
    let quick = op_maps(bytes, Some(notation.format), Reader::new(alphabet));
    let slow = op_maps(bytes, Some(notation.format), Reader::new(alphabet).slowly());
    assert_eq!(quick, slow, "{:?} {:?}", alphabet, String::from_utf8_lossy(bytes));
    let plain = match notation.format {
        Format::Edn => Reader::new(alphabet).add_plain::<plain::Edn>(bytes, 0),
        Format::JsonLines => Reader::new(alphabet).add_plain::<plain::Json>(bytes, 0),
    };
    seen.plain += usize::from(plain.is_some());
    seen.histories += usize::from(slow.is_ok());
    seen.errors += usize::from(slow.is_err());
}

#[test]
fn what_is_plain_is_read_as_the_formats_own_readers_read_it() {
    for notation in [EDN_NOTATION, JSON_NOTATION] {
        for alphabet in [Alphabet::Lists, Alphabet::Registers] {
            let mut rng = Seed(7).stream(Stream::Workload);
            let mut seen = Seen::default();
            for _ in 0..20_000 {
                let mut text = op_map(&notation, &mut rng);
                if rng.chance(0.5) {
                    text.push('\n');
                    text.push_str(&op_map(&notation, &mut rng));
                }
                let mut bytes = text.into_bytes();
                if rng.chance(0.2) {
                    let at = rng.range(0, bytes.len() as u64) as usize;
                    bytes[at] = rng.range(0, 256) as u8;
                }
                agree(&notation, alphabet, &bytes, &mut seen);
            }
            let least = seen.plain.min(seen.histories).min(seen.errors);
            assert!(least > 1000, "{:?} {alphabet:?}: {seen:?}", notation.format);
        }
    }
}

#[test]
fn what_is_written_is_plain_unless_a_key_has_a_name() {
    for (alphabet, op) in [
        (
            Alphabet::Lists,
            Op::Txn(vec![
                Mop::Append { key: 1, value: 7 },
                Mop::Read { key: 0, values: Some(vec![1, 20, 300]) },
                Mop::Read { key: 7, values: None },
            ]),
        ),
        (
            Alphabet::Registers,
            Op::Registers(vec![
                RegisterMop::Write { key: 1, value: 7 },
                RegisterMop::Read { key: 0, value: Held::Value(3) },
                RegisterMop::Read { key: 7, value: Held::Unknown },
            ]),
        ),
    ] {
        for kind in [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info] {
            let (time, process) = (Duration::from_millis(5), Process::Client(3));
            let error = (kind == Kind::Info).then(|| "timed out".to_owned());
            let event = Event { time, process, kind, op: op.clone(), node: Some(NodeId(2)), error };
            let imported = Imported::from(History { events: vec![event] });
            let edn = write(&imported, Format::Edn);
            let after = Reader::new(alphabet).add_plain::<plain::Edn>(edn.as_bytes(), 0);
            assert_eq!(after, Some(edn.trim_end().len()), "{edn}");
            let json = write(&imported, Format::JsonLines);
            let after = Reader::new(alphabet).add_plain::<plain::Json>(json.as_bytes(), 0);
            assert_eq!(after, Some(json.len()), "{json}");
        }
    }
}
