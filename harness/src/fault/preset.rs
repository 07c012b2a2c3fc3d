//! Presets: several kinds by one word, on the command line alone. What is stored and replayed are kinds.
//!
//! Each kind says which groups it belongs to, so that a kind that is new lands in its presets because the compiler asks.
//! The preset `standard` is what Jepsen's own Redis-Raft suite used: pause, kill, partition, clock, membership.
//!
//! Promises: what a preset stands for fits the cluster that it is asked for, the rest is told with its reason; a kind that was
//! asked for by name and does not fit is refused. Cannot see: what the cluster's machines refuse; who runs there says so.

use super::FaultKind;
use crate::nemesis::disk::DiskBound;
use crate::options::Options;

/// What a kind of fault breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What passes between machines.
    Network,
    /// What machines take for the time.
    Clock,
    /// What a disk keeps.
    Disk,
    /// Whether processes run.
    Process,
    /// Who belongs to the cluster.
    Membership,
}

impl FaultKind {
    /// The groups that it is broken in. None: only `everything` has it.
    pub fn groups(self) -> &'static [Group] {
        match self {
            FaultKind::Partition
            | FaultKind::Latency
            | FaultKind::Flaky
            | FaultKind::Throttle
            | FaultKind::LinkLatency
            | FaultKind::LinkLoss
            | FaultKind::LinkDouble
            | FaultKind::LinkOrder
            | FaultKind::LinkDamage
            | FaultKind::LinkRate
            | FaultKind::LinkDrip
            | FaultKind::Clients
            | FaultKind::Reset
            | FaultKind::HalfOpen
            | FaultKind::Hold
            | FaultKind::Echo => &[Group::Network],
            // The process is gone for a moment, and its name for longer.
            FaultKind::Address => &[Group::Network, Group::Process],
            FaultKind::Jump
            | FaultKind::Strobe
            | FaultKind::Drift
            | FaultKind::Ceiling
            | FaultKind::Freeze
            | FaultKind::Leap
            | FaultKind::MonoDrift => &[Group::Clock],
            FaultKind::Kill
            | FaultKind::KillAt
            | FaultKind::KillAwait
            | FaultKind::Pause
            | FaultKind::Rolling
            | FaultKind::Storm
            | FaultKind::Memory => &[Group::Process],
            // The processes are gone, and what was not synced.
            FaultKind::Power | FaultKind::Reboot => &[Group::Disk, Group::Process],
            FaultKind::SlowSync
            | FaultKind::IoError
            | FaultKind::DiskFull
            | FaultKind::ShortRead
            | FaultKind::BitRot
            | FaultKind::Misdirect
            | FaultKind::LyingSync
            | FaultKind::StaleDisk => &[Group::Disk],
            FaultKind::Membership => &[Group::Membership],
            FaultKind::Transfer | FaultKind::Split => &[],
        }
    }

    /// Whether a cluster of these options can have it, or why not.
    pub fn fits(self, options: &Options) -> Result<(), &'static str> {
        let Options { nodes, groups, disk_bound, .. } = *options;
        match self {
            FaultKind::Partition
            | FaultKind::Flaky
            | FaultKind::Throttle
            | FaultKind::LinkLatency
            | FaultKind::LinkLoss
            | FaultKind::LinkDouble
            | FaultKind::LinkOrder
            | FaultKind::LinkDamage
            | FaultKind::LinkRate
            | FaultKind::LinkDrip
            | FaultKind::Hold
            | FaultKind::Echo
                if nodes < 2 =>
            {
                Err("it needs links between nodes: two nodes or more")
            }
            FaultKind::Transfer if nodes < 2 => {
                Err("it needs somebody else to lead: two nodes or more")
            }
            FaultKind::Pause if nodes < 3 => {
                Err("it stops no more than a minority: it needs three nodes or more")
            }
            FaultKind::Membership if nodes < 3 => {
                Err("it leaves two members at least: it needs three nodes or more")
            }
            FaultKind::BitRot | FaultKind::Misdirect if nodes < 3 => {
                Err("its node is replaced, by two others at least: it needs three nodes or more")
            }
            FaultKind::LyingSync | FaultKind::StaleDisk
                if nodes < 3 && disk_bound == DiskBound::Minority =>
            {
                Err("it loses no more than a minority: it needs three nodes or more")
            }
            FaultKind::Split if groups < 2 => {
                Err("it needs keys that are parted: --groups 2 or more")
            }
            _ => Ok(()),
        }
    }
}

