//! Operations that were asked and not answered: those that will be, in slots, and those of unknown outcome, by class.

use super::space::Class;

/// Operations with a known answer that may be open at once.
pub(super) const OPEN_MAX: usize = 64;

/// Operations of unknown outcome that ask the same.
#[derive(Clone)]
pub(super) struct Unknown {
    pub class: Class,
    /// In the order of their invocations.
    pub operations: Vec<u32>,
}

/// What is open.
#[derive(Clone)]
pub(super) struct Open {
    occupied: u64,
    /// Of these, the ones that change nothing.
    pure: u64,
    slots: [(u32, Class); OPEN_MAX],
    unknown: Vec<Unknown>,
}

impl Open {
    pub fn new() -> Open {
        Open { occupied: 0, pure: 0, slots: [(0, 0); OPEN_MAX], unknown: Vec::new() }
    }

    /// False if there is no slot left.
    pub fn add(&mut self, operation: u32, class: Class, is_pure: bool) -> bool {
        let slot = self.occupied.trailing_ones();
        if slot as usize == OPEN_MAX {
            return false;
        }
        self.occupied |= 1 << slot;
        self.pure |= u64::from(is_pure) << slot;
        self.slots[slot as usize] = (operation, class);
        true
    }

    pub fn add_unknown(&mut self, operation: u32, class: Class) {
        match self.unknown.iter_mut().find(|unknown| unknown.class == class) {
            Some(unknown) => unknown.operations.push(operation),
            None => self.unknown.push(Unknown { class, operations: vec![operation] }),
        }
    }

    /// Takes back the last [`Open::add_unknown`].
    pub fn take_back_unknown(&mut self, class: Class) {
        let Some(place) = self.unknown.iter().position(|unknown| unknown.class == class) else {
            return;
        };
        self.unknown[place].operations.pop();
        if self.unknown[place].operations.is_empty() {
            self.unknown.remove(place);
        }
    }

    /// Takes back the removal of an operation from its slot.
    pub fn put_back(&mut self, slot: u32, operation: u32, class: Class, is_pure: bool) {
        self.occupied |= 1 << slot;
        self.pure |= u64::from(is_pure) << slot;
        self.slots[slot as usize] = (operation, class);
    }

    /// The slot's bit of an operation that is open.
    pub fn bit(&self, operation: u32) -> u64 {
        let slot = bits(self.occupied).find(|slot| self.operation(*slot) == operation);
        1 << slot.expect("only what was asked is answered")
    }

    pub fn remove(&mut self, bit: u64) {
        self.occupied &= !bit;
        self.pure &= !bit;
    }

    /// The slots of those that change nothing.
    pub fn pure(&self) -> u64 {
        self.pure
    }

    /// The slots of the others.
    pub fn changing(&self) -> u64 {
        self.occupied & !self.pure
    }

    pub fn operation(&self, slot: u32) -> u32 {
        self.slots[slot as usize].0
    }

    pub fn class(&self, slot: u32) -> Class {
        self.slots[slot as usize].1
    }

    pub fn unknown(&self) -> &[Unknown] {
        &self.unknown
    }

    /// All in slots but one.
    pub fn others(&self, operation: u32) -> Vec<usize> {
        let open = bits(self.occupied).map(|slot| self.operation(slot));
        sorted(open.filter(|other| *other != operation))
    }

    /// All of unknown outcome.
    pub fn unknown_operations(&self) -> Vec<usize> {
        sorted(self.unknown.iter().flat_map(|unknown| unknown.operations.iter().copied()))
    }
}

fn sorted(operations: impl Iterator<Item = u32>) -> Vec<usize> {
    let mut operations: Vec<usize> = operations.map(|operation| operation as usize).collect();
    operations.sort_unstable();
    operations
}

/// The places of the bits that are set, ascending.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(bit)
    })
}
