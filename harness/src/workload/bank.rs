//! Jepsen's bank: money moves between accounts, and what all of them hold together never changes.

use super::shape::Shape;
use crate::generator::{Context, Generator, Next};
use crate::history::Event;
use crate::op::{Account, Bank, Op};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// How many there are, numbered from 0.
pub const ACCOUNTS: Account = 8;

/// The most that moves at once.
const AMOUNT_MAX: u64 = 5;

/// The generator of the workload: never exhausted. Of its shape it has how much reads, and how accounts are chosen.
pub struct Transfers {
    shape: Shape,
}

impl Transfers {
    /// Of the shape given.
    pub fn new(shape: Shape) -> Transfers {
        Transfers { shape }
    }

    fn bank(&self, rng: &mut ChaCha8Rng) -> Bank {
        if self.shape.reads(rng) {
            return Bank::Read { balances: None };
        }
        let from = self.shape.slot(ACCOUNTS as usize, rng) as Account;
        let other = rng.range(1, ACCOUNTS);
        let to = (from + other) % ACCOUNTS;
        let amount = rng.range(1, AMOUNT_MAX + 1) as i64;
        Bank::Transfer { from, to, amount }
    }
}

impl Generator for Transfers {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let Some(thread) = context.free(rng) else { return Next::Pending };
        Next::Invoke { thread: thread.id, op: Op::Bank(self.bank(rng)) }
    }

    fn update(&mut self, _: &Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};

    #[test]
    fn money_moves_between_two_accounts_that_there_are() {
        let (transfers, mut rng) =
            (Transfers::new(Shape::default()), Seed(7).stream(Stream::Workload));
        let mut moved = 0;
        for _ in 0..2000 {
            if let Bank::Transfer { from, to, amount } = transfers.bank(&mut rng) {
                let there = 0..ACCOUNTS;
                assert!(from != to && there.contains(&from) && there.contains(&to) && amount > 0);
                moved += 1;
            }
        }
        assert!((900..1100).contains(&moved), "{moved}");
    }
}
