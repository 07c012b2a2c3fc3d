//! One heap of everything that is still to happen, ordered by (time, number), and the world's clock, which moves from one to the
//! next.
//!
//! Promises: equal times fire in the order in which they were set; a cancelled timer never fires and is a tombstone until
//! its time. madsim's clock, which libraries read that ask the system for the time, follows by the millisecond.

use crate::disk::Synced;
use crate::env::SimEnv;
use crate::net::Frame;
use crate::stream::{Packet, Retry};
use crate::world::{self, World};
use madsim::time::TimeHandle;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, RawWakerVTable, Waker};
use std::time::Duration;

/// Nanoseconds that both clocks underneath can still count: 292 years.
pub(crate) const END_OF_TIME: u64 = i64::MAX as u64;
/// madsim's clock is at most so far behind.
const FOLLOWS_BY_NS: u64 = 1_000_000;

/// What happens when a timer fires.
pub(crate) enum Event {
    /// A sleep of this node ends.
    Wake(u16, Waker),
    Frame(Frame),
    Packet(Packet),
    Retry(Retry),
    Synced(Synced),
}

/// Names one timer for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    number: u64,
}

/// The heap itself; knows nothing of madsim. A binary heap with tombstones: a step of it (pop one, push two, cancel one)
/// costs 250 to 550 ns with 50 to 5,000 timers that wait, where a tree that removes at once costs 400 to 580.
pub(crate) struct Heap<E> {
    order: BinaryHeap<Reverse<Place>>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    numbers: u64,
}

/// A timer's time in the upper half, its number in the next 40 bits, its slot in the last 24: compared as one number. The number is
/// unique, so the slot never decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u128);

const SLOT_BITS: u32 = 24;
const NUMBER_BITS: u32 = 64 - SLOT_BITS;

impl Place {
    fn new(at: u64, number: u64, slot: u32) -> Place {
        assert!(number >> NUMBER_BITS == 0 && slot >> SLOT_BITS == 0, "too many timers");
        Place(u128::from(at) << 64 | u128::from(number << SLOT_BITS | u64::from(slot)))
    }

    fn at(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn slot(self) -> u32 {
        self.0 as u32 & ((1 << SLOT_BITS) - 1)
    }
}

struct Slot<E> {
    number: u64,
    event: Option<E>,
}

impl<E> Heap<E> {
    pub(crate) fn new() -> Heap<E> {
        Heap { order: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), numbers: 0 }
    }

    pub(crate) fn push(&mut self, at: u64, event: E) -> Key {
        let number = self.numbers;
        self.numbers += 1;
        let filled = Slot { number, event: Some(event) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = filled;
                slot
            }
            None => {
                self.slots.push(filled);
                self.slots.len() as u32 - 1
            }
        };
        self.order.push(Reverse(Place::new(at, number, slot)));
        Key { slot, number }
    }

    /// The event of a timer that has neither fired nor been cancelled.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut E> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.number == key.number { slot.event.as_mut() } else { None }
    }

    pub(crate) fn cancel(&mut self, key: Key) -> Option<E> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.number == key.number { slot.event.take() } else { None }
    }

    /// The first event due at `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<E> {
        while let Some(&Reverse(place)) = self.order.peek() {
            if place.at() > now {
                return None;
            }
            self.order.pop();
            self.free.push(place.slot());
            if let Some(event) = self.slots[place.slot() as usize].event.take() {
                return Some(event);
            }
        }
        None
    }

    /// When the next event is due; drops the tombstones before it.
    pub(crate) fn next(&mut self) -> Option<u64> {
        while let Some(&Reverse(place)) = self.order.peek() {
            if self.slots[place.slot() as usize].event.is_some() {
                return Some(place.at());
            }
            self.order.pop();
            self.free.push(place.slot());
        }
        None
    }

    /// All that wait, in no order that says anything.
    fn events(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| slot.event.as_ref())
    }

    pub(crate) fn clear(&mut self) -> Vec<E> {
        self.order.clear();
        self.free.clear();
        self.slots.drain(..).filter_map(|slot| slot.event).collect()
    }
}

