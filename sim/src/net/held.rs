//! Datagrams that a link holds back until they are let go, in another order; and what a node was told before it restarted.

use super::Frame;
use crate::host::Down;
use crate::timers::Event;
use crate::world::World;
use harness::fault::Sequence;
use harness::seed::{Draw, Seed, Stream};
use std::collections::VecDeque;
use std::time::Duration;

/// What is held at most; the oldest go first, as from an inbox.
const HELD_MAX: usize = 4096;
/// What a node is told once more.
pub(super) const ECHOES: usize = 32;
/// Between two looks at how much it was told so far.
const LOOK: Duration = Duration::from_millis(100);
/// Looks until what there is must do.
const LISTENS_AT_MOST: usize = 50;

/// What is held back, and what is remembered of what a node was told.
#[derive(Default)]
pub(crate) struct Held {
    hold: Option<Hold>,
    frames: VecDeque<Frame>,
    listening: Option<Listening>,
}

struct Hold {
    /// By link.
    links: Vec<bool>,
    then: Sequence,
    injection: usize,
}

struct Listening {
    host: u16,
    frames: VecDeque<Frame>,
}

impl Held {
    pub(super) fn is_none(&self) -> bool {
        self.hold.is_none() && self.frames.is_empty()
    }

    /// From now on these links hold what they are given, and no others do.
    pub(super) fn hold(&mut self, links: Vec<bool>, then: Sequence, injection: usize) {
        self.hold = links.contains(&true).then_some(Hold { links, then, injection });
    }

    /// Whether any link holds anything back.
    pub(super) fn holds_any(&self) -> bool {
        self.hold.is_some()
    }

    /// The injection that holds back what is given to this link now.
    pub(super) fn holds(&self, link: usize) -> Option<usize> {
        self.hold.as_ref().filter(|hold| hold.links[link]).map(|hold| hold.injection)
    }

    /// Keeps a datagram. True if another one had to go for it.
    pub(super) fn keep(&mut self, frame: Frame) -> bool {
        keep(&mut self.frames, frame, HELD_MAX)
    }

    /// All that was held, in the order in which it is to go; nothing is held from now on.
    pub(super) fn release(&mut self) -> Vec<Frame> {
        let then = self.hold.take().map_or(Sequence::Sent, |hold| hold.then);
        let mut frames: Vec<Frame> = self.frames.drain(..).collect();
        match then {
            Sequence::Sent => {}
            Sequence::Reversed => frames.reverse(),
            Sequence::Drawn(number) => Seed(number).stream(Stream::Net).shuffle(&mut frames),
        }
        frames
    }

    /// From now on the latest that this host is told is kept.
    pub(super) fn listen(&mut self, host: u16) {
        self.listening = Some(Listening { host, frames: VecDeque::new() });
    }

    pub(super) fn is_heard(&self, host: u16) -> bool {
        self.listening.as_ref().is_some_and(|listening| listening.host == host)
    }

    /// Keeps the latest of what was told.
    pub(super) fn hear(&mut self, frame: Frame, most: usize) {
        if let Some(listening) = &mut self.listening {
            keep(&mut listening.frames, frame, most);
        }
    }

    /// How much was heard so far.
    pub(super) fn heard(&self) -> usize {
        self.listening.as_ref().map_or(0, |listening| listening.frames.len())
    }

    /// What was heard; nothing is kept from now on.
    pub(super) fn end_listening(&mut self) -> Vec<Frame> {
        self.listening.take().map_or_else(Vec::new, |listening| listening.frames.into())
    }
}

fn keep(frames: &mut VecDeque<Frame>, frame: Frame, most: usize) -> bool {
    frames.push_back(frame);
    frames.len() > most && frames.pop_front().is_some()
}

impl World {
    /// A datagram arrives at the end of a link: whether it is held back there. That counts at once if somebody would have received it, and
    /// otherwise when it comes to somebody after all.
    pub(super) fn holds(&self, frame: Frame) -> Option<Frame> {
        let net = &mut *self.net.borrow_mut();
        let link = net.index(frame.from, frame.to);
        let Some(injection) = net.held.holds(link) else { return Some(frame) };
        let mut frame = frame;
        let is_kept_from = self.hosts.borrow()[usize::from(frame.to)].up && !net.cuts[link];
        match is_kept_from && frame.blame.damaged().is_none() {
            true => self.acted(injection, 1),
            false => frame.blame.add(injection as u32),
        }
        if net.held.keep(frame) {
            self.count("held datagrams dropped");
        }
        None
    }

    /// All that is held back goes on.
    pub(crate) fn release(&self) {
        let frames = self.net.borrow_mut().held.release();
        self.give(frames);
    }

    /// These arrive from now on, one after another.
    fn give(&self, frames: Vec<Frame>) {
        for (frame, at) in frames.into_iter().zip(self.now()..) {
            self.timers.at(at, Event::Frame(frame));
        }
    }

    /// The node is told something, is killed, starts again, and is told it once more.
    pub(crate) async fn echo(&self, node: u16, down: Duration, injection: usize) {
        self.net.borrow_mut().held.listen(node);
        for _ in 0..LISTENS_AT_MOST {
            self.sleep(LOOK).await;
            if self.net.borrow().held.heard() >= ECHOES {
                break;
            }
        }
        self.put_down(node, Down::Process);
        let mut frames = self.net.borrow_mut().held.end_listening();
        self.sleep(down).await;
        self.restart(node);
        self.sleep(LOOK).await;
        for frame in &mut frames {
            frame.blame.add(injection as u32);
        }
        self.give(frames);
        // They have come when this is over.
        self.sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use elastickv::env::Lane;

    fn frame(number: u8) -> Frame {
        let message = Bytes::from(vec![number]);
        Frame {
            from: 1,
            to: 2,
            lane: Lane::Normal,
            message,
            sent: 0,
            blame: Default::default(),
            tag: 0,
        }
    }

    fn numbers(frames: &[Frame]) -> Vec<u8> {
        frames.iter().map(|frame| frame.message[0]).collect()
    }

    #[test]
    fn what_is_held_goes_in_the_order_that_was_said() {
        let told = |then| {
            let mut held = Held::default();
            held.hold(vec![true], then, 7);
            assert_eq!(held.holds(0), Some(7));
            (0..9).for_each(|number| assert!(!held.keep(frame(number))));
            let released = numbers(&held.release());
            assert!(held.is_none() && held.holds(0).is_none());
            released
        };
        let sent: Vec<u8> = (0..9).collect();
        assert_eq!(told(Sequence::Sent), sent);
        assert_eq!(told(Sequence::Reversed), sent.iter().rev().copied().collect::<Vec<u8>>());
        let (one, other) = (told(Sequence::Drawn(1)), told(Sequence::Drawn(2)));
        assert!(one != sent && one != other && one == told(Sequence::Drawn(1)));
    }

    #[test]
    fn no_more_is_held_than_an_inbox_takes_and_no_more_heard_than_was_asked() {
        let mut held = Held::default();
        held.hold(vec![true], Sequence::Sent, 7);
        let dropped = (0..HELD_MAX + 3).filter(|k| held.keep(frame((k % 256) as u8))).count();
        assert_eq!((dropped, held.release().len()), (3, HELD_MAX));
        held.listen(2);
        assert!(held.is_heard(2) && !held.is_heard(1));
        (0..9).for_each(|number| held.hear(frame(number), 4));
        assert_eq!(held.heard(), 4);
        assert_eq!(numbers(&held.end_listening()), [5, 6, 7, 8]);
        assert!(!held.is_heard(2));
    }
}
