//! Byte streams: opened, refused, closed, dropped, and full.

use super::{Broken, Clause, PORT, SILENT_PORT, WATCH, ensure, ensure_kind, soon, within};
use crate::env::{Env, Listener};
use futures_util::future::join;
use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use std::io;

/// More than any kernel buffers between two ends.
const FLOOD: usize = 64 << 20;

pub(super) fn clauses<E: Env>() -> Vec<Clause<E>> {
    vec![
        Clause { name: "what is written is read, both ways", check: |a, b| Box::pin(echo(a, b)) },
        Clause { name: "a node may connect to itself", check: |a, _| Box::pin(echo(a, a)) },
        Clause {
            name: "a port on which nobody listens refuses",
            check: |a, b| Box::pin(refused(a, b)),
        },
        Clause { name: "a port is listened on once", check: |a, _| Box::pin(once(a)) },
        Clause {
            name: "a port that was closed refuses, and can be opened again",
            check: |a, b| Box::pin(reopened(a, b)),
        },
        Clause {
            name: "connections wait to be accepted, in order, with what was written",
            check: |a, b| Box::pin(wait_in_order(a, b)),
        },
        Clause {
            name: "an accept that is given up takes no connection with it",
            check: |a, b| Box::pin(accept_given_up(a, b)),
        },
        Clause {
            name: "a close ends one direction, after the last byte",
            check: |a, b| Box::pin(closed(a, b)),
        },
        Clause {
            name: "a dropped socket ends the stream after the last byte",
            check: |a, b| Box::pin(dropped(a, b)),
        },
        Clause {
            name: "a socket dropped with bytes unread breaks the stream",
            check: |a, b| Box::pin(dropped_unread(a, b)),
        },
        Clause {
            name: "writing to an end that is gone fails",
            check: |a, b| Box::pin(write_to_nobody(a, b)),
        },
        Clause {
            name: "a stream that nobody reads fills up, and loses nothing",
            check: |a, b| Box::pin(flood(a, b)),
        },
    ]
}

/// A stream from the first node to the second: its two ends. The port is closed again.
async fn pair<E: Env>(a: &E, b: &E) -> Result<(E::Socket, E::Socket), Broken> {
    let mut listener = b.listen(PORT).await?;
    let (dialled, accepted) = join(a.connect(b.id(), PORT), listener.accept()).await;
    Ok((dialled?, accepted?))
}

async fn read_some<E: Env>(env: &E, socket: &mut E::Socket, len: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = vec![0; len];
    soon(env, "reading", socket.read_exact(&mut bytes)).await?;
    Ok(bytes)
}

/// Everything up to the end of the stream.
async fn read_rest<E: Env>(env: &E, socket: &mut E::Socket) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    soon(env, "reading to the end", socket.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

async fn write<E: Env>(env: &E, socket: &mut E::Socket, bytes: &[u8]) -> Result<(), Broken> {
    soon(env, "writing", async {
        socket.write_all(bytes).await?;
        socket.flush().await
    })
    .await
}

async fn echo<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, mut far) = pair(a, b).await?;
    for round in 0..10 {
        let ping = format!("ping {round}");
        write(a, &mut near, ping.as_bytes()).await?;
        let heard = read_some(b, &mut far, ping.len()).await?;
        write(b, &mut far, &heard).await?;
        let back = read_some(a, &mut near, ping.len()).await?;
        ensure(back == ping.as_bytes(), || format!("`{ping}` came back as {back:?}"))?;
    }
    Ok(())
}

async fn refused<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let dialled = within(a, super::LIMIT, a.connect(b.id(), SILENT_PORT)).await;
    let dialled = dialled.ok_or_else(|| Broken("the port was silent, not refused".into()))?;
    ensure_kind("connecting", dialled, io::ErrorKind::ConnectionRefused)
}

async fn once<E: Env>(env: &E) -> Result<(), Broken> {
    let listener = env.listen(PORT).await?;
    let second = env.listen(PORT).await;
    drop(listener);
    ensure_kind("listening twice", second, io::ErrorKind::AddrInUse)
}

async fn reopened<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (near, far) = pair(a, b).await?;
    let dialled = within(a, super::LIMIT, a.connect(b.id(), PORT)).await;
    let dialled = dialled.ok_or_else(|| Broken("a closed port was silent".into()))?;
    ensure_kind("connecting to a closed port", dialled, io::ErrorKind::ConnectionRefused)?;
    // The older stream still stands while the port is opened again.
    echo(a, b).await?;
    drop((near, far));
    Ok(())
}

