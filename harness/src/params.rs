//! The swarm choice: which of the enabled faults a run uses, how often and on whom. Drawn before anything is broken, and told.
//!
//! Swarm testing (Groce et al., ISSTA 2012): a run that does everything a little hides what needs much of one thing. So a seed
//! draws a mask over the kinds enabled, a weight for each kind that it left, and among which shapes, targets and senders each
//! chooses. Ranges of times and sizes are each family's own, the same in every run, and told with the rest.
//!
//! Promise: pure. The same seed and kinds give the same choice and words before a run, in it and after it. Cannot see: whether
//! a kind that was drawn strikes; the run's summary says so. What a seed makes of the world is the world's own to tell.

use crate::fault::FaultKind;
use crate::nemesis::Family;
use crate::nemesis::compose::{family, subset};
use crate::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A kind of fault that a run uses.
pub struct Chosen {
    /// Which.
    pub kind: FaultKind,
    /// How many strikes are its, of all weights together.
    pub weight: u64,
    /// What it does.
    pub family: Box<dyn Family>,
}

/// What a run uses of the kinds of fault enabled.
pub struct Swarm {
    /// What is enabled.
    pub enabled: Vec<FaultKind>,
    /// What is used of it.
    pub chosen: Vec<Chosen>,
    /// Each strikes once in a round, whatever its weight.
    pub in_turn: bool,
}

impl Swarm {
    /// What a seed draws: a mask, then weight and choices of each kind that is left.
    pub fn draw(enabled: &[FaultKind], rng: &mut ChaCha8Rng) -> Swarm {
        let kinds = subset(enabled, rng);
        let mut choose = |kind| {
            let weight = rng.range(1, 5);
            Chosen { kind, weight, family: family(kind, rng) }
        };
        let chosen = kinds.into_iter().map(&mut choose).collect();
        Swarm { enabled: enabled.to_vec(), chosen, in_turn: false }
    }

    /// All of them in turn; only their choices are drawn.
    pub fn every(enabled: &[FaultKind], rng: &mut ChaCha8Rng) -> Swarm {
        let mut choose =
            |kind: &FaultKind| Chosen { kind: *kind, weight: 1, family: family(*kind, rng) };
        let chosen = enabled.iter().map(&mut choose).collect();
        Swarm { enabled: enabled.to_vec(), chosen, in_turn: true }
    }

    /// What a run of this seed will use, or uses.
    pub fn of(seed: Seed, enabled: &[FaultKind], in_turn: bool) -> Swarm {
        let mut rng = seed.stream(Stream::Nemesis);
        match in_turn {
            true => Swarm::every(enabled, &mut rng),
            false => Swarm::draw(enabled, &mut rng),
        }
    }

    /// In words, by name: a line for each kind that is used, and one for those that are not.
    pub fn told(&self) -> BTreeMap<String, String> {
        let total: u64 = self.chosen.iter().map(|chosen| chosen.weight).sum();
        let line = |chosen: &Chosen| {
            let often = match self.in_turn {
                true => "in turn".to_owned(),
                false => format!("{} of {total} strikes", chosen.weight),
            };
            let how = chosen.family.told();
            let how = if how.is_empty() { String::new() } else { format!(": {how}") };
            (format!("fault {}", chosen.kind), often + &how)
        };
        let mut told: BTreeMap<String, String> = self.chosen.iter().map(line).collect();
        let is_used = |kind: &FaultKind| self.chosen.iter().any(|chosen| chosen.kind == *kind);
        let unused: Vec<&str> =
            self.enabled.iter().filter(|kind| !is_used(kind)).map(|kind| kind.name()).collect();
        if !unused.is_empty() {
            told.insert("faults not drawn".to_owned(), unused.join(", "));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_enabled_is_told_as_used_or_as_not_drawn_and_weights_are_of_their_sum() {
        for seed in 0..50 {
            let swarm = Swarm::of(Seed(seed), &FaultKind::USUAL, false);
            let told = swarm.told();
            let not_drawn = told.get("faults not drawn").cloned().unwrap_or_default();
            for kind in FaultKind::USUAL {
                let is_used = told.contains_key(&format!("fault {kind}"));
                let is_not = not_drawn.split(", ").any(|name| name == kind.name());
                assert_ne!(is_used, is_not, "{kind}: {told:?}");
            }
            let weights: u64 = swarm.chosen.iter().map(|chosen| chosen.weight).sum();
            let all = format!(" of {weights} strikes");
            let used = told.iter().filter(|(name, _)| name.starts_with("fault "));
            assert!(
                used.clone().count() > 0 && used.clone().all(|(_, how)| how.contains(&all)),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_a_family_chooses_among_is_told_with_its_ranges() {
        let kinds = [FaultKind::Partition, FaultKind::Kill, FaultKind::Latency, FaultKind::Split];
        let told = Swarm::of(Seed(3), &kinds, true).told();
        assert!(
            told["fault partition"].starts_with("in turn: ")
                && told["fault partition"].ends_with("15 s or on to the next"),
            "{told:?}"
        );
        assert!(told["fault kill"].ends_with("; down for 0.05 to 8 s"), "{told:?}");
        assert!(
            told["fault latency"].contains("of ") && told["fault latency"].contains("4 s"),
            "{told:?}"
        );
        assert_eq!(told["fault split"], "in turn", "it chooses among nothing");
        assert!(!told.contains_key("faults not drawn"), "{told:?}");
    }

    #[test]
    fn different_seeds_use_different_faults() {
        let of = |seed| Swarm::of(Seed(seed), &FaultKind::USUAL, false).told();
        assert_eq!(of(1), of(1));
        assert!((2..20).any(|seed| of(seed) != of(1)));
    }
}
