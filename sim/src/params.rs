//! The swarm choice: what kind of world a seed makes. Some seeds lose no message, some never stall, some keep order:
//! a bug that needs a calm network is found as well as one that needs a rough one.

use crate::trace::Window;
use harness::plan::Override;
use harness::seed::{Draw, Seed, Stream};
use std::collections::BTreeMap;

/// The parameters of one world. Probabilities in parts per million, times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldParams {
    /// Least latency of a link.
    pub latency_ns: u64,
    /// Uniform addition to it.
    pub jitter_ns: u64,
    /// How often a message falls into the heavy tail.
    pub tail_ppm: u64,
    /// The tail's far end; each factor of two below it, down to a 256th, is equally likely.
    pub tail_ns: u64,
    /// Messages lost.
    pub loss_ppm: u64,
    /// Datagrams delivered twice.
    pub duplication_ppm: u64,
    /// Whether datagrams of one link may overtake each other.
    pub reorder: bool,
    /// Time on the wire for a KiB: 8192 is 1 Gbit/s.
    pub ns_per_kib: u64,
    /// Most bytes in one segment of a byte stream.
    pub segment_bytes: usize,
    /// How often a yield point stalls.
    pub stall_ppm: u64,
    /// Shortest and longest sync of a file, log-uniform between them.
    pub sync_ns: (u64, u64),
    /// For the guest: entries between two snapshots.
    pub snapshot_entries: u64,
    /// For the guest: for how long old versions stay, milliseconds; 0: for ever.
    pub retention_ms: u64,
    /// How often a rare branch is taken where there is one; 0: never, and no seed chooses it.
    pub buggify_ppm: u64,
    /// Whether a node that has forgotten what it has promised starts with what its disk holds; no seed chooses it.
    pub lifts_disk_bound: bool,
    /// What becomes of single messages, against the streams.
    pub overrides: Vec<Override>,
    /// Events to keep as text.
    pub record: Option<Window>,
}

const MS: u64 = 1_000_000;

impl WorldParams {
    /// What the seed chooses.
    pub fn from_seed(seed: Seed) -> WorldParams {
        let mut rng = seed.stream(Stream::Params);
        let latency_ns = rng.log_uniform(200_000, 5 * MS);
        // One draw for whether and one for how much, so that a switched-off feature shifts no other.
        let mut sometimes = |low: u64, high: u64| {
            let on = rng.chance(0.6);
            let value = rng.log_uniform(low, high);
            if on { value } else { 0 }
        };
        let jitter_ns = sometimes(latency_ns / 8, 2 * latency_ns);
        let tail_ppm = sometimes(500, 20_000);
        let tail_ns = sometimes(20 * MS, 150 * MS);
        let loss_ppm = sometimes(500, 30_000);
        let duplication_ppm = sometimes(500, 30_000);
        let stall_ppm = sometimes(1_000, 50_000);
        let reorder = rng.chance(0.7);
        let (ns_per_kib, segment_bytes) =
            (rng.log_uniform(8_192, 81_920), rng.log_uniform(512, 16_384) as usize);
        let snapshot_entries = rng.log_uniform(64, 2000);
        let compacts = rng.chance(0.6);
        let retention_ms = rng.log_uniform(100, 10_000);
        WorldParams {
            latency_ns,
            jitter_ns,
            tail_ppm,
            tail_ns,
            loss_ppm,
            duplication_ppm,
            reorder,
            ns_per_kib,
            segment_bytes,
            stall_ppm,
            sync_ns: (MS, 20 * MS),
            snapshot_entries,
            retention_ms: if compacts { retention_ms } else { 0 },
            buggify_ppm: 0,
            lifts_disk_bound: false,
            overrides: Vec::new(),
            record: None,
        }
    }

    /// A world without chance, for scripts: every message takes exactly one millisecond and arrives once, nothing stalls.
    pub fn calm() -> WorldParams {
        WorldParams {
            latency_ns: MS,
            jitter_ns: 0,
            tail_ppm: 0,
            tail_ns: 0,
            loss_ppm: 0,
            duplication_ppm: 0,
            reorder: false,
            ns_per_kib: 0,
            segment_bytes: 16_384,
            stall_ppm: 0,
            sync_ns: (MS, 20 * MS),
            snapshot_entries: 1000,
            retention_ms: 0,
            buggify_ppm: 0,
            lifts_disk_bound: false,
            overrides: Vec::new(),
            record: None,
        }
    }

