use super::*;
use crate::codec::RUN;
use serde::de::DeserializeOwned;

#[test]
fn every_kind_is_read_from_the_word_it_is_told_by_and_kept_under_it() {
    for kind in FaultKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        let kept = serde_json::to_string(&kind).expect("it is a word");
        assert_eq!(kept, format!("\"{kind}\""));
    }
    assert_eq!("clock".parse(), Ok(FaultKind::Jump), "plans and corpora say it so");
    assert_eq!(
        serde_json::from_str::<FaultKind>("\"clock\"").expect("it is stored"),
        FaultKind::Jump
    );
    let sentence = "slowness".parse::<FaultKind>().unwrap_err();
    assert!(
        sentence.ends_with("short-read, bit-rot, misdirect, lying-sync, stale-disk"),
        "{sentence}"
    );
}

#[test]
fn the_usual_kinds_come_first_in_their_order() {
    assert_eq!(FaultKind::USUAL, FaultKind::ALL[..FaultKind::USUAL.len()]);
    assert!(FaultKind::ALL.is_sorted(), "options are sorted by it, and a seed draws in that order");
}

#[test]
fn a_fault_is_told_with_its_nodes_and_numbers() {
    let nodes = |of: &[u16]| of.iter().copied().map(NodeId).collect::<Vec<NodeId>>();
    let slow = |of, delay_ms, jitter_ms| Fault::Slow { nodes: nodes(of), delay_ms, jitter_ms };
    let node = NodeId(2);
    let links = |how| {
        let links = vec![(NodeId(1), NodeId(2)), (NodeId(3), NodeId(1))];
        Fault::Links { links, how }
    };
    let spoilt = |how| Fault::SpoilDisk { node, how };
    for (fault, told) in [
        (slow(&[1, 3], 250, 0), "slow n1 n3: 250 ms"),
        (slow(&[2], 250, 40), "slow n2: 250 ms and up to 40 ms more"),
        (Fault::Fast, "fast"),
        (
            Fault::Flaky { nodes: nodes(&[1, 2]), loss_percent: 20, duplicate_percent: 3 },
            "flaky n1 n2: 20 % lost, 3 % doubled",
        ),
        (Fault::Reliable, "reliable"),
        (Fault::Throttle { nodes: nodes(&[4]), kib_per_s: 64 }, "throttle n4: 64 KiB/s"),
        (Fault::Unthrottle, "unthrottle"),
        (
            Fault::WallStrobe { node, delta_ms: -250, period_ms: 10 },
            "wall clock of n2 -250 ms every other 10 ms",
        ),
        (Fault::WallDrift { node, ppm: 500 }, "wall clock of n2 drifts +500 ppm"),
        (Fault::Reboot(node), "reboot n2"),
        (Fault::Remove(node), "remove n2"),
        (Fault::Join(node), "join n2"),
        (Fault::Wipe(node), "wipe n2"),
        (Fault::Transfer(node), "transfer leadership to n2"),
        (Fault::Split { at: "47".to_owned() }, "split at 47"),
        (Fault::HoldCeiling { for_ms: 12_000 }, "hold the ceiling for 12000 ms"),
        (spoilt(DiskTrouble::SlowSyncs { by_ms: 90 }), "disk of n2 syncs take 90 ms more"),
        (spoilt(DiskTrouble::Errors { after: 0 }), "disk of n2 fails"),
        (spoilt(DiskTrouble::Errors { after: 3 }), "disk of n2 fails after 3 calls"),
        (spoilt(DiskTrouble::Full), "disk of n2 is full"),
        (spoilt(DiskTrouble::ShortReads), "disk of n2 reads short"),
        (Fault::DiskWhole(node), "disk of n2 whole"),
        (Fault::DamageDisk { node, how: Damage::Rot, at: 9 }, "disk of n2 rots at 9"),
        (
            Fault::DamageDisk { node, how: Damage::Misdirected, at: 9 },
            "disk of n2 misdirects a write at 9",
        ),
        (Fault::Replace(node), "replace n2"),
        (spoilt(DiskTrouble::LyingSyncs), "disk of n2 lies about syncs"),
        (Fault::ForgetSyncs(node), "disk of n2 forgets its syncs"),
        (Fault::SwapDisk { node, after_ms: 900 }, "disk of n2 is as it was 900 ms ago"),
        (
            links(Impairment::Late { base_ms: 20, jitter_ms: 5, tail_percent: 3, tail_ms: 400 }),
            "links n1>n2 n3>n1: 20 ms late, up to 5 ms more, 3 % up to 400 ms more",
        ),
        (
            links(Impairment::Reordered { percent: 9, within_ms: 50 }),
            "links n1>n2 n3>n1: 9 % held back up to 50 ms",
        ),
        (links(Impairment::Damaged { percent: 9 }), "links n1>n2 n3>n1: 9 % damaged"),
        (links(Impairment::Narrow { kib_per_s: 8 }), "links n1>n2 n3>n1: 8 KiB/s"),
        (
            links(Impairment::Dripping { bytes_per_s: 512 }),
            "links n1>n2 n3>n1: streams drip at 512 bytes/s",
        ),
        (Fault::LinksWhole(Sort::Loss), "link-loss mended"),
        (
            Fault::CutClients { nodes: nodes(&[1, 2]), way: Way::In },
            "cut clients from n1 n2: inbound",
        ),
        (Fault::HealClients, "heal clients"),
        (Fault::Reset { nodes: nodes(&[1, 2]) }, "reset streams of n1 n2"),
        (Fault::Forget { nodes: nodes(&[2]), way: Way::Out }, "forget streams of n2: outbound"),
        (Fault::Remember, "reset forgotten streams"),
        (
            Fault::Hold { links: vec![(NodeId(1), node)], then: Sequence::Drawn(31) },
            "hold n1>n2: in drawn order 0x1f",
        ),
        (
            Fault::Hold { links: vec![(NodeId(1), node)], then: Sequence::Reversed },
            "hold n1>n2: the last one first",
        ),
        (Fault::Release, "release"),
        (
            Fault::Readdress { node, stale_ms: 900 },
            "restart n2 under another address, unknown for 900 ms",
        ),
        (Fault::Echo { node, down_ms: 300 }, "restart n2 after 300 ms and tell it the same again"),
        (
            Fault::KillAt { node, step: "wal sync".to_owned(), or_after_ms: 900 },
            "kill n2 at `wal sync` or after 900 ms",
        ),
        (Fault::KillAfter { node, polls: 70 }, "kill n2 after 70 polls"),
        (
            Fault::Storm { node, times: 5, up_ms: 20, down_ms: 3 },
            "restart storm n2: 5 times, 20 ms up, 3 ms down",
        ),
        (Fault::WallFreeze(node), "wall clock of n2 stands still"),
        (Fault::WallLeap { node, back_ms: 12_000 }, "wall clock of n2 leaps back 12000 ms"),
        (Fault::MonoDrift { node, ppm: -500 }, "monotonic clock of n2 drifts -500 ppm"),
        (Fault::MonoReset(node), "monotonic clock of n2 reset"),
        (
            Fault::LimitMemory { node, kib: 16, or_after_ms: 900 },
            "kill n2 above 16 KiB or after 900 ms",
        ),
        (
            Fault::Rolling { nodes: nodes(&[2, 1]), down_ms: 500, rest_ms: 100 },
            "rolling restart n2 n1: 500 ms down, 100 ms between",
        ),
    ] {
        assert_eq!(fault.to_string(), told);
    }
}

