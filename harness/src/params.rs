//! The swarm choice: which of the enabled faults a run uses, how often and on whom. Drawn before anything is broken, and told.
//!
//! Swarm testing (Groce et al., ISSTA 2012): a run that does everything a little hides what needs much of one thing. So a seed
//! draws a mask over the kinds enabled, a weight for each kind that it left, among which shapes, targets and senders each
//! chooses, and of each range of times and sizes a part: one run is about short pauses, another about long ones.
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
    /// What a seed draws: a mask, then weight, choices and ranges of each kind that is left.
    pub fn draw(enabled: &[FaultKind], rng: &mut ChaCha8Rng) -> Swarm {
        let kinds = subset(enabled, rng);
        let mut choose = |kind| {
            let weight = rng.range(1, 5);
            Chosen { kind, weight, family: narrowed(kind, rng) }
        };
        let chosen = kinds.into_iter().map(&mut choose).collect();
        Swarm { enabled: enabled.to_vec(), chosen, in_turn: false }
    }

    /// All of them in turn, and of whole ranges: nothing is left out. Only their choices are drawn.
    pub fn every(enabled: &[FaultKind], rng: &mut ChaCha8Rng) -> Swarm {
        let mut choose =
            |kind: &FaultKind| Chosen { kind: *kind, weight: 1, family: family(*kind, rng) };
        let chosen = enabled.iter().map(&mut choose).collect();
        Swarm { enabled: enabled.to_vec(), chosen, in_turn: true }
    }

    /// What a run of this seed will use.
    pub fn of(seed: Seed, enabled: &[FaultKind], in_turn: bool) -> Swarm {
        Swarm::begun(seed, enabled, in_turn).0
    }

    /// What a run of this seed uses, and the stream of what it then draws.
    pub fn begun(seed: Seed, enabled: &[FaultKind], in_turn: bool) -> (Swarm, ChaCha8Rng) {
        let mut rng = seed.stream(Stream::Nemesis);
        let swarm = match in_turn {
            true => Swarm::every(enabled, &mut rng),
            false => Swarm::draw(enabled, &mut rng),
        };
        (swarm, rng)
    }

    /// In words, by name: a line for each kind that is used, and one for those that are not.
    pub fn told(&self) -> BTreeMap<String, String> {
        let total: u64 = self.chosen.iter().map(|chosen| chosen.weight).sum();
        let line = |chosen: &Chosen| {
            let often = match self.in_turn {
                true => "in turn".to_owned(),
                false => format!("{} of {total} strikes", chosen.weight),
            };
            (format!("fault {}", chosen.kind), format!("{often}: {}", chosen.family.told()))
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

/// A kind's family with a part of each of its ranges.
fn narrowed(kind: FaultKind, rng: &mut ChaCha8Rng) -> Box<dyn Family> {
    let mut family = family(kind, rng);
    family.narrow(rng);
    family
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
    fn every_kind_tells_what_it_chooses_among_and_its_ranges() {
        let told = Swarm::of(Seed(3), &FaultKind::ALL, true).told();
        assert_eq!(told.len(), FaultKind::ALL.len());
        let has = |kind: &str, words: &[&str]| {
            let line = &told[&format!("fault {kind}")];
            assert!(words.iter().all(|word| line.contains(word)), "{kind}: {line}");
        };
        assert!(told.values().all(|line| line.len() > "in turn: ".len()), "{told:?}");
        has("partition", &["in turn: ", "; for ", "s or on to the next"]);
        has("kill", &["; down for 50 ms to 8 s"]);
        has("latency", &["of ", "; by ", ", for "]);
        has("link-latency", &["; by ", " % of them by ", " more, for "]);
        has("split", &["at a key of "]);
        has("storm", &["one within ", " kills, up for ", ", down for "]);
        // All but a reset and a handover have a range.
        let ranged = told.values().filter(|line| line.contains(" to "));
        assert!(ranged.count() >= FaultKind::ALL.len() - 2, "{told:?}");
    }

    #[test]
    fn one_seed_has_only_short_times_and_another_only_long_ones() {
        let kinds = [FaultKind::Pause];
        let lasts = |seed| {
            let mut pauses = Swarm::of(Seed(seed), &kinds, false).chosen.remove(0).family;
            *pauses.ranges()[0]
        };
        assert!((0..100).any(|seed| lasts(seed).high() < 500));
        assert!((0..100).any(|seed| lasts(seed).low() > 1_500));
        assert!((0..100).all(|seed| 2 * lasts(seed).low() <= lasts(seed).high()));
    }

    #[test]
    fn different_seeds_use_different_faults() {
        let of = |seed| Swarm::of(Seed(seed), &FaultKind::USUAL, false).told();
        assert_eq!(of(1), of(1));
        assert!((2..20).any(|seed| of(seed) != of(1)));
    }
}
