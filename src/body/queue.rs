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
use http::HeaderMap;
use http_body::Frame;

use super::{
    budget::Budget,
    frames::{Frames, Piece},
};

/// Why a body could not be captured whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The primary let go of the body before its end.
    Unread,
    /// The primary was dropped before the body's end.
    ClientAborted,
    /// The body ended in an error, or in a frame that cannot be copied.
    BodyError,
    /// More bytes than the cap.
    TooLarge,
    /// The budget of all copies is used up.
    NoBytes,
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) bytes: u64,
    pub(crate) trailers: Option<HeaderMap>,
}

pub(super) struct Queue {
    state: Mutex<State>,
    budget: Arc<Budget>,
    primary_dropped: AtomicBool,
}

struct State {
    frames: Frames,
    phase: Phase,
    /// The exchange, until the capture has ended.
    waiting: Option<Waker>,
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
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            state: Mutex::new(State {
                frames: Frames::default(),
                phase: Phase::Capturing,
                waiting: None,
            }),
            budget,
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
        state.frames.push(piece);
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
        let waiting = state.waiting.take();
        drop(state);
        self.budget.give_back(dropped.cost());
        if let Some(exchange) = waiting {
            exchange.wake();
        }
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

    /// The exchange is over: whatever was not read is gone.
    pub(super) fn revoke(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Captured(_)) && state.frames.is_empty() {
            return; // read to its end, which may still be asked for
        }
        state.phase = Phase::Revoked;
        let dropped = mem::take(&mut state.frames);
        drop(state);
        self.budget.give_back(dropped.cost());
    }

    /// What the shadow reads next: `Err` once the copy was given up.
    pub(super) fn next(&self) -> Result<Option<Frame<Bytes>>, Revoked> {
        let mut state = self.lock();
        let piece = match state.phase {
            Phase::Captured(_) => state.frames.pop(),
            _ => return Err(Revoked),
        };
        drop(state);
        if let Some(piece) = &piece {
            self.budget.give_back(piece.cost());
        }
        Ok(piece.and_then(|piece| match piece {
            Piece::Data(data) => Some(Frame::data(data)),
            Piece::Trailers(trailers) => Some(Frame::trailers(trailers)),
            Piece::Empty => None,
        }))
    }

    /// Bytes left to read and whether trailers follow; `None` once revoked.
    pub(super) fn left(&self) -> Option<(u64, bool)> {
        let state = self.lock();
        match state.phase {
            Phase::Captured(_) => Some((
                state.frames.data_length(),
                state.frames.trailers().is_some(),
            )),
            _ => None,
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Captured(_)) && state.frames.is_empty()
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
