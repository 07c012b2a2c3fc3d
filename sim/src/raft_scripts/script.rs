//! The file format (`cockroachdb/datadriven`): comments, and commands with arguments, input and expected output.

use super::Stuck;

/// One command with what it should print.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    /// Where it stands, from 1.
    pub line: usize,
    /// As it was written.
    pub text: String,
    /// Its first word.
    pub name: String,
    /// The words that follow.
    pub args: Vec<Arg>,
    /// The lines between the command and `----`.
    pub input: String,
    /// The lines after it.
    pub expected: String,
}

/// `key`, `key=value` or `key=(value, value)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arg {
    pub key: String,
    pub values: Vec<String>,
}

impl Command {
    /// The arguments without a value.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter(|arg| arg.values.is_empty()).map(|arg| arg.key.as_str())
    }

    /// The arguments with values.
    pub fn options(&self) -> impl Iterator<Item = (&str, &[String])> {
        let with_values = self.args.iter().filter(|arg| !arg.values.is_empty());
        with_values.map(|arg| (arg.key.as_str(), arg.values.as_slice()))
    }

    /// The only value of an option.
    pub fn option(&self, key: &str) -> Result<&str, String> {
        let found = self.options().find(|(name, _)| *name == key);
        match found.map(|(_, values)| values) {
            Some([value]) => Ok(value),
            Some(_) => Err(format!("{} wants one value of {key}", self.name)),
            None => Err(format!("{} wants {key}=…", self.name)),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Command>, Stuck> {
    let lines: Vec<&str> = text.lines().collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let first = lines[at].trim();
        if first.is_empty() || first.starts_with('#') {
            at += 1;
            continue;
        }
        let line = at + 1;
        let (mut command, mut next) = head(&lines, at);
        command.line = line;
        let Some(rule) = lines[next..].iter().position(|line| *line == "----") else {
            let what = format!("`{}` has no line `----` with what it should print", command.text);
            return Err(Stuck { line, what });
        };
        command.input = lines[next..next + rule].join("\n");
        next += rule + 1;
        let (expected, end) = expected(&lines, next);
        command.expected = expected.join("\n");
        commands.push(command);
        at = end;
    }
    Ok(commands)
}

/// The command's own lines: one, or several that end in a backslash.
fn head(lines: &[&str], from: usize) -> (Command, usize) {
    let mut text = String::new();
    let mut at = from;
    loop {
        let line = lines[at].trim();
        at += 1;
        match line.strip_suffix('\\') {
            Some(part) if at < lines.len() => {
                text.push_str(part.trim_end());
                text.push(' ');
            }
            _ => {
                text.push_str(line);
                break;
            }
        }
    }
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let command = Command { name: name.to_owned(), args: args(rest), ..Command::default() };
    (Command { text, ..command }, at)
}

/// Up to the next empty line; or, after a second `----`, up to a pair of them.
fn expected<'a>(lines: &[&'a str], from: usize) -> (Vec<&'a str>, usize) {
    let doubled = lines.get(from) == Some(&"----");
    let rest = &lines[from + usize::from(doubled)..];
    let length = match doubled {
        true => rest.windows(2).position(|pair| pair == ["----", "----"]),
        false => rest.iter().position(|line| line.trim().is_empty()),
    };
    let length = length.unwrap_or(rest.len());
    let end = from + if doubled { 1 + length + 2 } else { length };
    (rest[..length].to_vec(), end.min(lines.len()))
}

fn args(mut rest: &str) -> Vec<Arg> {
    let mut args = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return args;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let key = rest[..end].to_owned();
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix('=') else {
            args.push(Arg { key, values: Vec::new() });
            continue;
        };
        let (values, after) = match value.strip_prefix('(') {
            Some(list) => list.split_once(')').unwrap_or((list, "")),
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        rest = after;
        let values = values.split([',', ' ']).map(str::trim).filter(|value| !value.is_empty());
        args.push(Arg { key, values: values.map(str::to_owned).collect() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_has_words_options_input_and_what_it_should_print() {
        let text = "# why\n\npropose-conf-change 1 v1=true a=(1, 2) \\\n  b=(3 4)\nv2 l3\n----\nok\nmore\n\nstatus 1\n----\n";
        let commands = parse(text).unwrap();
        let [change, status] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!((change.line, change.name.as_str()), (3, "propose-conf-change"));
        assert_eq!(change.words().collect::<Vec<_>>(), ["1"]);
        let options: Vec<(&str, &[String])> = change.options().collect();
        assert_eq!(options[0], ("v1", &["true".to_owned()][..]));
        assert_eq!(options[1], ("a", &["1".to_owned(), "2".to_owned()][..]));
        assert_eq!(options[2], ("b", &["3".to_owned(), "4".to_owned()][..]));
        assert_eq!((change.input.as_str(), change.expected.as_str()), ("v2 l3", "ok\nmore"));
        assert_eq!((status.line, status.expected.as_str()), (10, ""));
    }

    #[test]
    fn output_with_empty_lines_stands_between_pairs_of_rules() {
        let commands = parse("a\n----\n----\none\n\ntwo\n----\n----\n\nb\n----\nok\n").unwrap();
        assert_eq!(commands[0].expected, "one\n\ntwo");
        assert_eq!(commands[1].name, "b");
    }
}
