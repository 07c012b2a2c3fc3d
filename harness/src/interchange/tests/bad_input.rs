//! What is no history is refused, with its line and what would be right.

use super::*;

fn strict(text: &str) -> String {
    read_strictly(text.as_bytes(), None, Alphabet::Lists).unwrap_err().to_string()
}

fn beginning(sentence: &str, beginning: &str) {
    assert!(sentence.starts_with(beginning), "{sentence}");
}

#[test]
fn a_completion_of_what_was_not_asked_is_refused() {
    let right =
        "p3 completes what it has not asked: an :invoke of the same process must stand before";
    for kind in ["ok", "fail", "info"] {
        let text = format!("{{:type :invoke :process 2}}\n\n {{:type :{kind} :process 3}}");
        assert_eq!(strict(&text), format!("line 3, column 2: {right}"));
    }
    let json = "{\"type\":\"invoke\",\"process\":2}\n{\"type\":\"ok\",\"process\":3}\n";
    assert_eq!(strict(json), format!("line 2: {right}"));
    // A second completion has none either.
    let text = "{:type :invoke :process 3}\n{:type :ok :process 3}\n{:type :info :process 3}";
    assert_eq!(strict(text), format!("line 3, column 1: {right}"));
}

#[test]
fn a_process_that_asks_while_it_waits_is_refused() {
    let text =
        "\n{:type :invoke :process 3}\n{:type :invoke :process 2}\n{:type :invoke :process 3}";
    let right = "p3 asks while what it asked on line 2 is open: a process asks one thing at a time";
    assert_eq!(strict(text), format!("line 4, column 1: {right}"));
    // In a vector, and where the first is not plain.
    let text = text.replacen("{:type", "[{:x 1 :type", 1) + "]";
    assert_eq!(strict(&text), format!("line 4, column 1: {right}"));
}

#[test]
fn an_element_that_is_appended_twice_is_refused() {
    let done = |value: &str| {
        format!(
            "{{:type :invoke :process 1 :value {value}}}\n{{:type :ok :process 1 :value {value}}}\n"
        )
    };
    let text =
        done("[[:append 4 5]]") + &done("[[:r 4 [5]]]") + &done("[[:append 3 5] [:append 4 5]]");
    let right = "5 is appended to `4` here and on line 1: an element is appended once to its key";
    assert_eq!(strict(&text), format!("line 5, column 1: {right}"));
    let text = done("[[:append :x 5] [:append :x 5]]");
    let right = "5 is appended to `:x` here and on line 1: an element is appended once to its key";
    assert_eq!(strict(&text), format!("line 1, column 1: {right}"));
    // Two keys may have the same element.
    let text = done("[[:append 4 5] [:append 5 5] [:append :x 5]]");
    assert!(read_strictly(text.as_bytes(), None, Alphabet::Lists).is_ok());
}

#[test]
fn the_first_of_several_mistakes_is_told() {
    let text = "{:type :invoke :process 1 :value [[:append 1 1]]}\n{:type :invoke :process 2 :value [[:append 1 1]]}\n\
                {:type :invoke :process 1}\n";
    beginning(&strict(text), "line 2, column 1: 1 is appended to `1` here and on line 1");
}

#[test]
fn calls_are_refused_alike() {
    let read = |text: &str| read_calls_strictly(text.as_bytes(), None, Object::CasRegister);
    let log = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO jepsen.util - 1 :ok :write 2\n";
    let sentence = read(log).unwrap_err().to_string();
    beginning(&sentence, "line 2: p1 completes what it has not asked");
    let edn = "{:type :invoke :process 0 :f :read :value nil}\n{:type :invoke :process 0 :f :read :value nil}";
    beginning(
        &read(edn).unwrap_err().to_string(),
        "line 2, column 1: p0 asks while what it asked on line 1",
    );
}

#[test]
fn what_is_sound_is_read_strictly_as_it_is_read() {
    let text = write(&Imported::from(sound()), Format::JsonLines);
    let strict = read_strictly(text.as_bytes(), None, Alphabet::Lists);
    assert_eq!(strict, read(text.as_bytes(), None));
    assert_eq!(strict.unwrap().history, sound());
}

fn sound() -> History {
    let mut history = History::default();
    for (number, kind) in [Kind::Invoke, Kind::Ok, Kind::Invoke, Kind::Info].into_iter().enumerate()
    {
        let op = Op::Txn(vec![Mop::Append { key: 1, value: number as u64 / 2 }]);
        let (time, process) = (Duration::from_millis(number as u64), Process::Client(1));
        history.push(Event { time, process, kind, op, node: None, error: None });
    }
    history
}