async fn wait_in_order<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let mut listener = b.listen(PORT).await?;
    let mut waiting = Vec::new();
    for number in 0..8u8 {
        let mut socket = soon(a, "connecting", a.connect(b.id(), PORT)).await?;
        write(a, &mut socket, &[number]).await?;
        waiting.push(socket);
    }
    for number in 0..8u8 {
        let mut socket = soon(b, "accepting", listener.accept()).await?;
        let said = read_some(b, &mut socket, 1).await?;
        ensure(said == [number], || format!("connection {number} was number {said:?}"))?;
    }
    Ok(())
}

async fn accept_given_up<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let mut listener = b.listen(PORT).await?;
    let early = within(b, WATCH, listener.accept()).await;
    ensure(early.is_none(), || "a connection was accepted that nobody made".into())?;
    let mut near = soon(a, "connecting", a.connect(b.id(), PORT)).await?;
    let mut far = soon(b, "accepting", listener.accept()).await?;
    write(a, &mut near, b"here").await?;
    let said = read_some(b, &mut far, 4).await?;
    ensure(said == b"here", || format!("`here` was read as {said:?}"))
}

async fn closed<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, mut far) = pair(a, b).await?;
    write(a, &mut near, b"last words").await?;
    soon(a, "closing", near.close()).await?;
    let heard = read_rest(b, &mut far).await?;
    ensure(heard == b"last words", || format!("before the end came {heard:?}"))?;
    write(b, &mut far, b"an answer").await?;
    drop(far);
    let answer = read_rest(a, &mut near).await?;
    ensure(answer == b"an answer", || format!("after the close came {answer:?}"))
}

async fn dropped<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, mut far) = pair(a, b).await?;
    // Half of what a reader of ten bytes waits for.
    write(a, &mut near, b"half-").await?;
    drop(near);
    let heard = read_rest(b, &mut far).await?;
    ensure(heard == b"half-", || format!("before the end came {heard:?}"))?;
    let after = soon(b, "reading again", far.read(&mut [0; 8])).await?;
    ensure(after == 0, || "bytes came after the end".into())
}

async fn dropped_unread<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, mut far) = pair(a, b).await?;
    write(a, &mut near, b"read me").await?;
    // It has arrived before the socket goes: one byte of it is read.
    read_some(b, &mut far, 1).await?;
    drop(far);
    let read = within(a, super::LIMIT, near.read(&mut [0; 8])).await;
    let read = read.ok_or_else(|| Broken("the stream stayed as it was".into()))?;
    ensure_kind("reading", read, io::ErrorKind::ConnectionReset)
}

async fn write_to_nobody<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, far) = pair(a, b).await?;
    drop(far);
    let kind = soon(a, "writing until it fails", async {
        loop {
            let wrote = async {
                near.write_all(b"hello?").await?;
                near.flush().await
            };
            if let Err(error) = wrote.await {
                return Ok(error.kind());
            }
            a.sleep(WATCH / 20).await;
        }
    })
    .await?;
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    ensure(matches!(kind, BrokenPipe | ConnectionReset), || format!("it failed with {kind:?}"))
}

/// What the stream carries at an offset.
fn pattern(offset: usize) -> u8 {
    (offset % 251) as u8
}

async fn flood<E: Env>(a: &E, b: &E) -> Result<(), Broken> {
    let (mut near, mut far) = pair(a, b).await?;
    let mut written = 0;
    loop {
        ensure(written < FLOOD, || format!("{FLOOD} bytes that nobody reads were taken"))?;
        let chunk: Vec<u8> = (written..written + 65_536).map(pattern).collect();
        match within(a, WATCH, near.write(&chunk)).await {
            Some(count) => written += count?,
            None => break,
        }
    }
    ensure(written > 0, || "not one byte was taken".into())?;
    drop(near);
    let (mut read, mut buffer) = (0, vec![0; 65_536]);
    loop {
        let count = soon(b, "reading the flood", far.read(&mut buffer)).await?;
        if count == 0 {
            return ensure(read == written, || format!("{written} bytes in, {read} bytes out"));
        }
        let wrong = (0..count).find(|at| buffer[*at] != pattern(read + at));
        ensure(wrong.is_none(), || format!("a wrong byte after {read}"))?;
        read += count;
    }
}
