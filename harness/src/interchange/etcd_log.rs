//! The log lines of Jepsen's etcd tests of 2014, as Porcupine's and other checkers' test data have them:
//!
//! ```text
//! INFO  jepsen.util - 3  :invoke  :cas  [1 2]
//! ```
//!
//! Between the words stands any white space. There are no times: the order of the lines is the order of the history.

use super::op_map::{Datum, Reader};
use super::{ImportError, Imported, edn, without_mark};
use std::borrow::Cow;

/// What every line begins with.
pub(super) const FIRST_WORD: &[u8] = b"INFO";

/// Reads an event from each line.
pub(super) fn read(bytes: &[u8], mut reader: Reader) -> Result<Imported, ImportError> {
    for (index, line) in without_mark(bytes).split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            let wrong = |message| ImportError { line: index + 1, column: None, message };
            let datum = op_map(line).map_err(wrong)?;
            reader.add(datum).map_err(wrong)?;
        }
    }
    Ok(reader.finish())
}

/// The line as an op map.
fn op_map(line: &[u8]) -> Result<Datum<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this line is not UTF-8".to_owned())?;
    let expected = || {
        let shown: String = text.chars().take(40).collect();
        format!("`{shown}` is no line of such a log: `INFO jepsen.util - 3 :invoke :cas [1 2]` is")
    };
    let mut rest = text;
    let head = [(); 3].map(|()| word(&mut rest));
    if head != ["INFO", "jepsen.util", "-"] {
        return Err(expected());
    }
    let [process, kind, f] = [(); 3].map(|()| word(&mut rest));
    let value = rest.trim();
    if f.is_empty() {
        return Err(expected());
    }
    let value = if value.is_empty() { Datum::Nil } else { edn::datum(value)? };
    let field = |name, value| (Datum::Keyword(Cow::Borrowed(name)), value);
    Ok(Datum::Map(vec![
        field("process", edn::datum(process)?),
        field("type", edn::datum(kind)?),
        field("f", edn::datum(f)?),
        field("value", value),
    ]))
}

/// The next word; empty at the end.
fn word<'t>(rest: &mut &'t str) -> &'t str {
    let text = rest.trim_start();
    let (word, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    *rest = after;
    word
}
