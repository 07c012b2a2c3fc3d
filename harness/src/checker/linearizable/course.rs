//! What was asked and answered, in order, as numbers.

use super::search::Operation;
use super::space::Class;

/// A moment of the history.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// The operation was asked.
    Invoked(u32),
    /// It was answered.
    Returned(u32),
}

/// What a search knows of an operation.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub class: Class,
    pub is_pure: bool,
    /// When it was answered, in moments of the history; `None` if nobody knows what became of it.
    pub returned: Option<usize>,
}

/// All of it.
pub(super) struct Course {
    pub asked: Vec<Asked>,
    pub moments: Vec<Moment>,
}

impl Course {
    /// Of operations with their classes, some of which change nothing.
    pub fn new<O>(operations: &[Operation<O>], classes: &[Class], pure: &[bool]) -> Course {
        let traits = |(class, operation): (&Class, &Operation<O>)| Asked {
            class: *class,
            is_pure: pure[*class as usize],
            returned: operation.returned,
        };
        let asked = classes.iter().zip(operations).map(traits).collect();
        Course { asked, moments: moments(operations) }
    }
}

fn moments<O>(operations: &[Operation<O>]) -> Vec<Moment> {
    let numbered = || operations.iter().enumerate();
    let mut moments: Vec<(usize, Moment)> = Vec::with_capacity(operations.len() * 2);
    moments.extend(numbered().map(|(i, o)| (o.invoked, Moment::Invoked(i as u32))));
    let returned = |(i, o): (usize, &Operation<O>)| Some((o.returned?, Moment::Returned(i as u32)));
    moments.extend(numbered().filter_map(returned));
    moments.sort_by_key(|(at, _)| *at);
    moments.into_iter().map(|(_, moment)| moment).collect()
}
