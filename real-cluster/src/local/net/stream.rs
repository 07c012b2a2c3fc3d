//! One connection through a proxy, from the dialler's SYN to the last FIN: two [`Half`]s between two sockets.
//!
//! | between the two | what is seen |
//! |---|---|
//! | nothing | every byte, end of file and reset is passed on as it comes |
//! | a cut, when it is opened | the dialler is accepted, nothing reaches the target before the heal; if the dialler gives up first, nothing ever does |
//! | a cut, later | what goes that way is held, ends and resets too, and passes in order after the heal |
//! | a slow sender | what it sends arrives later, in order; the handshake takes a way there and a way back |
//! | no target | the dialler is reset |
//!
//! Cannot show: a `connect` that hangs (the proxy's kernel has accepted before we know), retransmission times after a
//! heal, and a dialler that half-closes across a cut, which looks like one that gave up.

mod half;

use super::fabric::{Fabric, Path};
use half::{Half, Step};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What a dialler may send before its connection exists.
const EARLY_MAX: usize = 64 << 10;

/// The way from one party to a port of a node.
pub(super) struct Link {
    pub(super) fabric: Rc<Fabric>,
    /// From the dialler to the target.
    pub(super) there: Rc<Path>,
    /// And back.
    pub(super) back: Rc<Path>,
    pub(super) target: SocketAddr,
}

/// Carries a connection that was accepted in the target's name, until it has ended on both sides.
pub(super) async fn carry(link: Rc<Link>, mut dialler: TcpStream) {
    let Some(early) = reach(&link, &mut dialler).await else { return };
    let target = match TcpStream::connect(link.target).await {
        Ok(target) => target,
        Err(_) => return reset(&dialler),
    };
    // Only latency is lost if a socket will not have it.
    let _ = (dialler.set_nodelay(true), target.set_nodelay(true));
    let mut forward = Half::new(Rc::clone(&link.there));
    let backward = Half::new(Rc::clone(&link.back));
    forward.hold(&early, &link.fabric);
    Stream { link, dialler, target, forward, backward }.run().await;
}

/// Waits until the target can be reached: no cut, and a round trip of what is slow. What the dialler sent
/// meanwhile; `None` if it gave up during a cut.
async fn reach(link: &Link, dialler: &mut TcpStream) -> Option<Vec<u8>> {
    let fabric = &link.fabric;
    let mut early = Vec::new();
    let mut counted = None;
    loop {
        let changed = fabric.changed.notified();
        if let Some(injection) = link.there.cut.get().or(link.back.cut.get()) {
            if counted.replace(injection) != Some(injection) {
                fabric.effects.acted(injection, 1);
            }
            tokio::select! {
                biased;
                () = changed => {}
                read = dialler.read_buf(&mut early), if early.len() < EARLY_MAX => {
                    if matches!(read, Ok(0) | Err(_)) {
                        return None;
                    }
                }
            }
            continue;
        }
        let delays = [&link.there, &link.back].map(|path| fabric.delay(path).unwrap_or_default());
        let round = delays[0] + delays[1];
        if round.is_zero() {
            return Some(early);
        }
        tokio::time::sleep(round).await;
        // A cut that began meanwhile holds the handshake too.
        if link.there.cut.get().or(link.back.cut.get()).is_none() {
            return Some(early);
        }
    }
}

/// Ends a connection with a reset instead of an end of file, when its socket is dropped.
fn reset(socket: &TcpStream) {
    // If the socket will not have it, its end is an end of file.
    let _ = socket.set_zero_linger();
}

struct Stream {
    link: Rc<Link>,
    dialler: TcpStream,
    target: TcpStream,
    forward: Half,
    backward: Half,
}

impl Stream {
    async fn run(mut self) {
        let link = Rc::clone(&self.link);
        loop {
            let changed = link.fabric.changed.notified();
            tokio::select! {
                biased;
                () = changed => {}
                () = poll_fn(|context| self.poll(context)) => return,
            }
        }
    }

    /// Moves what can be moved both ways. Ready when nothing can come any more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let fabric = &self.link.fabric;
        loop {
            let there = self.forward.advance(context, &mut self.dialler, &mut self.target, fabric);
            let back = self.backward.advance(context, &mut self.target, &mut self.dialler, fabric);
            match (there, back) {
                (Step::Broken, _) => {
                    reset(&self.target);
                    return Poll::Ready(());
                }
                (_, Step::Broken) => {
                    reset(&self.dialler);
                    return Poll::Ready(());
                }
                (Step::Finished, Step::Finished) => return Poll::Ready(()),
                _ if self.forward.receiver_gone && self.backward.receiver_gone => {
                    return Poll::Ready(());
                }
                // A machine answers what it no longer has a socket for with a reset, on the way back.
                (Step::Undeliverable, _) => self.backward.sender_is_gone(fabric),
                (_, Step::Undeliverable) => self.forward.sender_is_gone(fabric),
                _ => return Poll::Pending,
            }
        }
    }
}
