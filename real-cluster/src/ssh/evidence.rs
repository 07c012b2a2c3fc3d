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
    let planned = match planned(db, sites) {
        Ok(planned) => planned,
        Err(why) => return vec![why],
    };
    // What only records must have written all of it down.
    let settled = join_all(sites.iter().map(|at| db.settle(sites, at))).await;
    let mut missing: Vec<String> =
        settled.into_iter().filter_map(|settled| Some(settled.err()?.to_string())).collect();
    let fetched = sites.iter().zip(&planned).map(|(at, (node, files))| {
        let into = folder.join(node);
        async move { fetch(at, files, &into).await }
    });
    missing.extend(join_all(fetched).await.into_iter().flatten());
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
