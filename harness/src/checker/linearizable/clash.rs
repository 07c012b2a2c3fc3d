//! Why no order explains an object's answers, as sentences and the calls that show it: what is found without a search.
//! What is said is for the finder to know; how a call is told, `words` knows.

/// What is wrong. Calls are named by their positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// In one sentence, without an end.
    pub what: String,
    /// Why, line by line.
    pub lines: Vec<Line>,
}

/// A line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Said(String),
    Call(usize),
}

impl Clash {
    pub fn new(what: impl Into<String>) -> Clash {
        Clash { what: what.into(), lines: Vec::new() }
    }

    /// The late one must have come before the early one, which had ended before it was asked for.
    pub fn reversed(late: usize, early: usize) -> Clash {
        let what = "of two calls the one that must have come first was asked for after the other had ended";
        Clash::new(what).call(early).call(late)
    }

    /// And a sentence.
    pub fn said(mut self, sentence: impl Into<String>) -> Clash {
        self.lines.push(Line::Said(sentence.into()));
        self
    }

    /// And a call.
    pub fn call(mut self, operation: usize) -> Clash {
        self.lines.push(Line::Call(operation));
        self
    }
}

/// The latest of some invocations, and whose it is; `None` of none of them. What must come after all of them and ended
/// before cannot have.
pub(super) type Latest = Option<(usize, usize)>;
