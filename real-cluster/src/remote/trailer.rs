//! The last line of what a command writes to standard error: its exit status, written by the shell that ran it. Without it nobody
//! saw the end, whatever else came.

use super::command::quoted;

/// What the line begins with.
const MARK: &str = "@ended=";

/// The line for a shell that runs this one and then writes the trailer.
pub fn with_trailer(line: &str) -> String {
    let script = format!("( {line}\n); printf '\\n{MARK}%d\\n' \"$?\" >&2");
    format!("sh -c {}", quoted(&script))
}

/// Standard error without the trailer, and the status; `None` if the trailer is not there, whole and at the end.
pub fn parted(stderr: &[u8]) -> Option<(i32, String)> {
    let text = String::from_utf8_lossy(stderr);
    let body = text.strip_suffix('\n')?;
    let (said, last) = body.rsplit_once('\n')?;
    let status = last.strip_prefix(MARK)?.parse().ok()?;
    Some((status, said.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn run(line: &str) -> Option<(i32, String)> {
        let output = Command::new("sh").arg("-c").arg(with_trailer(line)).output().expect("sh");
        parted(&output.stderr)
    }

    #[test]
    fn the_status_comes_back_whatever_the_command_wrote() {
        assert_eq!(run("true"), Some((0, String::new())));
        assert_eq!(run("exit 7"), Some((7, String::new())));
        assert_eq!(
            run("kill -9 $$; :").map(|(status, _)| status),
            None,
            "the shell itself is gone"
        );
        assert_eq!(run("sh -c 'kill -9 $$'").map(|(status, _)| status), Some(137));
        assert_eq!(
            run("printf 'no line end' >&2; exit 255"),
            Some((255, "no line end".to_owned()))
        );
        assert_eq!(run("echo @ended=0 >&2; exit 3"), Some((3, "@ended=0\n".to_owned())));
    }

    #[test]
    fn a_trailer_that_is_not_whole_is_none() {
        for stderr in
            ["", "\n", "warning\n", "\n@ended=", "\n@ended=0", "\n@ended=x\n", "@ended=0\nmore\n"]
        {
            assert_eq!(parted(stderr.as_bytes()), None, "{stderr:?}");
        }
    }
}
