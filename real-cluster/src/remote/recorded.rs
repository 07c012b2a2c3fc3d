//! A remote that is no machine: it keeps every line and answers as it was told. So a test can say which words exactly a fault
//! takes, where no machine is.

use super::{Command, Input, Output, Remote, RemoteError};
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use std::collections::VecDeque;

/// What to answer to lines that begin so.
type Answer = (String, Result<Output, RemoteError>);

/// Lines and answers.
#[derive(Default)]
pub struct Recorded {
    name: String,
    lines: RefCell<Vec<String>>,
    answers: RefCell<Vec<Answer>>,
    once: RefCell<VecDeque<Answer>>,
}

impl Recorded {
    /// Called so in messages; answers to everything with success and silence.
    pub fn named(name: impl Into<String>) -> Recorded {
        Recorded { name: name.into(), ..Recorded::default() }
    }

    /// From now on, titles that begin so are answered so; the newest that fits counts.
    pub fn answer(&self, beginning: &str, answer: Result<Output, RemoteError>) {
        self.answers.borrow_mut().push((beginning.to_owned(), answer));
    }

    /// The next title that begins so is answered so, whatever else was said; after that the next but one.
    pub fn answer_once(&self, beginning: &str, answer: Result<Output, RemoteError>) {
        self.once.borrow_mut().push_back((beginning.to_owned(), answer));
    }

    /// The same with a success that says this.
    pub fn says(&self, beginning: &str, stdout: &str) {
        self.answer(beginning, Ok(Output { stdout: stdout.into(), ..Output::default() }));
    }

    /// What was run since it was last asked, by title; standard input that is text follows, indented.
    pub fn lines(&self) -> Vec<String> {
        self.lines.take()
    }
}

impl Recorded {
    fn answer_to(&self, title: &str) -> Result<Output, RemoteError> {
        let fits = |(beginning, _): &&Answer| title.starts_with(beginning.as_str());
        let mut once = self.once.borrow_mut();
        if let Some(at) = once.iter().position(|answer| fits(&answer))
            && let Some((_, answer)) = once.remove(at)
        {
            return answer;
        }
        let answers = self.answers.borrow();
        let answer = answers.iter().rev().find(fits);
        answer.map_or_else(|| Ok(Output::default()), |(_, answer)| answer.clone())
    }
}

impl Remote for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    fn run<'a>(&'a self, command: &'a Command) -> LocalBoxFuture<'a, Result<Output, RemoteError>> {
        let title = command.title();
        let answer = self.answer_to(&title);
        let mut lines = self.lines.borrow_mut();
        lines.push(title);
        if let Input::Bytes(bytes) = &command.input {
            let text = String::from_utf8_lossy(bytes);
            lines.extend(text.lines().map(|line| format!("    {line}")));
        }
        Box::pin(std::future::ready(answer))
    }
}
