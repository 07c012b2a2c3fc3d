//! Tears everything down and sets everything up, again if that failed. Jepsen's `cycle!`.

use super::{Db, DbError};
use crate::site::Sites;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use harness::cli::output::note;

/// How often it is tried, if nobody says otherwise.
pub const CYCLE_TRIES: u32 = 3;

/// Tears down on all nodes, sets up on all nodes, then the primary on the first one. Of a [`DbError::SetUpFailed`] all of it is
/// done again, up to `tries` times in all; any other error ends it.
pub async fn cycle(db: &dyn Db, sites: &Sites, tries: u32) -> Result<(), DbError> {
    let mut tried = 0;
    loop {
        tried += 1;
        tear_down(db, sites).await?;
        match set_up(db, sites).await {
            Err(failed @ DbError::SetUpFailed { .. }) if tried < tries => {
                note(format_args!(
                    "setting up {}: try {tried} of {tries} failed: {failed}",
                    db.name()
                ));
            }
            result => return result,
        }
    }
}

/// On all nodes at the same time; all come to their end before an error is told.
pub async fn tear_down(db: &dyn Db, sites: &Sites) -> Result<(), DbError> {
    worst(join_all(sites.iter().map(|site| db.tear_down(sites, site))).await)
}

async fn set_up(db: &dyn Db, sites: &Sites) -> Result<(), DbError> {
    sites.reset_barrier();
    let set_up = sites.iter().map(|site| async move {
        let result = db.set_up(sites, site).await;
        if result.is_err() {
            sites.break_barrier();
        }
        result
    });
    // In the order of their ends: what came first is the cause of what came after.
    worst(set_up.collect::<FuturesUnordered<_>>().collect().await)?;
    match (db.primary(), sites.iter().next()) {
        (Some(primary), Some(first)) => primary.set_up_primary(sites, first).await,
        _ => Ok(()),
    }
}

/// The first error that no other try would cure; else the first.
fn worst(results: Vec<Result<(), DbError>>) -> Result<(), DbError> {
    let mut errors: Vec<DbError> = results.into_iter().filter_map(Result::err).collect();
    let at = errors.iter().position(|error| matches!(error, DbError::Other(_))).unwrap_or(0);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.swap_remove(at)),
    }
}
