//! One direction of a connection: what was read and not yet written, in order, each piece with the time at which it is due.
//!
//! Where nothing is slow or cut, bytes go from read to write without a stop. A queue begins when the receiver takes no
//! more, when the path is cut, or while something is under way; it is bounded ([`HELD_MAX`], [`DELAYED_MAX`]), and then
//! the sender is not read from: its kernel pushes back.

use crate::local::net::fabric::{Fabric, Path};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that are held at a cut.
const HELD_MAX: usize = 256 << 10;
/// Bytes that are under way on a slow path: a delay must not be a limit of bandwidth.
const DELAYED_MAX: usize = 16 << 20;

/// How far a direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits.
    Waiting,
    /// The end of file was passed on.
    Finished,
    /// The receiver's machine has no such connection any more. Said once.
    Undeliverable,
    /// A reset has arrived: the receiver's socket is to be reset.
    Broken,
}

/// One direction.
pub(super) struct Half {
    path: Rc<Path>,
    queue: VecDeque<Piece>,
    /// Bytes in the queue.
    queued: usize,
    /// Nothing overtakes this.
    last_due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The sender was read to its end.
    ended: bool,
    /// The sender's machine answers with a reset once it was read to its end.
    sender_gone: bool,
    /// Nobody is there to deliver to.
    pub(super) receiver_gone: bool,
    finished: bool,
}

struct Piece {
    /// `None`: at once.
    due: Option<Instant>,
    /// The injection whose cut held it, counted already.
    held_by: Option<usize>,
    what: What,
}

enum What {
    Bytes(Bytes),
    Fin,
    Reset,
}

impl Half {
    pub(super) fn new(path: Rc<Path>) -> Half {
        Half {
            path,
            queue: VecDeque::new(),
            queued: 0,
            last_due: None,
            timer: None,
            ended: false,
            sender_gone: false,
            receiver_gone: false,
            finished: false,
        }
    }

    /// Bytes that have been read already.
    pub(super) fn hold(&mut self, bytes: &[u8], fabric: &Fabric) {
        if !bytes.is_empty() {
            self.push(What::Bytes(Bytes::copy_from_slice(bytes)), fabric);
        }
    }

    /// The sender's machine says that the connection is gone; what it sent before still comes.
    pub(super) fn sender_is_gone(&mut self, fabric: &Fabric) {
        self.sender_gone = true;
        if self.ended {
            self.push(What::Reset, fabric);
        }
    }

    /// Reads and writes what can be, and registers for the rest.
    pub(super) fn advance(
        &mut self,
        context: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        fabric: &Fabric,
    ) -> Step {
        if self.receiver_gone {
            return Step::Waiting;
        }
        loop {
            if let Poll::Ready(step) = self.deliver(context, to, fabric) {
                return step;
            }
            if self.ended || !self.has_room() {
                return if self.finished { Step::Finished } else { Step::Waiting };
            }
            let mut scratch = fabric.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = match Pin::new(&mut *from).poll_read(context, &mut buffer) {
                Poll::Pending => return Step::Waiting,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(()) if !buffer.filled().is_empty() => {
                    if let Err(Undeliverable) = self.pass(context, buffer.filled(), to, fabric) {
                        return self.undeliverable();
                    }
                }
                Ok(()) => {
                    self.ended = true;
                    let what = if self.sender_gone { What::Reset } else { What::Fin };
                    self.push(what, fabric);
                }
                Err(_) => {
                    self.ended = true;
                    self.push(What::Reset, fabric);
                }
            }
        }
    }

    /// Writes fresh bytes at once if nothing is in their way, and queues the rest.
    fn pass(
        &mut self,
        context: &mut Context<'_>,
        mut bytes: &[u8],
        to: &mut TcpStream,
        fabric: &Fabric,
    ) -> Result<(), Undeliverable> {
        if self.queue.is_empty() && self.path.cut.get().is_none() && self.path.slow.get().is_none()
        {
            while !bytes.is_empty() {
                match Pin::new(&mut *to).poll_write(context, bytes) {
                    Poll::Ready(Ok(0) | Err(_)) => return Err(Undeliverable),
                    Poll::Ready(Ok(written)) => bytes.advance(written),
                    Poll::Pending => break,
                }
            }
        }
        self.hold(bytes, fabric);
        Ok(())
    }

    fn push(&mut self, what: What, fabric: &Fabric) {
        let delayed = fabric.delay(&self.path).map(|delay| Instant::now() + delay);
        // What is not slow any more still comes after what was.
        let due = delayed.max(self.last_due);
        self.last_due = due;
        let held_by = self.path.cut.get();
        if let Some(injection) = held_by {
            fabric.effects.acted(injection, 1);
        }
        if let What::Bytes(bytes) = &what {
            self.queued += bytes.len();
        }
        self.queue.push_back(Piece { due, held_by, what });
    }

    /// Writes what is due. Pending if the queue is empty or its head must wait.
    fn deliver(
        &mut self,
        context: &mut Context<'_>,
        to: &mut TcpStream,
        fabric: &Fabric,
    ) -> Poll<Step> {
        while let Some(head) = self.queue.front_mut() {
            if let Some(injection) = self.path.cut.get() {
                if head.held_by.replace(injection) != Some(injection) {
                    fabric.effects.acted(injection, 1);
                }
                return Poll::Pending;
            }
            if let Some(due) = head.due {
                std::task::ready!(wait(&mut self.timer, due, context));
                head.due = None;
            }
            match &mut head.what {
                What::Bytes(bytes) => {
                    match std::task::ready!(Pin::new(&mut *to).poll_write(context, bytes)) {
                        Ok(0) | Err(_) => return Poll::Ready(self.undeliverable()),
                        Ok(written) => {
                            self.queued -= written;
                            bytes.advance(written);
                            if !bytes.is_empty() {
                                continue;
                            }
                        }
                    }
                }
                What::Fin => {
                    // A socket that cannot be shut down was reset: reading from it says so.
                    let _ = std::task::ready!(Pin::new(&mut *to).poll_shutdown(context));
                    self.finished = true;
                }
                What::Reset => return Poll::Ready(Step::Broken),
            }
            self.queue.pop_front();
        }
        self.last_due = None;
        Poll::Pending
    }

    fn undeliverable(&mut self) -> Step {
        self.receiver_gone = true;
        self.queue.clear();
        Step::Undeliverable
    }

    fn has_room(&self) -> bool {
        let Some(head) = self.queue.front() else { return true };
        let most = match (self.path.cut.get(), head.due) {
            (Some(_), _) => HELD_MAX,
            (None, Some(_)) => DELAYED_MAX,
            (None, None) => 0,
        };
        self.queued < most
    }
}

/// The receiver's machine has no such connection any more.
struct Undeliverable;

fn wait(timer: &mut Option<Pin<Box<Sleep>>>, due: Instant, context: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
    if timer.deadline() != due {
        timer.as_mut().reset(due);
    }
    timer.as_mut().poll(context)
}
