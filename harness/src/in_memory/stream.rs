//! A connection to a node in memory: bytes in, a pause, replies out. The node's side runs inside the client's read.

use super::clock::{Sleep, VirtualClock};
use super::{Answer, World};
use crate::cluster::NodeId;
use crate::redis::resp::{Decoder, Reply};
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

pub(super) struct Stream {
    world: Rc<RefCell<World>>,
    clock: VirtualClock,
    number: u64,
    node: NodeId,
    boot: u64,
    requests: Decoder,
    replies: VecDeque<u8>,
    thinking: Option<Sleep>,
    /// Commands since MULTI.
    queued: Option<Vec<Vec<Bytes>>>,
    closed: bool,
}

impl Stream {
    pub(super) fn new(
        world: Rc<RefCell<World>>,
        clock: VirtualClock,
        number: u64,
        (node, boot): (NodeId, u64),
    ) -> Stream {
        Stream {
            world,
            clock,
            number,
            node,
            boot,
            requests: Decoder::default(),
            replies: VecDeque::new(),
            thinking: None,
            queued: None,
            closed: false,
        }
    }

    fn broken(&self) -> bool {
        let world = self.world.borrow();
        let is_reset = world.reset.get(&self.node).is_some_and(|last| self.number <= *last);
        is_reset || world.boots.get(&self.node) != Some(&self.boot)
    }

    fn forgotten(&self) -> bool {
        let forgotten = &self.world.borrow().forgotten;
        forgotten.get(&self.node).is_some_and(|last| self.number <= *last)
    }

    /// Nothing comes from the node, now.
    fn silent(&self) -> bool {
        let view = &self.world.borrow().view;
        let paused = view.node(self.node).is_some_and(|node| node.paused);
        paused || view.unasked.contains(&self.node) || self.forgotten()
    }

    /// Answers every whole command that came.
    fn answer_all(&mut self) -> io::Result<()> {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        while let Some(request) = self.requests.reply().map_err(wrong)? {
            let words = words(request);
            let answer = match &mut self.world.borrow_mut().script {
                Some(script) => script(self.node, &words),
                None => Answer::Serve,
            };
            match answer {
                Answer::Serve => {
                    let reply = self.serve(words);
                    self.replies.extend(reply);
                }
                Answer::Bytes(bytes) => self.replies.extend(bytes),
                Answer::ServeThen(bytes) => {
                    self.serve(words);
                    self.replies.extend(bytes);
                }
                Answer::ServeTwice => {
                    self.serve(words.clone());
                    let reply = self.serve(words);
                    self.replies.extend(reply);
                }
                Answer::Swallow => drop(self.serve(words)),
                Answer::Close => self.closed = true,
            }
        }
        Ok(())
    }

    fn serve(&mut self, words: Vec<Bytes>) -> Vec<u8> {
        let name = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match (name.as_slice(), &mut self.queued) {
            (b"PING", _) => b"+PONG\r\n".to_vec(),
            (b"MULTI", None) => {
                self.queued = Some(Vec::new());
                b"+OK\r\n".to_vec()
            }
            (b"EXEC", queued @ Some(_)) => {
                let commands = queued.take().unwrap_or_default();
                let mut world = self.world.borrow_mut();
                if !world.serves(self.node) {
                    return NOT_SERVING.to_vec();
                }
                let replies = commands.iter().map(|command| world.execute(command));
                let replies: Vec<u8> = replies.flatten().collect();
                [format!("*{}\r\n", commands.len()).into_bytes(), replies].concat()
            }
            (_, Some(queue)) => {
                queue.push(words);
                b"+QUEUED\r\n".to_vec()
            }
            (_, None) => {
                let mut world = self.world.borrow_mut();
                match world.serves(self.node) {
                    true => world.execute(&words),
                    false => NOT_SERVING.to_vec(),
                }
            }
        }
    }
}

const NOT_SERVING: &[u8] = b"-NOTLEADER leader not found\r\n";

fn words(request: Reply) -> Vec<Bytes> {
    let Reply::Array(items) = request else { return Vec::new() };
    let word = |item| match item {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    };
    items.into_iter().filter_map(word).collect()
}

impl World {
    fn execute(&mut self, words: &[Bytes]) -> Vec<u8> {
        match words {
            [name, ..] if name.eq_ignore_ascii_case(b"RPUSH") && self.ceiling_held => {
                b"-ERR hlc: physical/logical ceiling exhausted\r\n".to_vec()
            }
            [name, key, value] if name.eq_ignore_ascii_case(b"RPUSH") => {
                let list = self.lists.entry(key.clone()).or_default();
                list.push(value.clone());
                format!(":{}\r\n", list.len()).into_bytes()
            }
            [name, key, ..] if name.eq_ignore_ascii_case(b"LRANGE") => {
                let list = self.lists.get(key).map(Vec::as_slice).unwrap_or_default();
                let mut reply = format!("*{}\r\n", list.len()).into_bytes();
                for value in list {
                    reply.extend(format!("${}\r\n", value.len()).bytes());
                    reply.extend_from_slice(value);
                    reply.extend_from_slice(b"\r\n");
                }
                reply
            }
            _ => b"-ERR unsupported command\r\n".to_vec(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.world.borrow_mut().waiting.remove(&self.number);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.broken() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if !self.silent() {
                if !self.replies.is_empty() {
                    return Poll::Ready(self.replies.read(buffer));
                }
                if self.closed {
                    return Poll::Ready(Ok(0));
                }
                if let Some(mut sleep) = self.thinking.take() {
                    if pin!(&mut sleep).poll(context).is_ready() {
                        self.answer_all()?;
                        continue;
                    }
                    self.thinking = Some(sleep);
                }
            }
            self.world.borrow_mut().waiting.insert(self.number, context.waker().clone());
            return Poll::Pending;
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.requests.feed(bytes);
        let after = self.world.borrow_mut().answers_after(self.node);
        let sleep = self.clock.sleeper(after);
        // The answers of one connection keep their order: no later question makes an earlier one's answer come sooner.
        if self.thinking.as_ref().is_none_or(|before| before.ends() <= sleep.ends()) {
            self.thinking = Some(sleep);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
