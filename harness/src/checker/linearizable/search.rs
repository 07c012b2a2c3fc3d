//! Whether some order of operations explains every answer.
//!
//! A configuration is what one class of orders has come to: a state, which of the open operations have taken effect, and
//! which of those of unknown outcome. Both searches walk configurations:
//! - an operation that changes no state takes effect as soon as it is possible: that costs an order nothing. A write of
//!   the value that is there already must wait like any other, since later it may change something;
//! - operations of unknown outcome may take effect at any time after their invocation, or never.
//!
//! The broad search keeps all that are possible at a moment, but for those of which another can do all that they can: it
//! has used fewer operations of unknown outcome, or more that change nothing have taken effect. The deep one follows one order as far as it
//! goes, as Wing and Gong (1993) did, and remembers where it was (Lowe 2017). Each is exact. The broad one is quick where
//! the states are few, and streams; the deep one where most orders come to nothing soon, as of a list whose every order
//! is another state. So the broad one goes first, narrowly; then the deep one; then the broad one again with all it may
//! use. Each costs exponentially in the number of operations that are open at once and change something; [`Caps`] say
//! when to give up.

use super::broad;
use super::course::Course;
use super::deep;
use super::model::Model;
use super::space::{Automaton, Space, Steps, classes};

/// An operation and when it took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<O> {
    /// What the model knows of it.
    pub what: O,
    /// When it was asked: a place in an order that no two moments share.
    pub invoked: usize,
    /// When it was answered; `None` if its outcome is unknown: from its invocation on it may take effect, or never.
    pub returned: Option<usize>,
}

impl<O> Operation<O> {
    /// By when it has taken effect, if it ever does.
    pub(super) fn end(&self) -> usize {
        self.returned.unwrap_or(usize::MAX)
    }
}

/// When to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Configurations between two answers, at which the deep search has its turn.
    pub narrow: usize,
    /// Configurations of the deep search.
    pub deep: usize,
    /// Configurations between two answers, in the end.
    pub configurations: usize,
    /// Configurations in all, over the answers of one object.
    pub visited: u64,
}

impl Default for Caps {
    /// A quarter of a million at once and 300 million in all: less than a minute, and less than 64 MB beside the states.
    fn default() -> Caps {
        Caps { narrow: 4096, deep: 1_000_000, configurations: 1 << 18, visited: 300_000_000 }
    }
}

/// What came of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Some order explains every answer.
    Linearizable,
    /// None does.
    Stuck(Stuck),
    /// Nobody knows.
    Capped(Capped),
}

/// Where no order went on. Operations are named by their positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// It returned, and in no order can it have taken effect by then.
    pub operation: usize,
    /// Every state that was possible when it was tried, in words, the first few of them.
    pub states: Vec<String>,
    /// How many there were.
    pub states_total: usize,
    /// What else was open.
    pub open: Vec<usize>,
    /// What had an unknown outcome.
    pub unknown: Vec<usize>,
    /// The end of one of the longest orders that explain all that had returned before.
    pub order: Vec<usize>,
    /// Whether that order began before.
    pub order_is_cut: bool,
    /// The state that it leaves.
    pub left: String,
}

/// Where a search gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capped {
    /// Why, in words.
    pub cap: String,
    /// The operation whose invocation or return it was at.
    pub operation: usize,
    /// How many configurations there were then.
    pub configurations: usize,
    /// Where the deep search had given up before.
    pub deep: Option<CappedDeep>,
}

/// Where the deep search gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CappedDeep {
    /// Why, in words.
    pub cap: String,
    /// The furthest operation that it came to.
    pub operation: usize,
}

/// Possible states that are put into words.
pub(super) const STATES_TOLD: usize = 8;

/// Searches for an order of a model's operations.
pub fn search<O: Ord, M: Model<O>>(model: &M, operations: &[Operation<O>], caps: &Caps) -> Found {
    let (classes, of) = classes(operations.iter().map(|operation| &operation.what));
    let pure: Vec<bool> = classes.iter().map(|class| model.is_pure(class)).collect();
    let course = Course::new(operations, &of, &pure);
    let broad = |configurations: usize| {
        let mut space = Space::new(model, classes.clone());
        let caps = Caps { configurations, ..*caps };
        broad::search(&course, Automaton::new(&mut space as &mut dyn Steps), &caps)
    };
    let quick = broad(caps.narrow.min(caps.configurations));
    if !matches!(quick, Found::Capped(_)) {
        return quick;
    }
    let mut space = Space::new(model, classes.clone());
    match deep::search(&course, Automaton::new(&mut space as &mut dyn Steps), caps.deep) {
        Ok(found) => found,
        Err(deep) => match broad(caps.configurations) {
            Found::Capped(capped) => Found::Capped(Capped { deep: Some(deep), ..capped }),
            found => found,
        },
    }
}
