//! `Gate`: decides whether copies may begin, counts the copies in flight, and makes them end.

use std::{
    future::{Future, ready},
    pin::pin,
};

use futures_util::future::Either;

use crate::{
    observe::Outcome,
    sync::{
        Notify,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

const PAUSED: u8 = 1;
const DRAINING: u8 = 2;
const ABORTING: u8 = 4;

/// The gate of one mirror. Every access is sequentially consistent: if a request enters while a
/// drain begins, at least one of the two sees the other.
#[derive(Debug)]
pub(super) struct Gate {
    state: AtomicU8,
    inside: AtomicUsize,
    max_inside: usize,
    /// Copies that a drain has aborted, and that no drain has reported yet.
    aborted: AtomicU64,
    empty: Notify,
    abort: Notify,
}

impl Gate {
    pub(super) fn new(max_inside: usize) -> Self {
        Self {
            state: AtomicU8::new(0),
            inside: AtomicUsize::new(0),
            max_inside,
            aborted: AtomicU64::new(0),
            empty: Notify::new(),
            abort: Notify::new(),
        }
    }

    pub(super) fn pause(&self) {
        self.state.fetch_or(PAUSED, SeqCst);
    }

    pub(super) fn resume(&self) {
        self.state.fetch_and(!PAUSED, SeqCst);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state.load(SeqCst) & PAUSED != 0
    }

    pub(super) fn close(&self) {
        self.state.fetch_or(DRAINING, SeqCst);
    }

    pub(super) fn abort(&self) {
        self.state.fetch_or(DRAINING | ABORTING, SeqCst);
        self.abort.notify_waiters();
    }

    /// Returns the reason why no copy may begin, if there is one.
    pub(super) fn refusal(&self) -> Option<Outcome> {
        match self.state.load(SeqCst) {
            0 => None,
            state if state & DRAINING != 0 => Some(Outcome::Draining),
            _ => Some(Outcome::Paused),
        }
    }

    /// Takes one slot. [`leave`](Self::leave) releases it.
    pub(super) fn enter(&self) -> Result<(), Outcome> {
        let entered = self.inside.fetch_update(SeqCst, SeqCst, |inside| {
            (inside < self.max_inside).then_some(inside + 1)
        });
        if entered.is_err() {
            return Err(Outcome::InFlightLimit);
        }
        if self.state.load(SeqCst) & DRAINING != 0 {
            self.leave();
            return Err(Outcome::Draining);
        }
        Ok(())
    }

    pub(super) fn leave(&self) {
        if self.inside.fetch_sub(1, SeqCst) == 1 {
            self.empty.notify_waiters();
        }
    }

    /// The number of copies in flight.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }

    /// Counts one copy that a drain has aborted. It does nothing if no drain aborts copies, because
    /// drains do not report copies that ended as `aborted` for another reason.
    pub(super) fn aborted_one(&self) {
        if self.state.load(SeqCst) & ABORTING != 0 {
            self.aborted.fetch_add(1, SeqCst);
        }
    }

    /// Returns the number of aborted copies since the last call, so that each copy is reported
    /// once.
    pub(super) fn take_aborted(&self) -> u64 {
        self.aborted.swap(0, SeqCst)
    }

    /// Waits until no copy is in flight.
    pub(super) async fn empty(&self) {
        loop {
            let mut changed = pin!(self.empty.notified());
            changed.as_mut().enable();
            if self.inside.load(SeqCst) == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a drain aborts all copies.
    pub(super) fn aborted(&self) -> impl Future<Output = ()> {
        // This is created before the state is read, so that it does not miss a notification in
        // between.
        let called = self.abort.notified();
        let is_aborting = self.state.load(SeqCst) & ABORTING != 0;
        // Not an `async` block: it would store the `Notified` twice and enlarge every copy's task.
        if is_aborting {
            Either::Left(ready(()))
        } else {
            Either::Right(called)
        }
    }
}
