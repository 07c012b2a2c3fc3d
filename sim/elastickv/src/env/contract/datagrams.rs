//! Messages between nodes. They may be lost, so a clause repeats one until it has come, and doubled or late, so every
//! message says what it is.

use super::{Broken, Clause, LIMIT, WATCH, ensure, within};
use crate::env::{Env, Lane, NodeId};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

const LANES: [Lane; 3] = [Lane::Heartbeat, Lane::Normal, Lane::Snapshot];
/// Between two sendings of the same message.
const AGAIN: Duration = Duration::from_millis(50);

pub(super) fn clauses<E: Env>() -> Vec<Clause<E>> {
    vec![
        Clause {
            name: "a message comes on its lane, from its sender, as it was",
            check: |a, b| Box::pin(comes_as_it_was(a, b)),
        },
        Clause { name: "messages come both ways at once", check: |a, b| Box::pin(both_ways(a, b)) },
        Clause {
            name: "an empty message and a long one come too",
            check: |a, b| Box::pin(any_length(a, b)),
        },
        Clause {
            name: "a receive that is given up takes no message with it",
            check: |a, b| Box::pin(given_up(a, b)),
        },
        Clause {
            name: "a message wakes a receive that waits",
            check: |a, b| Box::pin(wakes(a, b)),
        },
    ]
}

/// Sends until it comes, and gives what came.
async fn deliver<E: Env>(
    from: &E,
    to: &E,
    lane: Lane,
    message: &Bytes,
) -> Result<(NodeId, Bytes), Broken> {
    let arrival = async {
        loop {
            from.send(to.id(), lane, message.clone());
            let again = from.monotonic() + AGAIN;
            while let Some(left) = again.checked_sub(from.monotonic()).filter(|l| !l.is_zero()) {
                match within(to, left, to.receive(lane)).await {
                    // What an earlier clause sent may come late, and twice.
                    Some((sender, came)) if came == message => return (sender, came),
                    _ => {}
                }
            }
        }
    };
    let late = || Broken(format!("a message on {lane:?} did not come within {LIMIT:?}"));
    within(from, LIMIT, arrival).await.ok_or_else(late)
}

async fn comes_as_it_was<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    for lane in LANES {
        let message = Bytes::from(format!("for {lane:?}"));
        let (sender, _) = deliver(a, b, lane, &message).await?;
        ensure(sender == a.id(), || format!("a message of {} came from {sender}", a.id()))?;
        for other in LANES.into_iter().filter(|other| *other != lane) {
            while let Some((_, strayed)) = within(b, WATCH / 10, b.receive(other)).await {
                ensure(strayed != message, || format!("what went on {lane:?} came on {other:?}"))?;
            }
        }
    }
    Ok(())
}

async fn both_ways<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    for lane in LANES {
        let (there, back) = (Bytes::from_static(b"there"), Bytes::from_static(b"back"));
        let (one, other) = join(deliver(a, b, lane, &there), deliver(b, a, lane, &back)).await;
        let (from_a, from_b) = (one?.0, other?.0);
        ensure((from_a, from_b) == (a.id(), b.id()), || {
            format!("messages of {} and {} came from {from_a} and {from_b}", a.id(), b.id())
        })?;
    }
    Ok(())
}

async fn any_length<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let long: Vec<u8> = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
    deliver(a, b, Lane::Heartbeat, &Bytes::new()).await?;
    deliver(a, b, Lane::Normal, &long.clone().into()).await?;
    deliver(a, b, Lane::Snapshot, &long.into()).await?;
    Ok(())
}

async fn given_up<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let lane = Lane::Normal;
    let mut missing: BTreeSet<Bytes> =
        (0..100).map(|n| Bytes::from(format!("given up {n}"))).collect();
    let all = async {
        while !missing.is_empty() {
            for message in &missing {
                a.send(b.id(), lane, message.clone());
            }
            // Each of these is dropped before or after it gave something, as the moment wills.
            let until = a.monotonic() + AGAIN;
            while a.monotonic() < until {
                if let Some((_, message)) = b.receive(lane).now_or_never() {
                    missing.remove(&message);
                }
                if let Some((_, message)) = within(b, Duration::ZERO, b.receive(lane)).await {
                    missing.remove(&message);
                }
                a.yield_point("contract").await;
                a.sleep(Duration::from_micros(100)).await;
            }
        }
    };
    let came = within(a, LIMIT, all).await;
    came.ok_or_else(|| Broken("messages did not come to receives that were given up".into()))
}

async fn wakes<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let message = Bytes::from_static(b"wake up");
    let sender = {
        let (a, b, message) = (a.clone(), b.id(), message.clone());
        async move {
            // The receive below waits by now.
            for _ in 0..LIMIT.as_millis() / AGAIN.as_millis() {
                a.sleep(AGAIN).await;
                a.send(b, Lane::Heartbeat, message.clone());
            }
        }
    };
    let waiting = async {
        loop {
            let (_, came) = b.receive(Lane::Heartbeat).await;
            if came == message {
                return;
            }
        }
    };
    match select(pin!(waiting), pin!(sender)).await {
        Either::Left(_) => Ok(()),
        Either::Right(_) => Err(Broken("a receive that waited was never woken".into())),
    }
}
