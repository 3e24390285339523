//! `Gate`: whether copies may begin, how many are in flight, and when they must end.

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

/// Every access is sequentially consistent: of a request that enters and a drain
/// that begins, at least one sees the other.
#[derive(Debug)]
pub(super) struct Gate {
    state: AtomicU8,
    inside: AtomicUsize,
    max_inside: usize,
    /// Copies that ended because they had to, and that no drain has reported yet.
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

    /// Why no copy may begin, if that is so.
    pub(super) fn refusal(&self) -> Option<Outcome> {
        match self.state.load(SeqCst) {
            0 => None,
            state if state & DRAINING != 0 => Some(Outcome::Draining),
            _ => Some(Outcome::Paused),
        }
    }

    /// Takes one slot, which [`leave`](Self::leave) releases.
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

    /// How many copies are in flight.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }

    /// A copy has ended before it was done. Only those that a drain ended are for a drain to report.
    pub(super) fn aborted_one(&self) {
        if self.state.load(SeqCst) & ABORTING != 0 {
            self.aborted.fetch_add(1, SeqCst);
        }
    }

    /// The copies that were aborted, each reported once.
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

    /// Waits until all copies must end.
    pub(super) fn aborted(&self) -> impl Future<Output = ()> {
        // This is created before the state is read, so that no call in between is missed.
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
