//! Asking nodes for their metrics, directly and never through a link: who leads, and what they counted.
//!
//! Every second each node's exposition is appended to `n1/metrics.jsonl`, one line a scrape, so a crash of the tool costs
//! at most the line under way; at the end all of a node's lines become one `n1/metrics.om` ([`exposition`]).
//!
//! Cannot see: what a node counted between its last scrape and the kill that followed.

mod clock_offset;
pub mod exposition;
mod redis_info;

use crate::db::Metrics;
use crate::site::Site;
use exposition::Scrape;
use futures_util::future::join_all;
use harness::cluster::Artifacts;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, timeout};

/// Between two scrapes.
const EVERY: Duration = Duration::from_secs(1);
/// How long a scrape may take.
const WITHIN: Duration = Duration::from_millis(900);
/// The counter whose values become the run's marks.
const MARKS: (&str, &str) = ("elastickv_marks_total", "mark");
/// How long finding out who leads may take.
const LEADERS_WITHIN: Duration = Duration::from_millis(250);

/// Where a node is scraped, and where that is kept.
pub struct Source {
    /// The node, for the label: `n1`.
    pub node: String,
    /// Of its metrics port.
    pub address: SocketAddr,
    /// How it is asked.
    pub metrics: Metrics,
    /// Its folder.
    pub folder: PathBuf,
    /// How often it was started.
    pub boots: Arc<AtomicU32>,
}

impl Source {
    /// A node on a host.
    pub fn on_host(at: &Site, metrics: Metrics, folder: PathBuf) -> Source {
        let (Metrics::Http(port) | Metrics::RedisInfo(port)) = metrics;
        let boots = Arc::default();
        Source { node: at.node.to_string(), address: at.socket(port), metrics, folder, boots }
    }

    fn lines(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// One scrape, kept. A node that does not answer is left out.
    async fn scrape(&self) -> io::Result<()> {
        let boot = self.boots.load(Ordering::Relaxed);
        let asked = async {
            match self.metrics {
                Metrics::Http(_) => fetch(self.address).await,
                Metrics::RedisInfo(_) => redis_info::fetch(self.address).await,
            }
        };
        let before_ms = now_ms();
        let Ok(Ok(text)) = timeout(WITHIN, asked).await else { return Ok(()) };
        let time_ms = now_ms();
        let text = clock_offset::told(text, before_ms, time_ms);
        let mut line = serde_json::to_vec(&Scrape { time_ms, boot, text })?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).open(self.lines())?.write_all(&line)
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Scrapes every node once a second until it is dropped.
pub async fn keep_scraping(sources: Arc<Vec<Source>>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        scrape_once(&sources).await;
    }
}

/// Scrapes every node once, all at the same time.
pub async fn scrape_once(sources: &[Source]) {
    for (source, kept) in sources.iter().zip(join_all(sources.iter().map(Source::scrape)).await) {
        if let Err(error) = kept {
            tracing::warn!("metrics of {} cannot be kept: {error}", source.node);
        }
    }
}

/// What was scraped of a node; a torn last line is left out.
pub fn read(lines: &Path) -> io::Result<Vec<Scrape>> {
    let text = match fs::read(lines) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Makes one exposition of what was scraped of a node, in place of the lines. What was scraped.
pub fn conclude(source: &Source) -> io::Result<Vec<Scrape>> {
    let scrapes = read(&source.lines())?;
    let unfinished = source.folder.join("metrics.om.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(exposition::join(&source.node, &scrapes).as_bytes())?;
    file.sync_all()?;
    fs::rename(unfinished, source.folder.join("metrics.om"))?;
    match fs::remove_file(source.lines()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(scrapes),
    }
}

/// The same for all nodes: their marks are counted, and what could not be joined is told.
pub fn conclude_all(sources: &[Source], artifacts: &mut Artifacts) {
    for source in sources {
        match conclude(source) {
            Ok(scrapes) => {
                for (mark, count) in exposition::sum(&scrapes, MARKS.0, MARKS.1) {
                    *artifacts.counters.entry(mark).or_default() += count;
                }
            }
            Err(error) => {
                let text = format!("cannot be joined: {error}");
                artifacts.params.insert(format!("{} metrics", source.node), text);
            }
        }
    }
}

/// For each address, whether the node there says within a moment that it leads.
pub async fn lead(addresses: &[SocketAddr]) -> Vec<bool> {
    let asked = addresses.iter().map(|address| async move {
        match timeout(LEADERS_WITHIN, fetch(*address)).await {
            Ok(Ok(text)) => text.lines().any(|line| line == "elastickv_raft_leader 1"),
            _ => false,
        }
    });
    join_all(asked).await
}

/// `GET /metrics`.
async fn fetch(address: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get("/metrics").header(HOST, address.to_string());
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if !response.status().is_success() {
            return Err(io::Error::other(format!("the answer is {}", response.status())));
        }
        let body = response.into_body().collect().await.map_err(io::Error::other)?;
        String::from_utf8(body.to_bytes().into()).map_err(io::Error::other)
    };
    tokio::select! {
        biased;
        text = answer => text,
        // The connection is what carries the answer; ended before it, there is none.
        ended = connection => Err(match ended {
            Ok(()) => io::ErrorKind::UnexpectedEof.into(),
            Err(error) => io::Error::other(error),
        }),
    }
}