/// The world's heap and its clock.
pub(crate) struct Timers {
    heap: RefCell<Heap<Event>>,
    now: Cell<u64>,
    /// madsim's clock and how far it has been moved; none without a runtime of its.
    followed: Option<(TimeHandle, Cell<u64>)>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        let followed = TimeHandle::try_current().map(|clock| (clock, Cell::new(0)));
        Timers { heap: RefCell::new(Heap::new()), now: Cell::new(0), followed }
    }

    /// Virtual nanoseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(crate) fn at(&self, at: u64, event: Event) -> Key {
        self.heap.borrow_mut().push(at, event)
    }

    /// The timer wakes somebody else; if there is none any more, nobody.
    fn rewake(&self, key: Key, waker: Waker) -> Result<Key, Waker> {
        match self.heap.borrow_mut().get_mut(key) {
            Some(Event::Wake(_, old)) => {
                *old = waker;
                Ok(key)
            }
            _ => Err(waker),
        }
    }

    /// Lets all that sleeps on a node look again when it is to wake: its clock runs at another pace.
    pub(crate) fn rouse(&self, node: u16) {
        let sleeps = |event: &Event| match event {
            Event::Wake(of, waker) if *of == node => Some(waker.clone()),
            _ => None,
        };
        let wakers: Vec<Waker> = self.heap.borrow().events().filter_map(sleeps).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn cancel(&self, key: Key) {
        // Bound, so that the borrow ends before the event is dropped.
        let event = self.heap.borrow_mut().cancel(key);
        drop(event);
    }

    /// What is due and was set first.
    pub(crate) fn due(&self) -> Option<Event> {
        self.heap.borrow_mut().pop(self.now.get())
    }

    /// Forgets everything, for the end of a run.
    pub(crate) fn clear(&self) {
        let events = self.heap.borrow_mut().clear();
        drop(events);
    }

    /// So much time passes.
    pub(crate) fn pass(&self, took: u64) {
        self.set(self.now.get() + took);
    }

    /// Nothing happens until the next timer: it is then.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn skip_to_next(&self) {
        let next = self.heap.borrow_mut().next();
        let next = next.expect("nothing is left to happen, and the run has not ended");
        self.set(self.now.get().max(next));
    }

    fn set(&self, now: u64) {
        self.now.set(now);
        if let Some((clock, moved)) = &self.followed
            && now - moved.get() >= FOLLOWS_BY_NS
        {
            clock.advance(Duration::from_nanos(now - moved.replace(now)));
        }
    }
}

/// Completes when a node's monotonic clock shows a time. Dropping it cancels it.
pub(crate) struct Sleep {
    node: u16,
    /// The boot that sleeps; nobody's if it is the run's.
    boot: Option<u64>,
    at: u64,
    timer: Option<Set>,
}

/// A timer that is set.
#[derive(Clone, Copy)]
struct Set {
    key: Key,
    /// For which virtual time.
    due: u64,
    /// Whom it wakes, by what it is made of: the timer holds on to that, so nobody else is made of the same.
    wakes: (*const (), &'static RawWakerVTable),
}

impl Set {
    /// Until it is due it has not fired, so it need not be looked for.
    fn wakes(&self, waker: &Waker) -> bool {
        let (data, vtable) = self.wakes;
        data == waker.data() && ptr::eq(vtable, waker.vtable())
    }
}

impl Sleep {
    /// From `now` on, as the node's clock shows it, for so long, or for ever if the sum is beyond the end of time.
    pub(crate) fn after(node: u16, now: u64, duration: Duration) -> Sleep {
        let at = duration.as_nanos().saturating_add(now.into()).min(END_OF_TIME.into());
        Sleep { node, boot: None, at: at as u64, timer: None }
    }

    /// The same, of one boot of a node: it never wakes once that is over.
    pub(crate) fn of(env: SimEnv, now: u64, duration: Duration) -> Sleep {
        Sleep { boot: Some(env.boot), ..Sleep::after(env.node, now, duration) }
    }

    fn poll_in(&mut self, world: &World, waker: &Waker) -> Poll<()> {
        if self.boot.is_some_and(|boot| !world.is_alive(self.node, boot)) {
            return Poll::Pending;
        }
        let due = world.monotonic.comes(self.node, self.at);
        if world.now() >= due {
            return Poll::Ready(());
        }
        // Set anew for another task, and for another time where the clock's pace has changed since.
        match &mut self.timer {
            Some(set) if set.due == due && set.wakes(waker) => {}
            before => {
                let (held, timers) = (waker.clone(), &world.timers);
                let wakes = (held.data(), held.vtable());
                let again = match before {
                    Some(set) if set.due == due => timers.rewake(set.key, held),
                    _ => Err(held),
                };
                let key = again.unwrap_or_else(|held| {
                    before.iter().for_each(|set| timers.cancel(set.key));
                    timers.at(due, Event::Wake(self.node, held))
                });
                *before = Some(Set { key, due, wakes });
            }
        }
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        world::with(|world| self.poll_in(world, cx.waker())).unwrap_or(Poll::Pending)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(set) = &self.timer {
            world::with(|world| world.timers.cancel(set.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_equal_times_in_the_order_in_which_they_were_set() {
        let mut heap = Heap::new();
        for (at, event) in [(20, "c"), (10, "a"), (20, "d"), (10, "b")] {
            heap.push(at, event);
        }
        assert_eq!(heap.pop(9), None);
        assert_eq!(heap.next(), Some(10));
        let all: Vec<&str> = std::iter::from_fn(|| heap.pop(20)).collect();
        assert_eq!(all, ["a", "b", "c", "d"]);
        assert_eq!(heap.next(), None);
    }

    #[test]
    fn a_cancelled_timer_never_fires_and_its_key_does_not_hit_a_later_one() {
        let mut heap = Heap::new();
        let first = heap.push(1, "first");
        heap.push(2, "second");
        assert_eq!(heap.cancel(first), Some("first"));
        assert_eq!(heap.next(), Some(2));
        let third = heap.push(3, "third");
        assert_eq!(heap.cancel(first), None);
        assert_eq!(heap.get_mut(first), None);
        assert_eq!(heap.get_mut(third), Some(&mut "third"));
        assert_eq!(heap.pop(9), Some("second"));
        assert_eq!(heap.pop(9), Some("third"));
    }
}
