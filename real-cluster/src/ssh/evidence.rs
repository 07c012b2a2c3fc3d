//! What a run brings home from its hosts: the logs of every node, whatever became of the run.
//!
//! Promise: a file that cannot be fetched keeps no other from being fetched; what is missing is told.

use crate::db::Db;
use crate::db::logs::log_files_map;
use crate::remote::files;
use crate::site::{Site, Sites};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::path::Path;

/// All log files of a node by where they are, and what they are called in the node's folder here.
pub fn planned(
    db: &dyn Db,
    sites: &Sites,
) -> Result<Vec<(String, BTreeMap<String, String>)>, String> {
    let Some(logs) = db.log_files() else { return Ok(Vec::new()) };
    sites
        .iter()
        .map(|at| {
            let map = log_files_map(&logs.log_files(sites, at));
            map.map(|map| (at.node.to_string(), map)).map_err(|why| format!("{}: {why}", at.node))
        })
        .collect()
}

/// Fetches the logs of all nodes into their folders; what could not be fetched, a sentence each.
pub async fn fetch_logs(db: &dyn Db, sites: &Sites, folder: &Path) -> Vec<String> {
    let fetched = sites.iter().map(|at| fetch_logs_of(db, sites, at, folder));
    join_all(fetched).await.concat()
}

/// The same of one node.
pub async fn fetch_logs_of(db: &dyn Db, sites: &Sites, at: &Site, folder: &Path) -> Vec<String> {
    let planned = match planned(db, sites) {
        Ok(planned) => planned,
        Err(why) => return vec![why],
    };
    // What only records must have written all of it down.
    let settled = db.settle(sites, at).await;
    let mut missing: Vec<String> = settled.err().iter().map(ToString::to_string).collect();
    let node = at.node.to_string();
    if let Some((_, files)) = planned.iter().find(|(name, _)| *name == node) {
        missing.extend(fetch(at, files, &folder.join(node)).await);
    }
    missing
}

async fn fetch(at: &Site, files: &BTreeMap<String, String>, into: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    for (path, name) in files {
        match files::download(&*at.remote, path, &into.join(name)).await {
            Ok(true) => {}
            Ok(false) => missing.push(format!("{}: there is no log file {path}", at.node)),
            Err(error) => missing
                .push(format!("{}: the log file {path} could not be fetched: {error}", at.node)),
        }
    }
    missing
}
