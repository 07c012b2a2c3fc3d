//! Single links that are impaired: what each sort does to one message, drawn from the two numbers that the message takes in any case.
//!
//! Each sort mixes the two numbers in its own way, so that what one does to a message says nothing of what another does. Links of
//! clients are no links between nodes and are never impaired.

use super::impairment::{MS, SECOND};
use super::trip::{CHANCE_BITS, happens};
use harness::fault::{Impairment, Sort};

/// The bytes in one packet of a stream that drips.
const DRIP_BYTES: usize = 8;
/// At most so much of a stream that drips is under way: what takes longer than a kernel's patience is sent again and again.
const DRIP_WINDOW_NS: u64 = 100 * MS;

/// What is impaired, of each sort once at most.
#[derive(Default)]
pub(super) struct Impairments(Vec<Impaired>);

struct Impaired {
    /// By link.
    links: Vec<bool>,
    how: Impairment,
    injection: u32,
}

/// What the impairments of its link do to one message, and the injections that count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Harm {
    pub(super) lost: Option<u32>,
    pub(super) doubled: Option<u32>,
    pub(super) damaged: Option<u32>,
    pub(super) late: Option<(Impairment, u32)>,
    /// For so long.
    pub(super) held: Option<(u64, u32)>,
    /// Nanoseconds that a KiB takes.
    pub(super) narrow: Option<(u64, u32)>,
}

/// How a byte stream passes a link on which it drips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drip {
    ns_per_byte: u64,
    pub(super) injection: u32,
}

impl Impairments {
    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces what was of its sort.
    pub(super) fn impair(&mut self, links: Vec<bool>, how: Impairment, injection: u32) {
        self.mend(how.sort());
        if how.harms() && links.contains(&true) {
            self.0.push(Impaired { links, how, injection });
        }
    }

    pub(super) fn mend(&mut self, sort: Sort) {
        self.0.retain(|impaired| impaired.how.sort() != sort);
    }

    fn of(&self, link: usize) -> impl Iterator<Item = &Impaired> {
        self.0.iter().filter(move |impaired| impaired.links[link])
    }

    /// What becomes of a message with these two numbers on this link.
    pub(super) fn harm(&self, link: usize, fate: u64, delay: u64) -> Harm {
        let mut harm = Harm::default();
        for &Impaired { how, injection, .. } in self.of(link) {
            let bits = mixed(fate, delay, how.sort());
            let happens = |percent| chance(bits, percent).then_some(injection);
            match how {
                Impairment::Late { .. } => harm.late = Some((how, injection)),
                Impairment::Lost { percent } => harm.lost = happens(percent),
                Impairment::Doubled { percent } => harm.doubled = happens(percent),
                Impairment::Damaged { percent } => harm.damaged = happens(percent),
                Impairment::Reordered { percent, within_ms } => {
                    let held = 1 + uniform(bits, u64::from(within_ms) * MS);
                    harm.held = happens(percent).map(|injection| (held, injection));
                }
                Impairment::Narrow { kib_per_s } => {
                    harm.narrow = Some((SECOND / u64::from(kib_per_s.max(1)), injection));
                }
                Impairment::Dripping { .. } => {}
            }
        }
        harm
    }

    pub(super) fn drip(&self, link: usize) -> Option<Drip> {
        self.of(link).find_map(|impaired| match impaired.how {
            Impairment::Dripping { bytes_per_s } => {
                let ns_per_byte = SECOND / u64::from(bytes_per_s.max(1));
                Some(Drip { ns_per_byte, injection: impaired.injection })
            }
            _ => None,
        })
    }
}

impl Harm {
    /// What was decreed of a message, no impairment changes; it may only be late.
    pub(super) fn but_for_its_fate(self) -> Harm {
        Harm { lost: None, doubled: None, damaged: None, ..self }
    }

    /// How much later a copy with these numbers is.
    pub(super) fn late_by(&self, fate: u64, delay: u64) -> u64 {
        let Some((Impairment::Late { base_ms, jitter_ms, tail_percent, tail_ms }, _)) = self.late
        else {
            return 0;
        };
        let bits = mixed(fate, delay, Sort::Latency);
        let usual = u64::from(base_ms) * MS + uniform(bits, u64::from(jitter_ms) * MS);
        if !chance(bits, tail_percent) {
            return usual;
        }
        // Each halving of its far end is equally likely, uniform inside.
        let further = mixed(delay, fate, Sort::Latency);
        let half = ((u64::from(tail_ms) * MS) >> (further & 7)) / 2;
        usual + half + uniform(further, half)
    }
}

impl Drip {
    /// The bytes in one packet.
    pub(crate) fn packet_bytes(self) -> usize {
        DRIP_BYTES
    }

    /// The bytes that may be under way.
    pub(crate) fn window_bytes(self) -> usize {
        ((DRIP_WINDOW_NS / self.ns_per_byte) as usize).max(1)
    }

    /// When the last of so many bytes has come through, if the one before them has at `dripped_until`.
    pub(super) fn pass(self, dripped_until: u64, bytes: usize, now: u64) -> u64 {
        dripped_until.max(now) + bytes as u64 * self.ns_per_byte
    }
}

