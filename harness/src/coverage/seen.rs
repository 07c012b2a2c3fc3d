//! Sometimes, as the harness sees it: what a run came to, read from its injections, its leaders and its history.
//!
//! Promise: a function of the run alone, so a run that is read back has the same marks. Cannot see: what nodes do of themselves
//! between two faults; a node that died by itself still looks up, and one that goes on with an older disk, since the bound of lost disks is
//! lifted, looks down.

use crate::history::{Kind, Process};
use crate::nemesis::disk::DiskState;
use crate::nemesis::{ClusterView, NodeView};
use crate::recording::{Phase, Run};
use std::collections::BTreeMap;

/// Every mark, in order.
pub const ALL: &[&str] = &[
    "every node down at once",
    "fault refused",
    "final read repeated",
    "leader ended",
    "leader paused",
    "majority down at once",
    "nobody leads",
    "operation refused",
    "operation with an unknown outcome",
    "several kinds broken at once",
    "two lead at once",
];

/// Adds one to a mark, which is one of [`ALL`].
macro_rules! sometimes {
    ($seen:expr, $mark:literal) => {
        *$seen.entry($mark.to_owned()).or_insert(0) += 1
    };
}

/// What the run reached, and how often.
pub fn seen(run: &Run) -> BTreeMap<String, u64> {
    let mut seen = BTreeMap::new();
    leaders(run, &mut seen);
    faults(run, &mut seen);
    operations(run, &mut seen);
    seen
}

fn leaders(run: &Run, seen: &mut BTreeMap<String, u64>) {
    for (_, leaders) in &run.leaders {
        match leaders.len() {
            0 => sometimes!(seen, "nobody leads"),
            1 => {}
            _ => sometimes!(seen, "two lead at once"),
        }
    }
}

fn faults(run: &Run, seen: &mut BTreeMap<String, u64>) {
    let mut view = ClusterView::new(&run.nodes);
    for injection in &run.injections {
        let last = run.leaders.iter().rfind(|(time, _)| *time <= injection.time);
        view.leaders = last.map(|(_, leaders)| leaders.clone()).unwrap_or_default();
        view.now = injection.time;
        if injection.error.is_some() {
            sometimes!(seen, "fault refused");
            // As the run saw it: what was refused may have acted all the same, and a mending that was has not mended.
            if injection.fault.kind().is_none() {
                continue;
            }
        }
        let before = acting_leaders(&view);
        view.apply(&injection.fault);
        let (acting, is_whole) = (acting_leaders(&view), injection.fault.kind().is_none());
        if acting < before {
            match view.which(|node| node.paused && view.leaders.contains(&node.id)).is_empty() {
                true => sometimes!(seen, "leader ended"),
                false => sometimes!(seen, "leader paused"),
            }
        }
        let (down, all) = (view.which(|node| !node.up).len(), view.nodes.len());
        if !is_whole && down == all {
            sometimes!(seen, "every node down at once");
        }
        if !is_whole && down > all / 2 {
            sometimes!(seen, "majority down at once");
        }
        if !is_whole && broken(&view) > 1 {
            sometimes!(seen, "several kinds broken at once");
        }
    }
}

fn acting_leaders(view: &ClusterView) -> usize {
    view.which(|node| node.acts() && view.leaders.contains(&node.id)).len()
}

/// How many ways there are in which something is broken.
fn broken(view: &ClusterView) -> usize {
    let any = |holds: fn(&NodeView) -> bool| view.nodes.iter().any(holds);
    let ways = [
        !view.cuts.is_empty(),
        !view.slow.is_empty(),
        !view.flaky.is_empty(),
        !view.throttled.is_empty(),
        any(|node| !node.up),
        any(|node| node.paused),
        any(|node| !node.member),
        any(|node| node.wall.touched),
        any(|node| node.pace_ppm != 0),
        any(|node| node.disk != DiskState::Whole),
        !view.unasked.is_empty(),
        !view.forgotten.is_empty(),
        !view.held.is_empty(),
    ];
    view.impaired.len() + ways.into_iter().filter(|is_broken| *is_broken).count()
}

fn operations(run: &Run, seen: &mut BTreeMap<String, u64>) {
    let reads = run.phases.iter().find(|(phase, _)| *phase == Phase::ReadBack);
    for event in run.history.events.iter().filter(|event| event.process != Process::Nemesis) {
        match event.kind {
            Kind::Invoke | Kind::Ok => continue,
            Kind::Fail => sometimes!(seen, "operation refused"),
            Kind::Info => sometimes!(seen, "operation with an unknown outcome"),
        }
        if reads.is_some_and(|(_, began)| event.time >= *began) {
            sometimes!(seen, "final read repeated");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::fault::Fault;
    use crate::recording::Injection;
    use crate::seed::Seed;
    use std::time::Duration;

    const THREE: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn struck(faults: &[Fault]) -> Run {
        let mut run = Run::new("redis-append", Seed(1), &THREE, Vec::new());
        run.leaders = vec![(Duration::ZERO, vec![NodeId(1)])];
        for (second, fault) in (1..).zip(faults) {
            let time = Duration::from_secs(second);
            let fault = fault.clone();
            run.injections.push(Injection { time, fault, done: Some(time), error: None });
        }
        run
    }

    fn marks(run: &Run) -> Vec<String> {
        seen(run).into_keys().collect()
    }

    #[test]
    fn what_faults_come_to_is_read_from_their_order() {
        let [one, two, three] = THREE;
        assert_eq!(marks(&struck(&[Fault::Pause(two), Fault::Resume(two)])), [""; 0]);
        assert_eq!(marks(&struck(&[Fault::Pause(one)])), ["leader paused"]);
        assert_eq!(marks(&struck(&[Fault::Kill(one)])), ["leader ended"]);
        let cut = Fault::Partition { shape: "halves".to_owned(), cuts: vec![(two, three)] };
        assert_eq!(marks(&struck(&[cut, Fault::Kill(two)])), ["several kinds broken at once"]);
        let all = struck(&[Fault::Kill(three), Fault::PowerOff(two), Fault::Kill(one)]);
        let everything = ["every node down at once", "leader ended", "majority down at once"];
        assert_eq!(marks(&all), everything);
        assert_eq!(seen(&all)["majority down at once"], 2);
        let again = [Fault::Kill(three), Fault::Restart(three), Fault::Kill(two)];
        assert_eq!(marks(&struck(&again)), [""; 0], "never two at once");
    }

    #[test]
    fn leaders_and_refusals_are_counted() {
        let mut run = struck(&[Fault::Kill(NodeId(2))]);
        run.injections[0].error = Some("nobody answers".to_owned());
        run.leaders.push((Duration::from_secs(2), Vec::new()));
        run.leaders.push((Duration::from_secs(3), vec![NodeId(1), NodeId(2)]));
        assert_eq!(marks(&run), ["fault refused", "nobody leads", "two lead at once"]);
        let [one, two, _] = THREE;
        let mut run = struck(&[Fault::Kill(two), Fault::Restart(two), Fault::Kill(one)]);
        run.injections[0].error = Some("it may be dead".to_owned());
        assert!(!marks(&run).contains(&"majority down at once".to_owned()), "it was started again");
        run.injections[1].error = Some("it may be up".to_owned());
        assert!(marks(&run).contains(&"majority down at once".to_owned()));
    }
}
