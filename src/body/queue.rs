//! The frames of one copy, under their lock.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    budget::Budget,
    end::{Captured, Lost},
    frames::{Frames, Live, Piece, at_least},
};

pub(super) struct Queue {
    state: Mutex<State>,
    budget: Arc<Budget>,
    /// `None`: nothing is read before the body is whole.
    live: Option<Live>,
    primary_dropped: AtomicBool,
}

struct State {
    frames: Frames,
    phase: Phase,
    /// Bytes that the shadow has read.
    read: u64,
    /// The exchange, until the capture has ended.
    waiting: Option<Waker>,
    /// The shadow, until there is more to read.
    reading: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Capturing,
    /// Whole, of this many bytes.
    Captured(u64),
    Lost(Lost),
    /// The exchange is over.
    Revoked,
}

impl Queue {
    pub(super) fn new(budget: Arc<Budget>, live: Option<Live>) -> Self {
        Self {
            state: Mutex::new(State {
                frames: Frames::default(),
                phase: Phase::Capturing,
                read: 0,
                waiting: None,
                reading: None,
            }),
            budget,
            live,
            primary_dropped: AtomicBool::new(false),
        }
    }

    /// Held for a few instructions at a time; no waker and no frame's destructor,
    /// which may be a user's, runs under it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The primary has read a frame.
    pub(super) fn push(&self, piece: Piece) -> Result<(), Lost> {
        let cost = piece.cost();
        if !self.budget.try_take(cost) {
            return Err(Lost::NoBytes);
        }
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Capturing) {
            drop(state);
            self.budget.give_back(cost);
            return Err(Lost::Unread); // the exchange is over, and will not ask
        }
        if self
            .live
            .is_some_and(|live| !live.has_room(&state.frames, &piece))
        {
            drop(state);
            self.budget.give_back(cost);
            return Err(Lost::Lagged);
        }
        state.frames.push(piece);
        let reading = state.reading.take();
        drop(state);
        wake(reading);
        Ok(())
    }

    /// The body was captured whole or not at all: the first word counts.
    pub(super) fn end_capture(&self, end: Result<u64, Lost>) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Capturing) {
            return;
        }
        let dropped = match end {
            Ok(bytes) => {
                state.phase = Phase::Captured(bytes);
                Frames::default()
            }
            Err(lost) => {
                state.phase = Phase::Lost(lost);
                mem::take(&mut state.frames)
            }
        };
        let (waiting, reading) = (state.waiting.take(), state.reading.take());
        drop(state);
        self.budget.give_back(dropped.cost());
        dropped.let_go();
        wake(waiting);
        wake(reading);
    }

    /// The body will not be read on, because it was let go of.
    pub(super) fn let_go(&self) {
        let by_client = self.primary_dropped.load(Relaxed);
        self.end_capture(Err(if by_client {
            Lost::ClientAborted
        } else {
            Lost::Unread
        }));
    }

    pub(super) fn primary_dropped(&self) {
        self.primary_dropped.store(true, Relaxed);
    }

    pub(super) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        let mut state = self.lock();
        match state.phase {
            Phase::Captured(bytes) => Poll::Ready(Ok(Captured {
                bytes,
                trailers: state.frames.trailers().cloned(),
            })),
            Phase::Lost(lost) => Poll::Ready(Err(lost)),
            // The exchange, which alone asks, does not revoke before it has its answer.
            Phase::Revoked => Poll::Ready(Err(Lost::Unread)),
            Phase::Capturing => {
                let stale = state.waiting.replace(cx.waker().clone());
                drop(state);
                drop(stale);
                Poll::Pending
            }
        }
    }

    pub(super) fn declared(&self) -> Option<u64> {
        self.live.and_then(|live| live.declared)
    }

    /// Why the body was lost, if it was.
    pub(super) fn lost(&self) -> Option<Lost> {
        match self.lock().phase {
            Phase::Lost(lost) => Some(lost),
            _ => None,
        }
    }

    /// The exchange is over: whatever was not read is gone.
    pub(super) fn revoke(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Captured(_)) && state.frames.is_empty() {
            return; // read to its end, which may still be asked for
        }
        state.phase = Phase::Revoked;
        let dropped = mem::take(&mut state.frames);
        let reading = state.reading.take();
        drop(state);
        self.budget.give_back(dropped.cost());
        dropped.let_go();
        wake(reading);
    }

    /// What the shadow reads next: `Err` once the copy was given up.
    pub(super) fn poll_next(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, Revoked>> {
        let mut state = self.lock();
        let piece = match state.phase {
            Phase::Captured(_) => state.frames.pop(),
            Phase::Capturing if self.live.is_some() => match state.frames.pop() {
                Some(piece) => Some(piece),
                None => {
                    let stale = state.reading.replace(cx.waker().clone());
                    drop(state);
                    drop(stale);
                    return Poll::Pending;
                }
            },
            _ => return Poll::Ready(Err(Revoked)),
        };
        state.read += piece.as_ref().map_or(0, Piece::length);
        drop(state);
        if let Some(piece) = &piece {
            self.budget.give_back(piece.cost());
        }
        Poll::Ready(Ok(piece.and_then(Piece::into_frame)))
    }

    /// What the shadow may be told of the bytes left to read.
    pub(super) fn size_hint(&self) -> SizeHint {
        let state = self.lock();
        let held = state.frames.data_length();
        match (state.phase, self.live) {
            (Phase::Capturing | Phase::Captured(_), Some(live)) => match live.declared {
                Some(declared) => SizeHint::with_exact(declared.saturating_sub(state.read)),
                None => at_least(held),
            },
            // hyper drops the trailers of an HTTP/1 body whose length is exact.
            (Phase::Captured(_), None) if state.frames.trailers().is_some() => at_least(held),
            (Phase::Captured(_), None) => SizeHint::with_exact(held),
            _ => SizeHint::default(),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Captured(_)) && state.frames.is_empty()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The copy was given up while somebody still read it.
#[derive(Debug)]
pub(super) struct Revoked;

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("phase", &state.phase)
            .finish_non_exhaustive()
    }
}