    /// What a plan keeps: the parameters by name. Not the overrides, which it keeps by themselves.
    pub fn to_numbers(&self) -> BTreeMap<String, u64> {
        self.numbers().map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// A calm world with these parameters. `Err` names the one that this build does not have.
    pub fn from_numbers(numbers: &BTreeMap<String, u64>) -> Result<WorldParams, String> {
        let mut params = WorldParams::calm();
        for (name, value) in numbers {
            if !params.set(name, *value) {
                let names = params.numbers().map(|(name, _)| name).join(", ");
                return Err(format!(
                    "`{name}` is not a parameter of this build's world: there are {names}"
                ));
            }
        }
        let (shortest, longest) = params.sync_ns;
        params.sync_ns = (shortest, longest.max(shortest));
        Ok(params)
    }

    fn numbers(&self) -> [(&'static str, u64); 16] {
        [
            ("latency-ns", self.latency_ns),
            ("jitter-ns", self.jitter_ns),
            ("tail-ppm", self.tail_ppm),
            ("tail-ns", self.tail_ns),
            ("loss-ppm", self.loss_ppm),
            ("duplication-ppm", self.duplication_ppm),
            ("reorder", u64::from(self.reorder)),
            ("ns-per-kib", self.ns_per_kib),
            ("segment-bytes", self.segment_bytes as u64),
            ("stall-ppm", self.stall_ppm),
            ("sync-ns-min", self.sync_ns.0),
            ("sync-ns-max", self.sync_ns.1),
            ("snapshot-entries", self.snapshot_entries),
            ("retention-ms", self.retention_ms),
            ("buggify-ppm", self.buggify_ppm),
            ("lifts-disk-bound", u64::from(self.lifts_disk_bound)),
        ]
    }

    /// Whether there is a parameter of that name. What a world could not run with becomes the least that it can.
    fn set(&mut self, name: &str, value: u64) -> bool {
        match name {
            "latency-ns" => self.latency_ns = value,
            "jitter-ns" => self.jitter_ns = value,
            "tail-ppm" => self.tail_ppm = value,
            "tail-ns" => self.tail_ns = value,
            "loss-ppm" => self.loss_ppm = value,
            "duplication-ppm" => self.duplication_ppm = value,
            "reorder" => self.reorder = value != 0,
            "ns-per-kib" => self.ns_per_kib = value,
            "segment-bytes" => self.segment_bytes = value.max(1) as usize,
            "stall-ppm" => self.stall_ppm = value,
            "sync-ns-min" => self.sync_ns.0 = value.max(1),
            "sync-ns-max" => self.sync_ns.1 = value.max(1),
            "snapshot-entries" => self.snapshot_entries = value.max(1),
            "retention-ms" => self.retention_ms = value,
            "buggify-ppm" => self.buggify_ppm = value,
            "lifts-disk-bound" => self.lifts_disk_bound = value != 0,
            _ => return false,
        }
        true
    }

    /// For people, and for the run's artifacts.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let percent = |ppm: u64| match ppm {
            0 => "never".into(),
            _ => format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100),
        };
        let us = |ns: u64| format!("{} us", ns / 1000);
        [
            ("link latency", us(self.latency_ns)),
            ("link jitter", us(self.jitter_ns)),
            ("link tail", format!("{} up to {}", percent(self.tail_ppm), us(self.tail_ns))),
            ("link loss", percent(self.loss_ppm)),
            ("link duplication", percent(self.duplication_ppm)),
            ("link order", if self.reorder { "as it comes" } else { "kept" }.into()),
            ("link time per KiB", format!("{} ns", self.ns_per_kib)),
            ("stream segment", format!("{} bytes", self.segment_bytes)),
            ("stall at yield points", percent(self.stall_ppm)),
            ("rare branches", percent(self.buggify_ppm)),
            ("disks lost at once", if self.lifts_disk_bound { "any" } else { "a minority" }.into()),
            ("file sync", format!("{} to {}", us(self.sync_ns.0), us(self.sync_ns.1))),
            ("snapshot entries", self.snapshot_entries.to_string()),
            (
                "old versions stay",
                match self.retention_ms {
                    0 => "for ever".into(),
                    ms => format!("{ms} ms"),
                },
            ),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_chooses_the_same_world() {
        assert_eq!(WorldParams::from_seed(Seed(7)), WorldParams::from_seed(Seed(7)));
        assert_ne!(WorldParams::from_seed(Seed(7)), WorldParams::from_seed(Seed(8)));
    }

    #[test]
    fn a_world_comes_back_from_its_numbers_and_an_unknown_one_is_named() {
        for seed in 0..50 {
            let params = WorldParams::from_seed(Seed(seed));
            assert_eq!(WorldParams::from_numbers(&params.to_numbers()), Ok(params));
        }
        let strange = BTreeMap::from([("gravity".to_owned(), 9)]);
        let sentence = WorldParams::from_numbers(&strange).unwrap_err();
        assert!(sentence.contains("`gravity`") && sentence.contains("latency-ns"), "{sentence}");
    }

    #[test]
    fn a_world_whose_longest_sync_is_the_shorter_one_has_syncs_of_one_length() {
        let numbers = BTreeMap::from([("sync-ns-min", 9 * MS), ("sync-ns-max", 2 * MS)]);
        let numbers = numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let params = WorldParams::from_numbers(&numbers).expect("it knows both");
        assert_eq!(params.sync_ns, (9 * MS, 9 * MS));
    }

    #[test]
    fn each_feature_is_off_in_some_seeds_and_within_its_bounds_in_all() {
        let all: Vec<WorldParams> = (0..200).map(|s| WorldParams::from_seed(Seed(s))).collect();
        for of in [
            |p: &WorldParams| p.loss_ppm,
            |p: &WorldParams| p.duplication_ppm,
            |p: &WorldParams| p.stall_ppm,
            |p: &WorldParams| p.tail_ppm,
            |p: &WorldParams| u64::from(p.reorder),
        ] {
            let off = all.iter().filter(|p| of(p) == 0).count();
            assert!((20..180).contains(&off), "{off} of 200 seeds without");
        }
        for p in &all {
            assert!((200_000..=5 * MS).contains(&p.latency_ns));
            assert!(p.loss_ppm <= 30_000 && p.duplication_ppm <= 30_000 && p.stall_ppm <= 50_000);
            assert!((64..=2000).contains(&p.snapshot_entries));
        }
    }
}
