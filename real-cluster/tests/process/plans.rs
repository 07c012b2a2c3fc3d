//! Plans of simulated runs on real processes: the corpus has some.

use crate::{room, say};
use harness::op::Op;
use harness::plan::Plan;
use harness::store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn corpus(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../seeds/redis-append/{case}.plan"))
}

/// What each thread is asked, in order.
fn by_thread(plan: &Plan) -> BTreeMap<u16, Vec<Op>> {
    let mut threads: BTreeMap<u16, Vec<Op>> = BTreeMap::new();
    for ask in &plan.asks {
        threads.entry(ask.thread).or_default().push(ask.op.clone());
    }
    threads
}

fn faults(plan: &Plan) -> Vec<String> {
    plan.faults().map(|(_, fault)| fault.to_string()).collect()
}

#[test]
fn a_plan_of_a_simulated_run_asks_and_breaks_the_same_on_real_processes() {
    let room = room("a plan");
    let file = corpus("exec-on-follower");
    let planned = Plan::load(&file).expect("it is a plan");
    let words = ["run", "--local", "3", "--json", "--plan", file.to_str().expect("text")];
    let said = say(&room, &words);
    assert!(matches!(said.code, Some(0..=2)), "{}", said.err);
    let told = said.object();
    assert_eq!(told["bug"], "exec_on_follower");
    assert!(said.err.contains("plan ") && said.err.contains(" operations, "), "{}", said.err);
    let again = told["again"].as_str().or(told["replay"].as_str()).unwrap_or_default();
    assert!(again.contains("run --plan ") && again.ends_with("--local 3"), "{told}");
    let folder = room.join(told["folder"].as_str().expect("a folder"));
    let done = store::read_plan(&folder.join(store::PLAN)).expect("it was kept");
    assert_eq!(faults(&done), faults(&planned));
    let (asked, planned) = (by_thread(&done), by_thread(&planned));
    for (thread, ops) in &asked {
        assert!(planned[thread].starts_with(ops), "thread {thread}: {ops:?}");
    }
    assert!(asked.values().flatten().count() > planned.values().flatten().count() / 2);
}

#[test]
fn what_a_plan_asks_for_and_real_processes_cannot_have_is_left_out_and_told() {
    let room = room("a plan in part");
    let file = corpus("a-lone-clock-jump-is-read");
    let file = file.to_str().expect("text");
    let said = say(&room, &["run", "--local", "3", "--plan", file]);
    // It tested nothing of what the plan is about.
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(
        said.out.contains("faults were asked for (jump) and none was injected"),
        "{}",
        said.out
    );
    assert!(said.err.contains("jump is left out: "), "{}", said.err);
    assert!(
        said.err.contains("of the plan's ") && said.err.contains(" are left out"),
        "{}",
        said.err
    );
    for (words, hint) in [
        (&["--seed", "3"][..], "--seed is decided by the plan"),
        (&["--rate", "3"], "--rate is decided by the plan"),
        (&["--bug", "exec_on_follower"], "--bug is decided by the plan"),
        (&["redis-append-calm"], "the plan is of test `redis-append`, not of `redis-append-calm`"),
    ] {
        let words = [&["run", "--local", "3", "--plan", file][..], words].concat();
        let said = say(&room, &words);
        assert_eq!(said.code, Some(3), "{words:?}: {}", said.err);
        assert!(said.err.contains(hint), "{words:?}: {}", said.err);
    }
    let said = say(&room, &["run", "--local", "5", "--plan", file]);
    assert!(said.err.contains("the plan is of 3 nodes, and here are 5: give 3"), "{}", said.err);
    let said = say(&room, &["run", "--local", "3", "--plan", "no/such"]);
    assert!(said.err.contains("`no/such` is neither a plan nor a run's folder"), "{}", said.err);
}
