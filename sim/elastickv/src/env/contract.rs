//! What the methods of [`Env`] mean, as clauses that run against any two nodes' worlds. The simulated and the real one both pass
//! [`check_all`].
//!
//! Clauses begin and end with no port open and no file on the disk below a folder of their own. They run inside the first
//! node, one after the other, and act for the second node too, so the two share no more than their worlds let them. Limits are generous: a
//! clause says what happens, not how soon.
//!
//! Cannot see: what a kill, a pause, a power cut or a partition does (that is `harness::contract`), and whether what was synced is
//! really durable.

mod datagrams;
mod disk;
mod streams;
mod time;

use super::{Env, Port};
use futures_util::future::{Either, LocalBoxFuture, select};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

/// How long anything may take that must happen.
const LIMIT: Duration = Duration::from_secs(30);
/// How long something is watched to see that it does not happen.
const WATCH: Duration = Duration::from_millis(200);
/// A port that the layers do not use.
const PORT: Port = Port(17_001);
/// Another one, on which nobody listens.
const SILENT_PORT: Port = Port(17_002);

/// A promise, and how to find out whether it holds between two nodes. `Err` says in a sentence what happened instead.
pub struct Clause<E> {
    /// A sentence that is true when it passes.
    pub name: &'static str,
    /// Finds out; the first node is the one that it runs in.
    pub check: for<'a> fn(&'a E, &'a E) -> LocalBoxFuture<'a, Result<(), Broken>>,
}

/// What happened instead of what was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken(format!("an unexpected error, {:?}: {error}", error.kind()))
    }
}

/// Every clause.
pub fn all<E: Env>() -> Vec<Clause<E>> {
    let parts = [time::clauses(), datagrams::clauses(), streams::clauses(), disk::clauses()];
    parts.into_iter().flatten().collect()
}

/// Checks every clause inside the first node: what each one said, by name.
pub async fn check_all<E: Env>(inside: E, other: E) -> Vec<(&'static str, Result<(), Broken>)> {
    let mut results = Vec::new();
    for clause in all() {
        let checked = within(&inside, 2 * LIMIT, (clause.check)(&inside, &other)).await;
        let endless = || Broken(format!("it did not come to an end within {:?}", 2 * LIMIT));
        results.push((clause.name, checked.unwrap_or_else(|| Err(endless()))));
    }
    results
}

/// What the future gives, if it does so in time.
async fn within<E: Env, T>(env: &E, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(env.sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// What the future gives; a sentence if it takes too long.
async fn soon<E: Env, T>(
    env: &E,
    what: &str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Broken> {
    match within(env, LIMIT, work).await {
        Some(Ok(output)) => Ok(output),
        Some(Err(error)) => Err(Broken(format!("{what}: {:?}: {error}", error.kind()))),
        None => Err(Broken(format!("{what}: nothing happened within {LIMIT:?}"))),
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(otherwise())) }
}

/// That an operation failed, and how.
fn ensure_kind<T>(what: &str, result: io::Result<T>, kind: io::ErrorKind) -> Result<(), Broken> {
    match result {
        Ok(_) => Err(Broken(format!("{what} was well instead of {kind:?}"))),
        Err(error) => {
            ensure(error.kind() == kind, || format!("{what} was {:?}, not {kind:?}", error.kind()))
        }
    }
}