#[test]
fn a_fault_names_the_nodes_that_it_breaks_and_what_mends_is_of_no_kind() {
    let (node, nodes) = (NodeId(2), vec![NodeId(1), NodeId(2)]);
    let flaky = Fault::Flaky { nodes: nodes.clone(), loss_percent: 1, duplicate_percent: 1 };
    let throttle = Fault::Throttle { nodes: nodes.clone(), kib_per_s: 8 };
    let strobe = Fault::WallStrobe { node, delta_ms: 1, period_ms: 1 };
    let rolling = Fault::Rolling { nodes: nodes.clone(), down_ms: 1, rest_ms: 1 };
    let links =
        Fault::Links { links: vec![(NodeId(1), node)], how: Impairment::Lost { percent: 9 } };
    let (nodes_of_links, named) = (nodes.clone(), nodes.clone());
    let step = "wal sync".to_owned();
    let full = Fault::SpoilDisk { node, how: DiskTrouble::Full };
    for (fault, kind, named) in [
        (rolling, Some(FaultKind::Rolling), nodes.clone()),
        (flaky, Some(FaultKind::Flaky), nodes.clone()),
        (throttle, Some(FaultKind::Throttle), nodes),
        (strobe, Some(FaultKind::Strobe), vec![node]),
        (Fault::WallDrift { node, ppm: 1 }, Some(FaultKind::Drift), vec![node]),
        (Fault::Reboot(node), Some(FaultKind::Reboot), vec![node]),
        (Fault::Remove(node), Some(FaultKind::Membership), vec![node]),
        (Fault::Join(node), None, vec![node]),
        (Fault::Wipe(node), Some(FaultKind::Membership), vec![node]),
        (Fault::Transfer(node), Some(FaultKind::Transfer), vec![node]),
        (Fault::Split { at: "47".to_owned() }, Some(FaultKind::Split), Vec::new()),
        (Fault::HoldCeiling { for_ms: 1 }, Some(FaultKind::Ceiling), Vec::new()),
        (links, Some(FaultKind::LinkLoss), nodes_of_links),
        (Fault::LinksWhole(Sort::Loss), None, Vec::new()),
        (
            Fault::CutClients { nodes: named.clone(), way: Way::Both },
            Some(FaultKind::Clients),
            named,
        ),
        (Fault::HealClients, None, Vec::new()),
        (Fault::Reset { nodes: vec![node] }, Some(FaultKind::Reset), vec![node]),
        (
            Fault::Forget { nodes: vec![node], way: Way::Both },
            Some(FaultKind::HalfOpen),
            vec![node],
        ),
        (Fault::Remember, None, Vec::new()),
        (
            Fault::Hold { links: vec![(NodeId(1), node)], then: Sequence::Sent },
            Some(FaultKind::Hold),
            vec![NodeId(1), node],
        ),
        (Fault::Release, None, Vec::new()),
        (Fault::Readdress { node, stale_ms: 1 }, Some(FaultKind::Address), vec![node]),
        (Fault::Echo { node, down_ms: 1 }, Some(FaultKind::Echo), vec![node]),
        (Fault::KillAt { node, step, or_after_ms: 1 }, Some(FaultKind::KillAt), vec![node]),
        (Fault::KillAfter { node, polls: 1 }, Some(FaultKind::KillAwait), vec![node]),
        (Fault::Storm { node, times: 1, up_ms: 1, down_ms: 1 }, Some(FaultKind::Storm), vec![node]),
        (Fault::WallFreeze(node), Some(FaultKind::Freeze), vec![node]),
        (Fault::WallLeap { node, back_ms: 1 }, Some(FaultKind::Leap), vec![node]),
        (Fault::MonoDrift { node, ppm: 1 }, Some(FaultKind::MonoDrift), vec![node]),
        (Fault::MonoReset(node), None, vec![node]),
        (Fault::LimitMemory { node, kib: 1, or_after_ms: 1 }, Some(FaultKind::Memory), vec![node]),
        (full, Some(FaultKind::DiskFull), vec![node]),
        (Fault::DiskWhole(node), None, vec![node]),
        (Fault::DamageDisk { node, how: Damage::Rot, at: 9 }, Some(FaultKind::BitRot), vec![node]),
        (Fault::Replace(node), None, vec![node]),
        (Fault::ForgetSyncs(node), Some(FaultKind::LyingSync), vec![node]),
        (Fault::SwapDisk { node, after_ms: 1 }, Some(FaultKind::StaleDisk), vec![node]),
        (Fault::Reliable, None, Vec::new()),
        (Fault::Unthrottle, None, Vec::new()),
    ] {
        assert_eq!((fault.kind(), fault.nodes()), (kind, named), "{fault}");
    }
}