/// Several kinds by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// What Jepsen's Redis-Raft suite used.
    Standard,
    /// All kinds of a group.
    Of(Group),
    /// All kinds.
    Everything,
}

impl Preset {
    /// Every preset, in the order in which they are listed to people.
    pub const ALL: [Preset; 7] = [
        Preset::Standard,
        Preset::Of(Group::Network),
        Preset::Of(Group::Clock),
        Preset::Of(Group::Disk),
        Preset::Of(Group::Process),
        Preset::Of(Group::Membership),
        Preset::Everything,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Standard => "standard",
            Preset::Of(Group::Network) => "network",
            Preset::Of(Group::Clock) => "clock",
            Preset::Of(Group::Disk) => "disk",
            Preset::Of(Group::Process) => "process",
            Preset::Of(Group::Membership) => "membership",
            Preset::Everything => "everything",
        }
    }

    /// The kinds that it stands for, whatever the cluster.
    pub fn kinds(self) -> Vec<FaultKind> {
        let has = |kind: &FaultKind| match self {
            Preset::Standard => matches!(
                kind,
                FaultKind::Pause
                    | FaultKind::Kill
                    | FaultKind::Partition
                    | FaultKind::Jump
                    | FaultKind::Strobe
                    | FaultKind::Membership
            ),
            Preset::Of(group) => kind.groups().contains(&group),
            Preset::Everything => true,
        };
        FaultKind::ALL.into_iter().filter(has).collect()
    }
}

/// What was said of faults on a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Kinds by their own names.
    pub named: Vec<FaultKind>,
    /// Presets.
    pub presets: Vec<Preset>,
}

impl Asked {
    /// From words with commas between them. `Err`: a word that is none, one that is said twice, or `none` beside others.
    pub fn read(text: &str) -> Result<Asked, String> {
        let words: Vec<&str> = text.split(',').collect();
        let mut asked = Asked::default();
        if words == ["none"] {
            return Ok(asked);
        }
        for (place, word) in words.iter().enumerate() {
            if *word == "none" {
                return Err(format!("`none` stands alone: `{text}` also asks for faults"));
            }
            if words[..place].contains(word) {
                return Err(format!("`{word}` is said twice in `{text}`: once is enough"));
            }
            let preset = Preset::ALL.into_iter().find(|preset| preset.name() == *word);
            // A word that is both means the same, and who says it wants it.
            let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == *word);
            match (kind, preset) {
                (Some(kind), _) => asked.named.push(kind),
                (None, Some(preset)) => asked.presets.push(preset),
                (None, None) => return Err(unknown(word)),
            }
        }
        Ok(asked)
    }

    /// The kinds to enable in a cluster of these options, in order; none where presets alone were asked for and nothing of
    /// them fits. `Err`: one that was named does not fit.
    pub fn kinds(&self, options: &Options) -> Result<Vec<FaultKind>, String> {
        for kind in &self.named {
            if let Err(why) = kind.fits(options) {
                return Err(format!("`{kind}` is not possible here: {why}"));
            }
        }
        let fits = |kind: &FaultKind| kind.fits(options).is_ok();
        // One order whatever was typed: the order is part of what a seed means.
        Ok(FaultKind::ALL.into_iter().filter(|kind| self.asks(*kind)).filter(fits).collect())
    }

    /// What presets would have and the cluster cannot, a sentence each.
    pub fn left_out(&self, options: &Options) -> Vec<String> {
        let asked = FaultKind::ALL.into_iter().filter(|kind| self.asks(*kind));
        let left_out = asked.filter_map(|kind| {
            let why = kind.fits(options).err()?;
            Some(format!("{kind} is left out: {why}"))
        });
        left_out.collect()
    }

    fn asks(&self, kind: FaultKind) -> bool {
        self.named.contains(&kind)
            || self.presets.iter().any(|preset| preset.kinds().contains(&kind))
    }
}

