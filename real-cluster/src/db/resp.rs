//! Questions to nodes in Redis' own protocol, asked from here as clients do: one, or the same one to all nodes at once.

use super::ready::connect;
use crate::site::{Site, Sites};
use futures_util::future::join_all;
use harness::cluster::NodeId;
use harness::redis::connection::Redis;
use harness::redis::resp::Reply;
use std::time::Duration;
use tokio::time::timeout;

/// How long finding out who leads may take.
const LEADERS_WITHIN: Duration = Duration::from_millis(250);

/// One question over a connection of its own; never an error as a reply.
pub async fn ask(at: &Site, port: u16, words: &[&str]) -> Result<Reply, String> {
    let mut redis = Redis::new(connect(at, port).await.map_err(|error| error.to_string())?);
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    match redis.ask(&bytes).await.map_err(|error| error.to_string())? {
        Reply::Error(error) => {
            Err(format!("{} was answered with error `{error}`", words.join(" ")))
        }
        reply => Ok(reply),
    }
}

/// The nodes whose answers say within a moment that they lead.
pub async fn leaders(
    sites: &Sites,
    port: impl Fn(&Site) -> u16,
    words: &[&str],
    leads: impl Fn(&Reply) -> bool,
) -> Vec<NodeId> {
    let asked = sites.iter().map(|at| timeout(LEADERS_WITHIN, ask(at, port(at), words)));
    let answers = join_all(asked).await;
    let all = sites.iter().zip(answers);
    let leading = all.filter(|(_, answer)| matches!(answer, Ok(Ok(reply)) if leads(reply)));
    leading.map(|(at, _)| at.node).collect()
}

/// Whether an answer to `ROLE` is that of a primary.
pub fn is_master(reply: &Reply) -> bool {
    match reply {
        Reply::Array(items) => items.first().is_some_and(|role| role.is_status("master")),
        _ => false,
    }
}

/// Whether an answer to `INFO` has this line.
pub fn has_line(info: &Reply, line: &str) -> bool {
    lines(info).lines().any(|other| other.trim_end() == line)
}

/// What an answer to `INFO` says of something; empty if nothing.
pub fn said(info: &Reply, of: &str) -> String {
    let text = lines(info);
    let value = text.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix(':'));
    value.unwrap_or_default().trim_end().to_owned()
}

fn lines(info: &Reply) -> String {
    match info {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}
