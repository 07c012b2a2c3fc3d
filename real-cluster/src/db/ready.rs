//! Whether a node serves: its port is open, and what is written there can be read. Both are asked from here, as clients do.

use crate::site::Site;
use harness::cluster::{Connection, NodeId};
use harness::redis::connection::Redis;
use harness::redis::resp::Reply;
use std::io;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::DbError;

/// How long a node may take to serve.
pub const SERVES_WITHIN: Duration = Duration::from_secs(30);
/// Of one attempt.
const ASKS_WITHIN: Duration = Duration::from_secs(2);
/// Between two.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What is written to see whether writes are taken. No workload uses it.
const PROBE: &[u8] = b"real-cluster:probe";

/// A connection to a port of a node.
pub async fn connect(at: &Site, port: u16) -> io::Result<Connection> {
    let stream = TcpStream::connect(at.socket(port)).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream.compat()))
}

/// Asks until an attempt succeeds; the last error is in the message. `what` is what is waited for: `redis port 6379`.
pub async fn until<F: Future<Output = Result<(), String>>>(
    node: NodeId,
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<(), DbError> {
    let limit = Instant::now() + within;
    loop {
        let last = match timeout(ASKS_WITHIN, attempt()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {ASKS_WITHIN:?}"),
        };
        if Instant::now() >= limit {
            let why = format!("{what} did not serve within {within:?}: {last}");
            return Err(DbError::SetUpFailed { node, why });
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Waits until the port is open.
pub async fn port_open(at: &Site, name: &str, port: u16, within: Duration) -> Result<(), DbError> {
    until(at.node, &format!("{name} port {port}"), within, || async move {
        connect(at, port).await.map(drop).map_err(|error| error.to_string())
    })
    .await
}

/// Waits until the port of Redis' protocol is open, then until a key can be written and read.
pub async fn serves_redis(at: &Site, port: u16) -> Result<(), DbError> {
    port_open(at, "redis", port, SERVES_WITHIN).await?;
    reads_what_it_writes(at, port, SERVES_WITHIN).await
}

/// Waits until a key can be written and read there through RESP, for which a replicated store needs a leader.
pub async fn reads_what_it_writes(at: &Site, port: u16, within: Duration) -> Result<(), DbError> {
    let what = format!("redis port {port} is open, but writing and reading a key");
    until(at.node, &what, within, || async move {
        let mut redis = Redis::new(connect(at, port).await.map_err(|error| error.to_string())?);
        let value = at.node.to_string();
        let key = [PROBE, b":", value.as_bytes()].concat();
        let wrote = redis
            .ask(&[b"SET", &key, value.as_bytes()])
            .await
            .map_err(|error| error.to_string())?;
        if !wrote.is_status("OK") {
            return Err(format!("SET was answered with {wrote}"));
        }
        match redis.ask(&[b"GET", &key]).await.map_err(|error| error.to_string())? {
            Reply::Bulk(read) if read == value.as_bytes() => Ok(()),
            other => Err(format!("GET was answered with {other} where {value} was written")),
        }
    })
    .await
}
