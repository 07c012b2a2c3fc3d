//! The detection table, row by row: the bug is caught by the checker named beside it, and the clean profile passes the same
//! seed under the same parameters.

use elastickv::bug::{Bug, PROFILE, Profile};
use harness::catalog;
use harness::checker::Verdict;
use harness::seed::Seed;
use sim::bugs;
use sim::execute::Case;

/// A seed of the row's test that shows the bug within so many seconds.
fn seen(bug: Bug) -> (Seed, &'static str) {
    match bug {
        Bug::StartTsFromHlcNext => (Seed(1), "10"),
        Bug::ReadKeysNotInLog => (Seed(1), "20"),
        Bug::ExecOnFollower | Bug::LrangeLocalOnFollower => (Seed(1), "10"),
        Bug::ProposalIdProcessCounter => (Seed(0x36), "25"),
        Bug::AckBeforeFsync | Bug::VoteNotPersisted => (Seed(1), "5"),
        Bug::HlcUnfencedNext => (Seed(0x18), "10"),
        Bug::LastCommitTsNosync => (Seed(2), "15"),
        Bug::SkipGateDropsHlcLease => (Seed(1), "10"),
        Bug::VoteTwiceInATerm => (Seed(3), "20"),
        Bug::CompactDropsVisible => (Seed(1), "20"),
        Bug::NoReadonlyShardValidation => (Seed(1), "20"),
        Bug::MissingPrimaryLockMeansRollback => (Seed(1), "30"),
        Bug::SelfBootstrapOnEmptyPeers => (Seed(1), "30"),
        Bug::LeaseNoInvalidateOnLoss => (Seed(2), "10"),
        Bug::DisableOnephaseDedup => (Seed(0x14), "10"),
        Bug::VoteWithoutLogCheck => (Seed(4), "10"),
        Bug::CommitTsAllocatedBeforePropose => (Seed(1), "5"),
        Bug::HlcNoApplyBarrierOnElection => (Seed(6), "15"),
        Bug::ReplyNotleaderWhenUnknown => (Seed(1), "10"),
        Bug::ProxyClientRetries => (Seed(3), "10"),
        Bug::ReadTsBeforeFence => (Seed(6), "10"),
        Bug::LeaseIgnoresTermCommit => (Seed(0x18), "10"),
        Bug::RetryUnknownWithFreshTs => (Seed(1), "15"),
        Bug::CommitTsBeforePrewrite | Bug::ApplyUsesWallClock => (Seed(1), "10"),
        Bug::FenceReturnsIndex => (Seed(3), "8"),
        Bug::AcceptStaleSnapshot => (Seed(2), "20"),
        Bug::NoCommitGtStartCheck => (Seed(6), "15"),
        Bug::CollectionTsBeforeFence => (Seed(0xe), "10"),
        Bug::TtlWallClockLocal => (Seed(2), "12"),
        Bug::NoWideCollectionFence => (Seed(1), "10"),
        Bug::RetryWireWriteConflict => (Seed(0xb), "15"),
        Bug::NoKeyTerminator | Bug::VoteBeforeLeaseRunsOut | Bug::AbortShortcircuitOnMarker => {
            unreachable!("a story shows {bug}")
        }
    }
}

fn verdict(bug: Bug, on: bool) -> Verdict {
    let (seed, time) = seen(bug);
    let test = catalog::find(bugs::row(bug).test).expect("it is in the catalog");
    let mut case = Case::new(test, seed).with_bug(bug).expect("a row's options are options");
    case.options.set("time", time).expect("a time");
    if !on {
        // The row's parameters stay.
        case.bug = None;
    }
    case.execute().expect("the simulation always runs").judgement.verdict
}

fn is_caught_and_the_clean_profile_passes(bug: Bug) {
    let finder = bugs::row(bug).found_by;
    match verdict(bug, true) {
        Verdict::Invalid(anomalies) => {
            let found: Vec<&str> = anomalies.iter().map(|a| a.found_by.as_str()).collect();
            assert!(found.contains(&finder), "{bug}: {finder} did not find it, {found:?} did");
        }
        other => panic!("{bug} was not caught: {other:?}"),
    }
    let clean = verdict(bug, false);
    assert!(!matches!(clean, Verdict::Invalid(_)), "{bug} is off and still: {clean:?}");
}

#[test]
fn start_ts_from_hlc_next() {
    is_caught_and_the_clean_profile_passes(Bug::StartTsFromHlcNext);
}

#[test]
fn read_keys_not_in_log() {
    is_caught_and_the_clean_profile_passes(Bug::ReadKeysNotInLog);
}

#[test]
fn exec_on_follower() {
    is_caught_and_the_clean_profile_passes(Bug::ExecOnFollower);
}

#[test]
fn lrange_local_on_follower() {
    is_caught_and_the_clean_profile_passes(Bug::LrangeLocalOnFollower);
}

#[test]
fn proposal_id_process_counter() {
    is_caught_and_the_clean_profile_passes(Bug::ProposalIdProcessCounter);
}

#[test]
fn ack_before_fsync() {
    is_caught_and_the_clean_profile_passes(Bug::AckBeforeFsync);
}

