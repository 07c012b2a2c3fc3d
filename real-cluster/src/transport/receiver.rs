//! The receiving half: accepts, answers a hello, and takes frames until one is wrong.

use super::wire::{HELLO_LEN, Hello, broken, take_frame};
use super::{Transport, lane_max};
use crate::metrics::{Dropped, lane_name};
use bytes::BytesMut;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const HELLO_WITHIN: Duration = Duration::from_secs(5);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 64 << 10;
/// Room that a header alone may ask for: the rest comes with the bytes.
const ROOM_MAX: usize = 1 << 20;
/// Bytes that the other machine's kernel has not acknowledged for so long mean that it is gone.
const UNACKNOWLEDGED_MS: u32 = 10_000;

/// Accepts peers for ever.
pub(super) async fn serve(transport: Transport, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                drop(tokio::task::spawn_local(serve_stream(transport.clone(), stream)));
            }
            // Of one connection, or for want of descriptors: the port itself goes on.
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// No waiting for more to send; and a machine that vanished is noticed.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS)?;
    Ok(())
}

async fn serve_stream(transport: Transport, mut stream: TcpStream) {
    let peer = stream.peer_addr().map_or_else(|_| "a peer".to_owned(), |peer| peer.to_string());
    let greeted = timeout(HELLO_WITHIN, greet(&transport, &mut stream)).await;
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not say hello"));
    let hello = match greeted.unwrap_or_else(late) {
        Ok(hello) => hello,
        // As when a proxy gives up: nobody was there to be refused.
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            return tracing::debug!("{peer} on the raft port: {error}");
        }
        Err(error) => return tracing::warn!("{peer} on the raft port is refused: {error}"),
    };
    let lane = lane_name(hello.lane);
    let from = hello.from;
    tracing::debug!("{from} connected, {lane}");
    match take_frames(&transport, hello, stream).await {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!("{from}, {lane}, is disconnected: {error}");
        }
        Err(error) => tracing::debug!("{from} lost, {lane}: {error}"),
        Ok(()) => tracing::debug!("{from} disconnected, {lane}"),
    }
}

async fn greet(transport: &Transport, stream: &mut TcpStream) -> io::Result<Hello> {
    tune(stream)?;
    let mut bytes = [0; HELLO_LEN];
    stream.read_exact(&mut bytes).await?;
    let hello = Hello::decode(&bytes)?;
    let me = transport.0.id;
    if hello.to != me {
        return Err(broken(format!("{} looks for {}, this is {me}", hello.from, hello.to)));
    }
    if !transport.0.outboxes.contains_key(&hello.from) {
        return Err(broken(format!("{} is not in this cluster", hello.from)));
    }
    stream.write_all(&hello.answer().encode()).await?;
    Ok(hello)
}

async fn take_frames(transport: &Transport, hello: Hello, mut stream: TcpStream) -> io::Result<()> {
    let inner = &transport.0;
    let received = inner.metrics.traffic("received", hello.lane);
    let mut buffer = BytesMut::new();
    loop {
        match take_frame(&mut buffer, lane_max(hello.lane))? {
            Ok(message) => {
                received.count(1, (message.len() + super::wire::HEADER) as u64);
                let dropped = inner.inboxes[hello.lane as usize].push(hello.from, message);
                inner.metrics.dropped(Dropped::InboxFull, dropped);
            }
            Err(missing) => {
                buffer.reserve(missing.clamp(READ_BYTES, ROOM_MAX));
                if stream.read_buf(&mut buffer).await? == 0 {
                    let whole = buffer.is_empty();
                    return if whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
                }
            }
        }
    }
}
