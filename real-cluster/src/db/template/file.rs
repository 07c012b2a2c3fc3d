//! The file that describes a server, as it is written. What it means is in [`super`].

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub program: Option<String>,
    pub upload: Option<PathBuf>,
    #[serde(default)]
    pub words: Vec<String>,
    #[serde(default)]
    pub first_words: Vec<String>,
    #[serde(default)]
    pub other_words: Vec<String>,
    #[serde(default)]
    pub peer_words: Vec<String>,
    #[serde(default = "member")]
    pub member: String,
    #[serde(default = "between")]
    pub between: String,
    #[serde(default = "data")]
    pub data: String,
    #[serde(default = "log")]
    pub log: String,
    #[serde(default)]
    pub more_logs: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    pub ports: BTreeMap<String, u16>,
    pub ready: Ready,
    /// Seconds.
    #[serde(default = "serves_within")]
    pub serves_within: u64,
    pub primary: Option<Asks>,
    #[serde(default)]
    pub clock: bool,
}

/// When a node serves.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// All its ports are open.
    Tcp,
    /// A key can be written and read.
    Resp,
    /// A command on the host succeeds.
    Command(Vec<String>),
}

/// How a node is asked whether it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asks {
    /// `ROLE` is answered with `master`.
    Role,
    /// `INFO` has the line `role:master`.
    Info,
}

fn serves_within() -> u64 {
    crate::db::ready::SERVES_WITHIN.as_secs()
}

fn member() -> String {
    "{address}:{port}".to_owned()
}

fn between() -> String {
    ",".to_owned()
}

fn data() -> String {
    "{folder}/data".to_owned()
}

fn log() -> String {
    "{folder}/log.txt".to_owned()
}