#[test]
fn numbers_out_of_range_and_processes_that_are_none_are_refused() {
    for (fields, right) in [
        (":process 4294967296", "process `4294967296` is not a number from 0 to 2^32 - 1"),
        (":process 1.0", "process `1` is not a number from 0 to 2^32 - 1"),
        (":process \"12\"", "process `\"12\"` is not a number from 0 to 2^32 - 1"),
        (":process [1]", "process `[1]` is not a number from 0 to 2^32 - 1"),
        (
            ":process 1 :time 18446744073709551616",
            "time 18446744073709551616 is not a number of nanoseconds below 2^64",
        ),
        (
            ":process 1 :time 1e30",
            "time `1000000000000000000000000000000` is not a number of nanoseconds",
        ),
        (":process 1 :time ##NaN", "time `NaN` is not a number of nanoseconds"),
        (
            ":process 1 :value [[:append 1 18446744073709551616]]",
            "`18446744073709551616` is not an element",
        ),
        (":process 1 :value [[:append 1 1e400]]", "`inf` is not an element"),
        (":process 1 :value 7", "value `7` is not a list of micro-operations"),
    ] {
        let sentence = sentence(&format!("{{:type :invoke {fields}}}"));
        beginning(&sentence, &format!("line 1, column 1: {right}"));
    }
    // Who is no client has a word for its name.
    for process in [":nemesis", "nil", "nemesis", "\"nemesis\""] {
        let text = format!("{{:type :invoke :process {process}}}");
        assert_eq!(read_edn(&text), Ok(Imported::default()));
    }
}

#[test]
fn an_error_stays_short_and_moves_no_cursor_whatever_was_read() {
    let long = "1x".repeat(1 << 20);
    for text in [
        format!("{{:a {long}}}"),
        format!("{{:a :{long} :b}}"),
        format!("{{:type :{long} :process 0}}"),
        format!("{{:type :ok :process 0 :value [[:{long} 1 2]]}}"),
        format!("{{:type :ok :process \"{}\"}}", "7".repeat(1 << 20)),
        format!("{{\"type\":\"{long}\",\"process\":1}}"),
        format!("[{{\"type\":\"{long}\",\"process\":1}}]"),
    ] {
        let sentence = sentence(&text);
        assert!(sentence.len() < 300, "{} letters", sentence.len());
    }
    let sentence = sentence("{:type \u{1b}[31m\u{0} :process 1}");
    assert!(!sentence.contains(char::is_control), "{sentence:?}");
}

#[test]
fn an_array_of_json_names_the_line_of_an_op_map_that_is_none() {
    let good = r#"{"type":"ok","process":1}"#;
    for (text, right) in [
        (
            format!("[{good},\n {{\"type\":\"maybe\",\"process\":1}}\n,\n{good}]"),
            "line 2, column 2: op map 2 of the array: `\"maybe\"` is not a type of event",
        ),
        (format!("[{good},\n{good},\n"), "line 1, column 1: this array has no end"),
        (format!("\n [{good}\n"), "line 2, column 2: this array has no end"),
        (format!("[{good}\n{good}]"), "line 2, column 1: `,` or `]` should stand here"),
        (format!("[{good},]"), "line 1, column 28: expected value: an array holds op maps"),
        (format!("[{good},\n{{\"a\":\n x}}]"), "line 3, column 2: expected value"),
        (format!("[{good}]\n7"), "line 2, column 1: something stands after the end of the array"),
        ("[,]".to_owned(), "line 1, column 2: expected value"),
        ("[7]".to_owned(), "line 1, column 2: op map 1 of the array: `7` is not an op map"),
        ("[".to_owned(), "line 1, column 1: this array has no end"),
    ] {
        let read = read(text.as_bytes(), Some(Format::JsonLines));
        beginning(&read.unwrap_err().to_string(), right);
    }
    let read = |text: &str| read(text.as_bytes(), Some(Format::JsonLines)).unwrap().history;
    assert_eq!(read(" [ ]\n").events.len(), 0);
    assert_eq!(read(&format!("[{good} ,{good}\n]")).events.len(), 2);
}

#[test]
fn nothing_but_a_truncated_end_is_refused_there() {
    let whole = "{:type :invoke, :process 0, :value [[:append 1 1]], :time 1}";
    let json = r#"{"type":"invoke","process":0,"value":[["append",1,1]],"time":1}"#;
    for text in [whole, json] {
        assert!(read(text.as_bytes(), None).is_ok());
        for length in 1..text.len() {
            let cut = format!("{text}\n{}", &text[..length]);
            let error = read(cut.as_bytes(), None).unwrap_err();
            assert_eq!(error.line, 2, "{cut}");
        }
    }
}