/// 64 bits that hang on all bits of both numbers, others for each sort (the finalizer of splitmix64).
fn mixed(fate: u64, delay: u64, sort: Sort) -> u64 {
    let salt = (sort as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (fate ^ delay.rotate_left(32)).wrapping_add(salt);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Whether the lower bits say that it happens.
fn chance(bits: u64, percent: u8) -> bool {
    happens(bits & ((1 << CHANCE_BITS) - 1), u64::from(percent.min(100)) * 10_000)
}

/// Up to so much, by the upper bits.
fn uniform(bits: u64, most: u64) -> u64 {
    ((u128::from(bits >> 24) * u128::from(most + 1)) >> 40) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(how: Impairment) -> Impairments {
        let mut all = Impairments::default();
        all.impair(vec![false, true], how, 7);
        all
    }

    /// The harm to many messages.
    fn harms(how: Impairment) -> Vec<(Harm, u64)> {
        let impairments = all(how);
        let number = |k: u64| k.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9;
        (0..10_000u64)
            .map(|k| (number(2 * k), number(2 * k + 1)))
            .map(|(fate, delay)| {
                let harm = impairments.harm(1, fate, delay);
                (harm, harm.late_by(fate, delay))
            })
            .collect()
    }

    #[test]
    fn as_many_messages_are_harmed_as_was_said_and_by_one_sort_alone() {
        let sorts: [(Impairment, fn(&Harm) -> Option<u32>); 4] = [
            (Impairment::Lost { percent: 20 }, |harm| harm.lost),
            (Impairment::Doubled { percent: 20 }, |harm| harm.doubled),
            (Impairment::Damaged { percent: 20 }, |harm| harm.damaged),
            (Impairment::Reordered { percent: 20, within_ms: 40 }, |harm| {
                harm.held.map(|(_, injection)| injection)
            }),
        ];
        for (how, of) in sorts {
            let harmed: Vec<Harm> = harms(how).into_iter().map(|(harm, _)| harm).collect();
            let count = harmed.iter().filter(|harm| of(harm) == Some(7)).count();
            assert!((1_900..2_100).contains(&count), "{how}: {count} of 10,000");
            let others = harmed.iter().filter(|harm| **harm != Harm::default()).count();
            assert_eq!(others, count, "{how}");
            let held = harmed.iter().filter_map(|harm| harm.held).map(|(held, _)| held);
            assert!(held.clone().all(|held| (1..=40 * MS + 1).contains(&held)));
        }
        assert_eq!(all(Impairment::Lost { percent: 100 }).harm(0, 1, 2), Harm::default());
    }

    #[test]
    fn sorts_say_nothing_of_each_other() {
        let mut both = all(Impairment::Lost { percent: 50 });
        both.impair(vec![true, true], Impairment::Damaged { percent: 50 }, 8);
        let count = (0..10_000u64)
            .map(|k| both.harm(1, k << 20, k.wrapping_mul(77)))
            .filter(|harm| harm.lost.is_some() && harm.damaged.is_some())
            .count();
        assert!((2_350..2_650).contains(&count), "{count} of 10,000 both");
    }

    #[test]
    fn lateness_has_a_base_a_jitter_and_a_tail() {
        let how = Impairment::Late { base_ms: 10, jitter_ms: 5, tail_percent: 10, tail_ms: 1_000 };
        let late: Vec<u64> = harms(how).into_iter().map(|(_, late)| late).collect();
        assert!(late.iter().all(|late| (10 * MS..=1_015 * MS).contains(late)));
        let tail = late.iter().filter(|late| **late > 15 * MS).count();
        assert!((850..1_050).contains(&tail), "{tail} of 10,000 in the tail");
        let far = late.iter().filter(|late| **late > 500 * MS).count();
        assert!((80..180).contains(&far), "{far} of 10,000 in its farther half");
        let (least, most) = (late.iter().min(), late.iter().filter(|late| **late <= 15 * MS).max());
        assert!(least < Some(&(10 * MS + MS / 10)) && most > Some(&(15 * MS - MS / 10)));
    }

    #[test]
    fn of_a_sort_the_later_one_counts_and_what_does_nothing_ends_it() {
        let mut one = all(Impairment::Lost { percent: 100 });
        one.impair(vec![true, false], Impairment::Lost { percent: 100 }, 9);
        assert_eq!((one.harm(0, 1, 2).lost, one.harm(1, 1, 2).lost), (Some(9), None));
        one.mend(Sort::Damage);
        assert!(!one.is_none());
        one.impair(vec![true, true], Impairment::Lost { percent: 0 }, 10);
        assert!(one.is_none());
    }

    #[test]
    fn what_drips_comes_at_its_rate_and_little_is_under_way() {
        let drip = all(Impairment::Dripping { bytes_per_s: 1_000 }).drip(1).expect("it drips");
        assert_eq!((drip.window_bytes(), drip.packet_bytes()), (100, 8));
        assert_eq!(drip.pass(0, 8, SECOND), SECOND + 8 * MS);
        assert_eq!(drip.pass(3 * SECOND, 8, SECOND), 3 * SECOND + 8 * MS);
        assert!(
            all(Impairment::Dripping { bytes_per_s: 0 }).drip(1).expect("slow").window_bytes() == 1
        );
        assert!(all(Impairment::Dripping { bytes_per_s: 9 }).drip(0).is_none());
    }
}
