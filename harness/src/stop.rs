//! A wish for the end that can come at any time: Ctrl-C.
//!
//! Asked to stop, a run asks nothing more and breaks nothing more; it still heals, reads back and is judged.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Held by who may ask and by who must hear; clones are the same wish.
#[derive(Clone, Default)]
pub struct Stop(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    asked: bool,
    waiting: Vec<Waker>,
}

impl Stop {
    /// Asks for the end. Harmless when done again.
    pub fn ask(&self) {
        let mut state = self.0.borrow_mut();
        state.asked = true;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// Whether somebody has.
    pub fn is_asked(&self) -> bool {
        self.0.borrow().asked
    }

    /// Completes when somebody has.
    pub async fn asked(&self) {
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            if state.asked {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
