//! Tear-down and set-up, again if that failed.

use crate::fake::{Fake, broken, failed, in_real_time, nowhere};
use real_cluster::db::{CYCLE_TRIES, DbError, cycle};
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

#[test]
fn a_set_up_that_fails_twice_is_done_three_times() {
    let db = Fake::scripted(
        |call, nth| if call == "n2 set_up" && nth <= 2 { failed(2) } else { Ok(()) },
    );
    in_real_time(cycle(&db, &nowhere(3), CYCLE_TRIES)).expect("the third is good");
    for node in ["n1", "n2", "n3"] {
        assert_eq!(db.count(&format!("{node} set_up")), 3);
        assert_eq!(db.count(&format!("{node} tear_down")), 3);
    }
    assert_eq!(db.count("n1 set_up_primary"), 1);
    assert_eq!(db.count("n2 set_up_primary"), 0);
}

#[test]
fn tries_are_as_many_as_was_said() {
    for tries in [1, 3, 5] {
        let db = Fake::scripted(|call, _| if call == "n3 set_up" { failed(3) } else { Ok(()) });
        let error = in_real_time(cycle(&db, &nowhere(3), tries)).expect_err("it never works");
        assert!(matches!(error, DbError::SetUpFailed { .. }), "{error}");
        assert_eq!(db.count("n1 set_up"), tries as usize);
        assert_eq!(db.count("n1 tear_down"), tries as usize);
        assert_eq!(db.count("n1 set_up_primary"), 0);
    }
}

#[test]
fn any_other_error_ends_it_at_once_even_beside_one_that_could_be_cured() {
    let db = Fake::scripted(|call, _| match call {
        "n1 set_up" => failed(1),
        "n2 set_up" => broken(),
        _ => Ok(()),
    });
    let error = in_real_time(cycle(&db, &nowhere(3), 3)).expect_err("it does not work");
    assert_eq!(error.to_string(), "broken");
    assert_eq!(db.count("n1 set_up"), 1);

    let db = Fake::scripted(|call, _| if call == "n2 tear_down" { broken() } else { Ok(()) });
    in_real_time(cycle(&db, &nowhere(3), 3)).expect_err("it does not go away");
    assert_eq!((db.count("n3 tear_down"), db.count("n1 set_up")), (1, 0));
}

#[test]
fn a_primary_that_fails_to_be_set_up_makes_all_be_done_again() {
    let db = Fake::scripted(|call, nth| match call {
        "n1 set_up_primary" if nth == 1 => failed(1),
        _ => Ok(()),
    });
    in_real_time(cycle(&db, &nowhere(3), 3)).expect("the second is good");
    assert_eq!(db.count("n1 set_up_primary"), 2, "once a try");
    assert_eq!((db.count("n3 set_up"), db.count("n3 tear_down")), (2, 2));
}

#[test]
fn a_primary_is_set_up_once_after_all_nodes_even_where_there_is_one_node() {
    let db = Fake::scripted(|_, _| Ok(()));
    in_real_time(cycle(&db, &nowhere(1), 3)).expect("it works");
    let expected = ["n1 tear_down", "n1 set_up", "n1 is set up", "n1 set_up_primary"];
    assert_eq!(*db.calls.borrow(), expected);
}

#[test]
fn nodes_are_set_up_at_the_same_time() {
    let db = Fake::scripted(|_, _| Ok(()));
    in_real_time(cycle(&db, &nowhere(3), 3)).expect("it works");
    let calls = db.calls.borrow();
    let begun = calls.iter().rposition(|call| call.ends_with(" set_up")).expect("begun");
    let ended = calls.iter().position(|call| call.ends_with(" is set up")).expect("ended");
    assert!(begun < ended, "{calls:?}");
}

#[test]
fn who_waited_in_a_try_that_failed_counts_no_more_in_the_next() {
    let db = Fake::scripted(|_, _| Ok(())).waiting();
    let sites = nowhere(3);
    in_real_time(async {
        // Two of three wait on, as those of a try do whose third node failed.
        let two = [sites.clone(), sites.clone()];
        let waiting = two.map(|sites| spawn_local(async move { sites.synchronize().await }));
        tokio::task::yield_now().await;
        cycle(&db, &sites, 1).await.expect("all three come");
        for left in waiting {
            assert!(!left.is_finished(), "it was counted");
            left.abort();
        }
    });
    let calls = db.calls.borrow();
    let begun = calls.iter().rposition(|call| call.ends_with(" set_up")).expect("begun");
    let ended = calls.iter().position(|call| call.ends_with(" is set up")).expect("ended");
    assert!(begun < ended, "nobody passed before all three were there: {calls:?}");
}

#[test]
fn who_waits_for_a_node_that_failed_is_told_and_the_next_try_is_not_poisoned() {
    let db = Fake::scripted(|call, nth| match call {
        "n2 set_up" if nth == 1 => failed(2),
        _ => Ok(()),
    })
    .waiting();
    let begun = Instant::now();
    in_real_time(cycle(&db, &nowhere(3), 2)).expect("the second is good");
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waited a minute for n2");
    assert_eq!((db.count("n1 set_up"), db.count("n1 is set up")), (2, 1));
    let error = in_real_time(cycle(&always(2), &nowhere(3), 1)).expect_err("n2 fails");
    assert_eq!(error.to_string(), "n2: as told", "not what the others make of it");
}

/// A node that always fails, while the others wait for it.
fn always(node: u16) -> Fake {
    let call = format!("n{node} set_up");
    Fake::scripted(move |other, _| if other == call { failed(node) } else { Ok(()) }).waiting()
}
