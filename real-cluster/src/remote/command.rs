//! A command for a host: words, never a line. The line that a shell reads is made here and nowhere else, by quoting each word.

use std::path::PathBuf;
use std::time::Duration;

/// What a command may take if nobody says otherwise.
const DEADLINE: Duration = Duration::from_secs(15);

/// Words with what goes in and where it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    title: Option<String>,
    /// Standard input.
    pub(crate) input: Input,
    /// Standard output.
    pub(crate) output: Sink,
    /// From the asking to the end.
    pub(crate) deadline: Duration,
}

/// Standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    #[default]
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is in this file here.
    File(PathBuf),
}

/// Standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sink {
    /// [`super::Output::stdout`].
    #[default]
    Memory,
    /// A file here, made afresh.
    File(PathBuf),
}

impl Command {
    /// A program, looked up in the host's PATH.
    pub fn new(program: impl Into<String>) -> Command {
        Command {
            words: vec![program.into()],
            title: None,
            input: Input::None,
            output: Sink::Memory,
            deadline: DEADLINE,
        }
    }

    /// A POSIX shell script. Its arguments are `$1`, `$2`, …: values never become a part of the script.
    pub fn script(title: &str, script: &str) -> Command {
        let mut command = Command::new("sh").args(["-c", script, title]);
        command.title = Some(title.to_owned());
        command
    }

    /// One more word.
    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Command {
        self.words.push(word.into());
        self
    }

    /// More words.
    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Command {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// With these bytes as standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Command {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// With a file of this machine as standard input.
    #[must_use]
    pub fn input_of(mut self, file: impl Into<PathBuf>) -> Command {
        self.input = Input::File(file.into());
        self
    }

    /// With standard output written to a file of this machine.
    #[must_use]
    pub fn into_file(mut self, file: impl Into<PathBuf>) -> Command {
        self.output = Sink::File(file.into());
        self
    }

    /// With another deadline.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Command {
        self.deadline = deadline;
        self
    }

    /// How it is called in messages: its words, or a script's title with its arguments.
    pub fn title(&self) -> String {
        match &self.title {
            None => self.line(),
            Some(title) => {
                let arguments = self.words.iter().skip(4);
                std::iter::once(title)
                    .chain(arguments)
                    .map(|word| quoted(word))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }

    /// The line that makes a POSIX shell run it.
    pub fn line(&self) -> String {
        self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%^".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The words of a line of [`quoted`] words; an error if it is none.
pub fn unquoted(line: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{line}` is no line of words: a quote is not closed");
    let (mut words, mut word, mut rest) = (Vec::new(), None, line.chars());
    while let Some(c) = rest.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let inside: &mut String = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or_else(wrong)? {
                        '\'' => break,
                        c => inside.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next().ok_or_else(wrong)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    #[test]
    fn a_shell_reads_back_every_word_as_it_was() {
        let all: String = (1..=0x17f).filter_map(char::from_u32).collect();
        let words = [
            "", " ", "a b", "$HOME", "`id`", "it's", "'", "\\", "a\nb", "*", "~", "-n", "#", "!",
            &all,
        ];
        let command = Command::new("printf").arg("%s\\0").args(words);
        let output =
            process::Command::new("sh").arg("-c").arg(command.line()).output().expect("sh");
        let expected: Vec<u8> =
            words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        assert_eq!(output.stdout, expected, "{}", String::from_utf8_lossy(&output.stderr));
        let line = words.map(quoted).join(" ");
        assert_eq!(unquoted(&line).expect("they are quoted"), words);
        assert_eq!(unquoted("").expect("nothing"), Vec::<String>::new());
        assert!(unquoted("a 'b").is_err() && unquoted("a \\").is_err());
    }

    #[test]
    fn a_script_gets_its_arguments_and_is_told_by_its_title() {
        let command = Command::script("greet", "echo \"$0: $1 and $2\"").args(["it's", "$(id)"]);
        assert_eq!(command.title(), r"greet 'it'\''s' '$(id)'");
        let output =
            process::Command::new("sh").arg("-c").arg(command.line()).output().expect("sh");
        assert_eq!(output.stdout, b"greet: it's and $(id)\n");
    }
}