fn unknown(word: &str) -> String {
    let names = FaultKind::ALL.map(FaultKind::name).join(", ");
    let presets = Preset::ALL.map(Preset::name).join(", ");
    format!(
        "`{word}` is not a fault: the faults are {names}; several at once are {presets}, or none"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nodes: u16, groups: u16) -> Options {
        Options { nodes, groups, ..Options::default() }
    }

    fn told(text: &str, options: &Options) -> Result<String, String> {
        let kinds = Asked::read(text)?.kinds(options)?;
        Ok(kinds.into_iter().map(FaultKind::name).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn the_standard_preset_is_what_the_redis_raft_suite_used() {
        let standard = told("standard", &of(5, 1));
        assert_eq!(standard.as_deref(), Ok("partition,kill,pause,jump,strobe,membership"));
    }

    #[test]
    fn a_preset_and_kinds_are_their_sum_in_one_order() {
        let five = of(5, 1);
        assert_eq!(told("none", &five).as_deref(), Ok(""));
        assert_eq!(told("transfer,kill", &five).as_deref(), Ok("kill,transfer"));
        let sum = told("reboot,network,kill", &five).expect("they fit");
        for kind in ["partition", "kill", "latency", "flaky", "rate", "reboot"] {
            assert!(sum.split(',').any(|told| told == kind), "{sum}");
        }
        assert!(!sum.contains("pause") && !sum.contains("jump"), "{sum}");
        assert!(told("clock", &five).is_ok_and(|clock| clock.starts_with("jump,strobe,drift")));
    }

    #[test]
    fn every_kind_is_in_everything_and_each_group_has_some() {
        assert_eq!(Preset::Everything.kinds(), FaultKind::ALL);
        for preset in Preset::ALL {
            assert!(!preset.kinds().is_empty(), "{}", preset.name());
        }
    }

    /// What a run prints of itself is read again on a command line.
    #[test]
    fn a_word_that_is_a_preset_and_a_kind_means_the_same() {
        for preset in Preset::ALL {
            if let Some(kind) = FaultKind::ALL.into_iter().find(|kind| kind.name() == preset.name())
            {
                assert_eq!(preset.kinds(), [kind], "{}", preset.name());
            }
        }
    }

    #[test]
    fn what_a_preset_cannot_have_is_left_out_and_told() {
        let asked = Asked::read("everything").expect("it is a preset");
        assert_eq!(asked.kinds(&of(5, 2)).as_deref(), Ok(&FaultKind::ALL[..]));
        assert_eq!(asked.left_out(&of(5, 2)), [""; 0]);
        assert_eq!(
            asked.left_out(&of(5, 1)),
            ["split is left out: it needs keys that are parted: --groups 2 or more"]
        );
        let alone = told("standard", &of(1, 1));
        assert_eq!(alone.as_deref(), Ok("kill,jump,strobe"));
    }

    #[test]
    fn a_kind_that_is_named_has_to_fit() {
        for (text, nodes, groups, why) in [
            ("split,everything", 5, 1, "--groups 2"),
            ("partition", 1, 1, "two nodes"),
            ("flaky", 1, 2, "two nodes"),
            ("link-loss", 1, 2, "two nodes"),
            ("hold", 1, 2, "two nodes"),
            ("echo", 1, 2, "two nodes"),
            ("rate", 1, 2, "two nodes"),
            ("transfer", 1, 1, "two nodes"),
            ("pause", 2, 1, "three nodes"),
            ("kill,membership", 2, 1, "three nodes"),
            ("bit-rot", 2, 1, "three nodes"),
            ("misdirect", 1, 1, "three nodes"),
            ("lying-sync", 2, 1, "three nodes"),
            ("stale-disk", 2, 1, "three nodes"),
        ] {
            let sentence = told(text, &of(nodes, groups)).expect_err("it does not fit");
            assert!(
                sentence.contains("is not possible here") && sentence.contains(why),
                "{sentence}"
            );
            assert!(told(text, &of(5, 2)).is_ok(), "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_the_word() {
        for (text, word, why) in [
            ("none,kill", "`none`", "stands alone"),
            ("standard,none", "`none`", "stands alone"),
            ("kill,pause,kill", "`kill`", "twice"),
            ("disk,disk", "`disk`", "twice"),
            ("kill,fire", "`fire`", "partition, kill"),
            ("fire", "`fire`", "everything, or none"),
            ("", "``", "partition, kill"),
            ("kill,", "``", "partition, kill"),
        ] {
            let sentence = Asked::read(text).expect_err("it is a contradiction");
            assert!(sentence.contains(word) && sentence.contains(why), "{sentence}");
        }
    }
}