#[test]
fn vote_not_persisted() {
    is_caught_and_the_clean_profile_passes(Bug::VoteNotPersisted);
}

#[test]
fn hlc_unfenced_next() {
    is_caught_and_the_clean_profile_passes(Bug::HlcUnfencedNext);
}

#[test]
fn last_commit_ts_nosync() {
    is_caught_and_the_clean_profile_passes(Bug::LastCommitTsNosync);
}

#[test]
fn skip_gate_drops_hlc_lease() {
    is_caught_and_the_clean_profile_passes(Bug::SkipGateDropsHlcLease);
}

#[test]
fn vote_twice_in_a_term() {
    is_caught_and_the_clean_profile_passes(Bug::VoteTwiceInATerm);
}

#[test]
fn compact_drops_visible() {
    is_caught_and_the_clean_profile_passes(Bug::CompactDropsVisible);
}

#[test]
fn no_readonly_shard_validation() {
    is_caught_and_the_clean_profile_passes(Bug::NoReadonlyShardValidation);
}

#[test]
fn missing_primary_lock_means_rollback() {
    is_caught_and_the_clean_profile_passes(Bug::MissingPrimaryLockMeansRollback);
}

#[test]
fn self_bootstrap_on_empty_peers() {
    is_caught_and_the_clean_profile_passes(Bug::SelfBootstrapOnEmptyPeers);
}

#[test]
fn lease_no_invalidate_on_loss() {
    is_caught_and_the_clean_profile_passes(Bug::LeaseNoInvalidateOnLoss);
}

#[test]
fn disable_onephase_dedup() {
    is_caught_and_the_clean_profile_passes(Bug::DisableOnephaseDedup);
}

#[test]
fn vote_without_log_check() {
    is_caught_and_the_clean_profile_passes(Bug::VoteWithoutLogCheck);
}

#[test]
fn commit_ts_allocated_before_propose() {
    is_caught_and_the_clean_profile_passes(Bug::CommitTsAllocatedBeforePropose);
}

#[test]
fn hlc_no_apply_barrier_on_election() {
    is_caught_and_the_clean_profile_passes(Bug::HlcNoApplyBarrierOnElection);
}

#[test]
fn reply_notleader_when_unknown() {
    is_caught_and_the_clean_profile_passes(Bug::ReplyNotleaderWhenUnknown);
}

#[test]
fn proxy_client_retries() {
    is_caught_and_the_clean_profile_passes(Bug::ProxyClientRetries);
}

#[test]
fn read_ts_before_fence() {
    is_caught_and_the_clean_profile_passes(Bug::ReadTsBeforeFence);
}

#[test]
fn lease_ignores_term_commit() {
    is_caught_and_the_clean_profile_passes(Bug::LeaseIgnoresTermCommit);
}

#[test]
fn retry_unknown_with_fresh_ts() {
    is_caught_and_the_clean_profile_passes(Bug::RetryUnknownWithFreshTs);
}

#[test]
fn commit_ts_before_prewrite() {
    is_caught_and_the_clean_profile_passes(Bug::CommitTsBeforePrewrite);
}

#[test]
fn apply_uses_wall_clock() {
    is_caught_and_the_clean_profile_passes(Bug::ApplyUsesWallClock);
}

#[test]
fn fence_returns_index() {
    is_caught_and_the_clean_profile_passes(Bug::FenceReturnsIndex);
}

#[test]
fn accept_stale_snapshot() {
    is_caught_and_the_clean_profile_passes(Bug::AcceptStaleSnapshot);
}

#[test]
fn no_commit_gt_start_check() {
    is_caught_and_the_clean_profile_passes(Bug::NoCommitGtStartCheck);
}

#[test]
fn collection_ts_before_fence() {
    is_caught_and_the_clean_profile_passes(Bug::CollectionTsBeforeFence);
}

/// Upstream's suspected mistakes all at once; the row of none.
#[test]
fn the_head_profile_is_caught() {
    let test = catalog::find("redis-append").expect("it is in the catalog");
    let mut case = Case::new(test, Seed(1));
    case.profile = Profile::Head;
    case.options.set("time", "10").expect("a time");
    assert!(case.words().join(" ").contains("--profile head"), "{:?}", case.words());
    assert_eq!(case.extra().get(PROFILE).map(String::as_str), Some("head"));
    let verdict = case.execute().expect("the simulation always runs").judgement.verdict;
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
}

#[test]
fn every_bug_has_a_row_whose_finder_exists() {
    let stories = [include_str!("stories/mistakes.rs"), include_str!("lease_promise.rs")];
    let invariants: Vec<String> =
        sim::invariants::all().iter().map(|i| format!("invariant:{}", i.name())).collect();
    for bug in Bug::ALL {
        let finder = bugs::row(bug).found_by;
        let exists = [bugs::CLIENT, bugs::LINEARIZABLE, bugs::STORY].contains(&finder)
            || invariants.iter().any(|name| name == finder);
        let told = finder != bugs::STORY || stories.concat().contains(&format!("Bug::{bug:?}"));
        assert!(told, "no story is told of {bug}");
        assert!(exists, "{bug} is to be found by {finder}, which does not exist");
    }
}
