//! Which operations of unknown outcome have taken effect, as counts by their class: two that ask the same are
//! exchangeable, so nobody needs to know which of them it was.

use super::table::{NONE, Table};
use std::collections::BTreeMap;

/// The number of a bag; 0 is the empty one.
pub(super) type Bag = u32;

/// Every bag that was met, by its number.
pub(super) struct Bags {
    /// Class and count, ascending by class, no count zero.
    contents: Vec<Vec<(u32, u32)>>,
    numbers: BTreeMap<Vec<(u32, u32)>, Bag>,
    added: Table,
}

impl Bags {
    pub fn new() -> Bags {
        let mut bags = Bags { contents: Vec::new(), numbers: BTreeMap::new(), added: Table::new() };
        bags.number(Vec::new());
        bags
    }

    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// How many of a class are in it.
    pub fn count(&self, bag: Bag, class: u32) -> u32 {
        let contents = &self.contents[bag as usize];
        contents.iter().find(|(other, _)| *other == class).map_or(0, |(_, count)| *count)
    }

    /// With one more of a class.
    pub fn with(&mut self, bag: Bag, class: u32) -> Bag {
        let known = *self.added.entry((bag, u64::from(class)));
        if known != NONE {
            return known;
        }
        let mut contents = self.contents[bag as usize].clone();
        match contents.binary_search_by_key(&class, |(other, _)| *other) {
            Ok(place) => contents[place].1 += 1,
            Err(place) => contents.insert(place, (class, 1)),
        }
        let number = self.number(contents);
        *self.added.entry((bag, u64::from(class))) = number;
        number
    }

    /// Whether everything in one bag is in the other.
    pub fn within(&self, bag: Bag, other: Bag) -> bool {
        bag == other
            || bag == 0
            || self.contents[bag as usize]
                .iter()
                .all(|(class, count)| *count <= self.count(other, *class))
    }

    /// Forgets all but these, ascending and the empty one among them, which get their positions for numbers.
    pub fn keep(&mut self, kept: &[Bag]) {
        let all = std::mem::take(&mut self.contents);
        self.numbers.clear();
        self.added.clear();
        for bag in kept {
            self.number(all[*bag as usize].clone());
        }
    }

    fn number(&mut self, contents: Vec<(u32, u32)>) -> Bag {
        let next = self.contents.len() as Bag;
        let number = *self.numbers.entry(contents.clone()).or_insert(next);
        if number == next {
            self.contents.push(contents);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_with_the_same_in_them_are_one_and_the_smaller_is_within() {
        let mut bags = Bags::new();
        let (one, two) = (bags.with(0, 7), bags.with(0, 3));
        let both = bags.with(one, 3);
        assert_eq!(both, bags.with(two, 7));
        let more = bags.with(both, 7);
        assert_eq!((bags.count(more, 7), bags.count(more, 4)), (2, 0));
        assert!(bags.within(0, one) && bags.within(one, both) && bags.within(both, more));
        assert!(!bags.within(one, two) && !bags.within(more, both));
        bags.keep(&[0, more]);
        assert_eq!((bags.len(), bags.count(1, 7), bags.count(1, 3)), (2, 2, 1));
    }
}