/// A value's first byte in a file.
fn stored(value: &impl Serialize) -> usize {
    let header = RUN.encode(&()).expect("nothing fits").len();
    usize::from(RUN.encode(value).expect("it fits")[header])
}

/// What is said of a number that no value of the type has.
fn refused<T: DeserializeOwned>(number: usize) -> String {
    let bytes = RUN.encode(&(number as u64, 0u64)).expect("it fits");
    RUN.decode::<T>(&bytes).err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn files_of_old_keep_their_meaning_since_no_fault_moves() {
    let (node, nodes, shape) = (NodeId(1), Vec::new(), String::new());
    let faults = [
        Fault::Partition { shape, cuts: Vec::new() },
        Fault::HealNetwork,
        Fault::Kill(node),
        Fault::PowerOff(node),
        Fault::Restart(node),
        Fault::Pause(node),
        Fault::Resume(node),
        Fault::WallJump { node, by_ms: 1 },
        Fault::WallReset(node),
        Fault::Slow { nodes: nodes.clone(), delay_ms: 1, jitter_ms: 0 },
        Fault::Fast,
        Fault::Flaky { nodes: nodes.clone(), loss_percent: 1, duplicate_percent: 1 },
        Fault::Reliable,
        Fault::Throttle { nodes: nodes.clone(), kib_per_s: 1 },
        Fault::Unthrottle,
        Fault::WallStrobe { node, delta_ms: 1, period_ms: 1 },
        Fault::WallDrift { node, ppm: 1 },
        Fault::Reboot(node),
        Fault::Remove(node),
        Fault::Join(node),
        Fault::Transfer(node),
        Fault::Rolling { nodes, down_ms: 1, rest_ms: 1 },
        Fault::Wipe(node),
        Fault::Split { at: String::new() },
        Fault::HoldCeiling { for_ms: 1 },
        Fault::Links { links: Vec::new(), how: Impairment::Lost { percent: 1 } },
        Fault::LinksWhole(Sort::Loss),
        Fault::CutClients { nodes: Vec::new(), way: Way::Both },
        Fault::HealClients,
        Fault::Reset { nodes: Vec::new() },
        Fault::Forget { nodes: Vec::new(), way: Way::Both },
        Fault::Remember,
        Fault::Hold { links: Vec::new(), then: Sequence::Sent },
        Fault::Release,
        Fault::Echo { node, down_ms: 1 },
        Fault::Readdress { node, stale_ms: 1 },
        Fault::KillAt { node, step: String::new(), or_after_ms: 1 },
        Fault::KillAfter { node, polls: 1 },
        Fault::Storm { node, times: 1, up_ms: 1, down_ms: 1 },
        Fault::WallFreeze(node),
        Fault::WallLeap { node, back_ms: 1 },
        Fault::MonoDrift { node, ppm: 1 },
        Fault::MonoReset(node),
        Fault::LimitMemory { node, kib: 1, or_after_ms: 1 },
        Fault::SpoilDisk { node, how: DiskTrouble::Full },
        Fault::DiskWhole(node),
        Fault::DamageDisk { node, how: Damage::Rot, at: 1 },
        Fault::Replace(node),
        Fault::ForgetSyncs(node),
        Fault::SwapDisk { node, after_ms: 1 },
    ];
    let damages = [Damage::Rot, Damage::Misdirected];
    let troubles = [
        DiskTrouble::SlowSyncs { by_ms: 1 },
        DiskTrouble::Errors { after: 1 },
        DiskTrouble::Full,
        DiskTrouble::ShortReads,
        DiskTrouble::LyingSyncs,
    ];
    for (number, fault) in faults.iter().enumerate() {
        assert_eq!(stored(fault), number, "{fault}");
    }
    for (number, sort) in Sort::ALL.iter().enumerate() {
        assert_eq!(stored(sort), number, "{sort:?}");
    }
    let impairments = [
        Impairment::Late { base_ms: 1, jitter_ms: 0, tail_percent: 0, tail_ms: 0 },
        Impairment::Lost { percent: 1 },
        Impairment::Doubled { percent: 1 },
        Impairment::Reordered { percent: 1, within_ms: 1 },
        Impairment::Damaged { percent: 1 },
        Impairment::Narrow { kib_per_s: 1 },
        Impairment::Dripping { bytes_per_s: 1 },
    ];
    for (number, way) in Way::ALL.iter().enumerate() {
        assert_eq!(stored(way), number, "{way}");
    }
    let sequences = [Sequence::Sent, Sequence::Reversed, Sequence::Drawn(1)];
    for (number, then) in sequences.iter().enumerate() {
        assert_eq!(stored(then), number, "{then}");
    }
    for (number, how) in impairments.iter().enumerate() {
        assert_eq!(stored(how), number, "{how}");
    }
    for (number, how) in troubles.iter().enumerate() {
        assert_eq!(stored(how), number, "{how}");
    }
    for (number, how) in damages.iter().enumerate() {
        assert_eq!(stored(how), number, "{how}");
    }
    for (number, kind) in FaultKind::ALL.iter().enumerate() {
        assert_eq!(stored(kind), number, "{kind}");
    }
    // Whoever adds one adds it here.
    for (said, count) in [
        (refused::<Fault>(faults.len()), faults.len()),
        (refused::<DiskTrouble>(troubles.len()), troubles.len()),
        (refused::<Damage>(damages.len()), damages.len()),
        (refused::<FaultKind>(FaultKind::ALL.len()), FaultKind::ALL.len()),
        (refused::<Sort>(Sort::ALL.len()), Sort::ALL.len()),
        (refused::<Way>(Way::ALL.len()), Way::ALL.len()),
        (refused::<Sequence>(sequences.len()), sequences.len()),
        (refused::<Impairment>(impairments.len()), impairments.len()),
    ] {
        assert!(said.contains(&format!("0 <= i < {count}")), "{said}");
    }
}
