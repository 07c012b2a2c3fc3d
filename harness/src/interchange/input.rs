//! The bytes of a history from a file or a pipe, so many at most.
//!
//! Promises that memory is bounded whatever stands at the other end: a device without end, a file that is no text. What
//! bounds the history itself is that it takes about three times the bytes of its text.

use super::ImportError;
use std::io::{self, Read};

/// Bytes of a line, at most: a whole history may stand on one.
pub const LINE_MAX: usize = 1 << 28;
/// Bytes of a history's text, at most: some ten million transactions.
pub const INPUT_MAX: usize = 1 << 32;

/// So much is asked for at a time, and a line may be longer by that before it is noticed.
const CHUNK: usize = 1 << 20;

/// Why the bytes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Whoever has them does not give them.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// They are more than a history has.
    #[error(transparent)]
    Large(#[from] ImportError),
}

/// All bytes of a source: no line of more than [`LINE_MAX`], and no more than [`INPUT_MAX`] in all.
pub fn input(source: impl Read) -> Result<Vec<u8>, InputError> {
    bounded(source, LINE_MAX, INPUT_MAX)
}

fn bounded(
    mut source: impl Read,
    line_max: usize,
    input_max: usize,
) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    // Where the last line began, which may go on.
    let mut line = 0;
    loop {
        let before = bytes.len();
        source.by_ref().take(CHUNK as u64).read_to_end(&mut bytes)?;
        let fresh = &bytes[before..];
        if fresh.is_empty() {
            return Ok(bytes);
        }
        if let Some(newline) = fresh.iter().rposition(|byte| *byte == b'\n') {
            line = before + newline + 1;
        }
        let message = if bytes.len() - line > line_max {
            format!(
                "this line has no end within {line_max} bytes: a line is an op map, or a vector of them"
            )
        } else if bytes.len() > input_max {
            format!(
                "more than {input_max} bytes: the text of a history may have as many, so part it"
            )
        } else {
            continue;
        };
        let number = bytes[..line].iter().filter(|byte| **byte == b'\n').count() + 1;
        return Err(ImportError { line: number, column: None, message }.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused_with_its_line() {
        let endless = b"one\ntwo\n".chain(io::repeat(b'x'));
        let error = bounded(endless, 1 << 21, 1 << 30).unwrap_err().to_string();
        assert!(error.starts_with("line 3: this line has no end within 2097152 bytes"), "{error}");
        let error = bounded(io::repeat(b'\n'), 1 << 21, 1 << 22).unwrap_err().to_string();
        assert!(error.contains(": more than 4194304 bytes: "), "{error}");
    }

    #[test]
    fn what_is_within_bounds_comes_whole() {
        let text = "a line\n".repeat(500_000);
        assert_eq!(bounded(text.as_bytes(), 10, text.len()).unwrap(), text.as_bytes());
        assert_eq!(input(io::empty()).unwrap(), b"");
    }

    #[test]
    fn a_source_that_breaks_off_is_told() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the cable was pulled"))
            }
        }
        let error = input(b"whole\n".chain(Broken)).unwrap_err();
        assert_eq!(error.to_string(), "the cable was pulled");
    }
}
