//! What a process holds of a byte stream: a socket, a listener, a connect under way. They belong to one boot; when that
//! boot is over they do nothing, also when dropped.

use super::end::{Holder, Part, State};
use crate::env::SimEnv;
use crate::host::Port;
use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncWrite};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One process' hold of a connection. Dropping it closes it.
pub struct SimSocket {
    env: SimEnv,
    conn: u64,
    side: usize,
}

impl AsyncRead for SimSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(world) = self.env.world() else { return Poll::Pending };
        let streams = &mut *world.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&self.conn) else { return gone() };
        let Some(end) = conn.end(self.side) else { return gone() };
        let count = end.read(out);
        if count > 0 {
            if end.owes_window() && end.state == State::Open {
                let ack = end.ack();
                world.transmit(self.conn, conn, self.side, ack);
            }
            return Poll::Ready(Ok(count));
        }
        match end.state {
            _ if out.is_empty() || end.peer_closed => Poll::Ready(Ok(0)),
            State::Failed(kind) => Poll::Ready(Err(kind.into())),
            State::Opening | State::Open => {
                end.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for SimSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(world) = self.env.world() else { return Poll::Pending };
        let streams = &mut *world.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&self.conn) else { return gone() };
        let Some(end) = conn.end(self.side) else { return gone() };
        if let State::Failed(kind) = end.state {
            return Poll::Ready(Err(kind.into()));
        }
        if end.is_shut() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let now = world.now();
        let (from, to) = (conn.hosts[self.side], conn.hosts[1 - self.side]);
        let drip = world.net.borrow().drips(from, to);
        let Some(end) = conn.end(self.side) else { return gone() };
        // What waits is woken by an acknowledgement of what is under way.
        let drips = drip.map(|drip| drip.window_bytes().saturating_sub(end.under_way()));
        if drips == Some(0) && !bytes.is_empty() {
            end.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = end.room(now).min(bytes.len()).min(drips.unwrap_or(usize::MAX));
        if count == 0 && !bytes.is_empty() {
            end.writer = Some(cx.waker().clone());
            world.arm(self.conn, conn, self.side);
            return Poll::Pending;
        }
        let segment = world.params.segment_bytes;
        let segment = drip.map_or(segment, |drip| drip.packet_bytes().min(segment));
        for chunk in bytes[..count].chunks(segment) {
            let Some(end) = conn.end(self.side) else { return gone() };
            let segment = end.enqueue(now, Part::Data(Bytes::copy_from_slice(chunk)));
            world.transmit(self.conn, conn, self.side, segment);
        }
        world.arm(self.conn, conn, self.side);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(world) = self.env.world() else { return Poll::Pending };
        let streams = &mut *world.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&self.conn) else { return gone() };
        if conn.end(self.side).is_some_and(|end| end.state == State::Open) {
            world.shut(self.conn, conn, self.side);
        }
        Poll::Ready(Ok(()))
    }
}

/// A held end is forgotten only with its boot, and then the socket does nothing at all.
fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        if let Some(world) = self.env.world() {
            world.close(self.conn, self.side);
        }
    }
}

/// A connect under way. Dropping it gives up.
pub(crate) struct Dial {
    env: SimEnv,
    to: u16,
    port: u16,
    socket: Option<SimSocket>,
}

impl Dial {
    pub(crate) fn new(env: SimEnv, to: u16, port: u16) -> Dial {
        Dial { env, to, port, socket: None }
    }
}

impl Future for Dial {
    type Output = io::Result<SimSocket>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SimSocket>> {
        let Some(world) = self.env.world() else { return Poll::Pending };
        let (env, to, port) = (self.env, self.to, self.port);
        let conn = self
            .socket
            .get_or_insert_with(|| {
                let conn = world.dial(env.node, to, port);
                SimSocket { env, conn, side: 0 }
            })
            .conn;
        let mut streams = world.streams.borrow_mut();
        let Some(end) = streams.conns.get_mut(&conn).and_then(|conn| conn.end(0)) else {
            return gone();
        };
        match end.state {
            State::Opening => {
                end.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Open => {
                Poll::Ready(self.socket.take().ok_or(io::ErrorKind::NotConnected.into()))
            }
            State::Failed(kind) => Poll::Ready(Err(kind.into())),
        }
    }
}

/// Accepts byte streams on one port. Dropping it closes the port and resets what waits there.
pub struct SimListener {
    env: SimEnv,
    port: u16,
}

pub(crate) fn listen(env: SimEnv, port: u16) -> Option<io::Result<SimListener>> {
    let world = env.world()?;
    let mut hosts = world.hosts.borrow_mut();
    let ports = &mut hosts[usize::from(env.node)].ports;
    if ports.contains_key(&port) {
        return Some(Err(io::ErrorKind::AddrInUse.into()));
    }
    ports.insert(port, Port::default());
    Some(Ok(SimListener { env, port }))
}

impl elastickv::env::Listener for SimListener {
    type Socket = SimSocket;

    async fn accept(&mut self) -> io::Result<SimSocket> {
        poll_fn(|cx| {
            let Some(world) = self.env.world() else { return Poll::Pending };
            let mut hosts = world.hosts.borrow_mut();
            let ports = &mut hosts[usize::from(self.env.node)].ports;
            let Some(port) = ports.get_mut(&self.port) else { return gone() };
            let Some(conn) = port.backlog.pop_front() else {
                port.acceptor = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let streams = &mut *world.streams.borrow_mut();
            let end = streams.conns.get_mut(&conn).and_then(|conn| conn.end(1));
            if let Some(end) = end {
                end.holder = Holder::Process;
            }
            Poll::Ready(Ok(SimSocket { env: self.env, conn, side: 1 }))
        })
        .await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let Some(world) = self.env.world() else { return };
        let port = world.hosts.borrow_mut()[usize::from(self.env.node)].ports.remove(&self.port);
        for conn in port.into_iter().flat_map(|port| port.backlog) {
            world.refuse(conn);
        }
    }
}
