//! `Turn`: the two copies of one request are sent at the same moment, in the order of a coin.

use std::{
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use crate::guard::{drop_guarded, guarded, unpoisoned};

/// Which of the two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Shadow,
    Baseline,
}

impl Which {
    fn place(self) -> usize {
        match self {
            Self::Shadow => 0,
            Self::Baseline => 1,
        }
    }
}

/// A rendezvous of the two copies. The end of one of them releases the other one.
///
/// Who is asked later may see a later state of the world, so a fixed order would count against one side.
#[derive(Debug)]
pub(super) struct Turn {
    first: Which,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    copies: [Stage; 2],
    waiting: [Option<Waker>; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
enum Stage {
    #[default]
    Coming,
    /// Its service is ready.
    Arrived,
    /// It was sent, or will never be.
    Gone,
}

impl Turn {
    /// By a fair coin. `alone`: there is no second copy to wait for.
    pub(super) fn new(alone: bool) -> Self {
        let turn = Self {
            first: match fastrand::bool() {
                true => Which::Shadow,
                false => Which::Baseline,
            },
            state: Mutex::default(),
        };
        if alone {
            turn.leave(Which::Baseline);
        }
        turn
    }

    /// Waits until `which` may be sent.
    pub(super) fn poll(&self, which: Which, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped outside of the lock: a waker may be a user's code.
        let waker = cx.waker().clone();
        let (me, other) = (which.place(), 1 - which.place());
        let mut state = self.lock();
        let is_news = state.copies[me] < Stage::Arrived;
        state.copies[me] = state.copies[me].max_with(Stage::Arrived);
        let is_mine = match state.copies[other] {
            Stage::Coming => false,
            Stage::Arrived => which == self.first,
            Stage::Gone => true,
        };
        let stale = match is_mine {
            true => state.waiting[me].take(),
            false => state.waiting[me].replace(waker),
        };
        let waiting = is_news.then(|| state.waiting[other].take()).flatten();
        drop(state);
        drop_guarded(stale);
        wake(waiting);
        match is_mine {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// `which` was sent, or will never be.
    pub(super) fn leave(&self, which: Which) {
        let (me, other) = (which.place(), 1 - which.place());
        let mut state = self.lock();
        state.copies[me] = Stage::Gone;
        let (stale, waiting) = (state.waiting[me].take(), state.waiting[other].take());
        drop(state);
        drop_guarded(stale);
        wake(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl Stage {
    fn max_with(self, other: Self) -> Self {
        match self < other {
            true => other,
            false => self,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        let _ = guarded(|| waker.wake());
    }
}
