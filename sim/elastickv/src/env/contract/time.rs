//! Clocks, sleeps, tasks, draws.

use super::{Broken, Clause, LIMIT, ensure, within};
use crate::env::{Draw, Env};
use futures_util::future::join;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

pub(super) fn clauses<E: Env>() -> Vec<Clause<E>> {
    vec![
        Clause { name: "nodes know who they are", check: |a, b| Box::pin(names(a, b)) },
        Clause { name: "a sleep is never short", check: |a, _| Box::pin(never_short(a)) },
        Clause { name: "the shorter sleep ends first", check: |a, _| Box::pin(in_order(a)) },
        Clause { name: "a dropped sleep is not slept", check: |a, _| Box::pin(dropped(a)) },
        Clause {
            name: "a sleep begins when it is asked for, not when it is first awaited",
            check: |a, _| Box::pin(begins_at_once(a)),
        },
        Clause { name: "both clocks move on", check: |a, _| Box::pin(clocks_move(a)) },
        Clause {
            name: "a spawned task runs, but not before spawn has returned",
            check: |a, _| Box::pin(spawned(a)),
        },
        Clause { name: "a yield point lets other tasks run", check: |a, _| Box::pin(yields(a)) },
        Clause { name: "draws differ", check: |a, _| Box::pin(draws(a)) },
        Clause {
            name: "rare branches are off",
            check: |a, _| Box::pin(async { ensure(!a.buggify("rare"), || "it is on".into()) }),
        },
    ]
}

async fn names<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    ensure(a.id() != b.id(), || format!("both nodes are {}", a.id()))
}

async fn never_short<E: Env>(env: &E) -> Result<(), Broken> {
    for micros in [0, 1, 10, 999, 1001, 30_000] {
        let asked = Duration::from_micros(micros);
        let before = env.monotonic();
        env.sleep(asked).await;
        let after = env.monotonic();
        ensure(after >= before + asked, || format!("{asked:?} took {:?}", after - before))?;
    }
    Ok(())
}

async fn in_order<E: Env>(env: &E) -> Result<(), Broken> {
    let order = RefCell::new(Vec::new());
    let nap = |ms: u64| {
        let order = &order;
        async move {
            env.sleep(Duration::from_millis(ms)).await;
            order.borrow_mut().push(ms);
        }
    };
    join(nap(60), nap(5)).await;
    ensure(*order.borrow() == [5, 60], || format!("the order was {:?}", order.borrow()))
}

async fn dropped<E: Env>(env: &E) -> Result<(), Broken> {
    let before = env.monotonic();
    let mut long = Box::pin(env.sleep(Duration::from_secs(3600)));
    let waited = within(env, Duration::from_millis(5), &mut long).await;
    ensure(waited.is_none(), || "an hour was slept in 5 ms".into())?;
    drop(long);
    env.sleep(Duration::from_millis(5)).await;
    let took = env.monotonic() - before;
    ensure(took < Duration::from_secs(3600), || "the dropped sleep was slept".into())
}

async fn begins_at_once<E: Env>(env: &E) -> Result<(), Broken> {
    let before = env.monotonic();
    let second = env.sleep(Duration::from_millis(400));
    env.sleep(Duration::from_millis(400)).await;
    let after_first = env.monotonic();
    second.await;
    let rest = env.monotonic() - after_first;
    ensure(rest < Duration::from_millis(390), || {
        format!("asked for at {before:?}, 400 ms ran out {rest:?} after {after_first:?}")
    })
}

async fn clocks_move<E: Env>(env: &E) -> Result<(), Broken> {
    let before = (env.monotonic(), env.wall_ms());
    let mut last = before.0;
    for _ in 0..50 {
        env.sleep(Duration::from_millis(1)).await;
        let now = env.monotonic();
        ensure(now > last, || format!("monotonic time was {last:?}, then {now:?}"))?;
        last = now;
    }
    let after = env.wall_ms();
    // Drift is allowed, and a clock that someone sets is not this clause's.
    ensure(after >= before.1 + 25, || format!("the wall clock was {} ms, then {after}", before.1))
}

async fn spawned<E: Env>(env: &E) -> Result<(), Broken> {
    let ran = Rc::new(Cell::new(0));
    let (task, inner, outer) = (env.clone(), ran.clone(), ran.clone());
    env.spawn(async move {
        outer.set(outer.get() + 1);
        task.spawn(async move { inner.set(inner.get() + 10) });
    });
    ensure(ran.get() == 0, || "the task ran inside spawn".into())?;
    let both = async {
        while ran.get() != 11 {
            env.sleep(Duration::from_millis(1)).await;
        }
    };
    within(env, LIMIT, both).await.ok_or_else(|| Broken("a spawned task did not run".into()))
}

async fn yields<E: Env>(env: &E) -> Result<(), Broken> {
    let ran = Rc::new(Cell::new(false));
    let set = ran.clone();
    env.spawn(async move { set.set(true) });
    for _ in 0..1000 {
        env.yield_point("contract").await;
        if ran.get() {
            return Ok(());
        }
    }
    Err(Broken("a task that was ready did not run during 1000 yield points".into()))
}

async fn draws<E: Env>(env: &E) -> Result<(), Broken> {
    for stream in [Draw::Election, Draw::Backoff] {
        let drawn: BTreeSet<u64> = (0..64).map(|_| env.draw(stream)).collect();
        ensure(drawn.len() > 60, || format!("64 draws gave only {} numbers", drawn.len()))?;
        let high = drawn.iter().filter(|n| **n > u64::MAX / 2).count();
        ensure((1..64).contains(&high), || "the highest bit is always the same".into())?;
    }
    Ok(())
}
