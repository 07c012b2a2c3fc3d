//! `INFO` of a Redis server as an OpenMetrics exposition: a gauge `redis_NAME` for each line that is a number.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// More than any server says of itself.
const LONGEST: usize = 1 << 20;

/// Asks. The scraper runs beside the test, on whatever thread, so the test's own client is not for it.
pub async fn fetch(address: SocketAddr) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.write_all(b"*1\r\n$4\r\nINFO\r\n").await?;
    let mut head = String::new();
    (&mut stream).take(32).read_line(&mut head).await?;
    let length = head.trim_end().strip_prefix('$').and_then(|length| length.parse().ok());
    let length = length
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| io::Error::other(format!("INFO was answered with {}", head.trim_end())))?;
    let mut info = vec![0; length];
    stream.read_exact(&mut info).await?;
    Ok(exposition(&String::from_utf8_lossy(&info)))
}

fn exposition(info: &str) -> String {
    let mut text = String::new();
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain
            && let Ok(number) = value.trim().parse::<f64>()
            && number.is_finite()
        {
            writeln!(text, "# TYPE redis_{name} gauge\nredis_{name} {number}")
                .expect("a string takes all");
        }
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gauges_and_words_are_left_out() {
        let info = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:12\r\nrole:master\r\nmem_fragmentation_ratio:1.50\r\n";
        assert_eq!(
            exposition(info),
            "# TYPE redis_uptime_in_seconds gauge\nredis_uptime_in_seconds 12\n\
             # TYPE redis_mem_fragmentation_ratio gauge\nredis_mem_fragmentation_ratio 1.5\n# EOF\n"
        );
    }
}
