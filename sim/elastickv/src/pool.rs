//! Idle byte streams to other nodes, kept for the next call to them.

use crate::env::NodeId;
use futures_util::FutureExt;
use futures_util::io::{AsyncRead, AsyncReadExt};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// So many to each node, at most.
pub struct Pool<S> {
    idle: RefCell<BTreeMap<NodeId, Vec<S>>>,
    most: usize,
}

impl<S: AsyncRead + Unpin> Pool<S> {
    /// With none.
    pub fn new(most: usize) -> Pool<S> {
        Pool { idle: RefCell::default(), most }
    }

    /// The one that was used last.
    pub fn take(&self, to: NodeId) -> Option<S> {
        self.idle.borrow_mut().get_mut(&to)?.pop()
    }

    /// The same, of those on which nothing has happened since; the others are closed.
    pub fn take_quiet(&self, to: NodeId) -> Option<S> {
        loop {
            let mut socket = self.take(to)?;
            if socket.read(&mut [0]).now_or_never().is_none() {
                return Some(socket);
            }
        }
    }

    /// Keeps one whose call is over; closes it if there are enough.
    pub fn put(&self, to: NodeId, socket: S) {
        let mut idle = self.idle.borrow_mut();
        let pool = idle.entry(to).or_default();
        if pool.len() < self.most {
            pool.push(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A stream that was closed, or is quiet.
    struct Socket(u8, bool);

    impl AsyncRead for Socket {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.1 { Poll::Ready(Ok(0)) } else { Poll::Pending }
        }
    }

    #[test]
    fn the_last_comes_first_and_who_asks_for_a_quiet_one_gets_no_other() {
        let (pool, to) = (Pool::new(3), NodeId(2));
        assert!(pool.take(to).is_none());
        for socket in [Socket(1, false), Socket(2, true), Socket(3, false), Socket(4, false)] {
            pool.put(to, socket);
        }
        assert_eq!(pool.take(to).map(|socket| socket.0), Some(3), "the fourth was too many");
        assert_eq!(pool.take_quiet(to).map(|socket| socket.0), Some(1), "the second was closed");
        assert!(pool.take_quiet(to).is_none() && pool.take(NodeId(3)).is_none());
    }
}
