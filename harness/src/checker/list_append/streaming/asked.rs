//! The elements that were ever to be appended to a list, as runs of numbers: who numbers them as they come takes one run a list,
//! however many there are.

use crate::op::Value;
use std::collections::BTreeMap;

/// By the first of each run its last; between two runs at least one is missing.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<Value, Value>);

impl Asked {
    /// Notes an element; `false` if it was there already.
    pub fn insert(&mut self, value: Value) -> bool {
        let before = self.0.range(..=value).next_back().map(|(first, last)| (*first, *last));
        let first = match before {
            Some((_, last)) if last >= value => return false,
            Some((first, last)) if last + 1 == value => first,
            _ => value,
        };
        let next = value.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(first, next.unwrap_or(value));
        true
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn runs_are_the_set_that_they_stand_for() {
        // Every order of a few numbers, both ends of what there is among them.
        let numbers = [0, 1, 2, 4, Value::MAX - 1, Value::MAX];
        for order in 0..6_usize.pow(6) {
            let (mut asked, mut set) = (Asked::default(), BTreeSet::new());
            for place in 0..6 {
                let value = numbers[order / 6_usize.pow(place) % 6];
                assert_eq!(asked.insert(value), set.insert(value), "{order}");
            }
            let begins = |value: &&Value| **value == 0 || !set.contains(&(**value - 1));
            assert_eq!(asked.runs(), set.iter().filter(begins).count(), "{order}");
        }
    }
}
