//! `Queue`: the frames of one copy, and the lock that protects them.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{
    budget::Budget,
    end::Lost,
    frames::{Data, FrameCopy, Frames, LagWindow, at_least},
    left::{Left, Primary},
};
use crate::{
    guard::{guarded, unpoisoned},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

pub(super) struct Queue {
    state: Mutex<State>,
    budget: Arc<Budget>,
    /// The bytes of the budget that are charged for frames, including the frames that the shadow's
    /// client still holds.
    charged: AtomicUsize,
    /// `None` if the shadow reads nothing before the body is complete.
    live: Option<LagWindow>,
}

pub(super) struct State {
    pub(super) frames: Frames,
    pub(super) phase: Phase,
    pub(super) primary: Primary,
    /// The number of bytes that the shadow has read. `None` until the shadow has asked for the
    /// first frame.
    read: Option<u64>,
    /// Whether the shadow knows that the body has ended.
    is_end_read: bool,
    /// The length of the body in bytes, if the body is complete without anything further.
    pub(super) may_stop_at: Option<u64>,
    pub(super) left: Left,
    last_frame: Instant,
    /// The waker of the exchange, which waits for the end of the capture.
    pub(super) waiting: Option<Waker>,
    /// The waker of the shadow, which waits for the next frame.
    reading: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Capturing,
    /// The whole body was captured. It has this many bytes.
    Captured(u64),
    Lost(Lost),
    /// The exchange has ended.
    Revoked,
}

impl Queue {
    pub(super) fn new(budget: Arc<Budget>, live: Option<LagWindow>) -> Self {
        Self {
            state: Mutex::new(State {
                frames: Frames::default(),
                phase: Phase::Capturing,
                primary: Primary::Serving,
                read: None,
                is_end_read: false,
                may_stop_at: None,
                left: Left::Nothing,
                last_frame: Instant::now(),
                waiting: None,
                reading: None,
            }),
            budget,
            charged: AtomicUsize::new(0),
            live,
        }
    }

    /// Locks the state. The lock is held only for a few instructions at a time. No waker runs under
    /// it, and no destructor of a frame or a body, because these may be a user's code.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    /// Returns a queue with the same captured body, charged to `budget`. Returns `None` if it does
    /// not fit, or if the body is not captured whole.
    #[cfg_attr(not(feature = "compare"), allow(dead_code))]
    pub(super) fn twin(&self, budget: &Arc<Budget>) -> Option<Self> {
        let (frames, phase) = {
            let state = self.lock();
            match (state.phase, self.live) {
                // A clone of `Bytes` counts a reference and runs no code of a user.
                (Phase::Captured(_), None) => (state.frames.clone(), state.phase),
                _ => return None,
            }
        };
        let cost = frames.cost();
        if !budget.try_take(cost) {
            frames.discard();
            return None;
        }
        let twin = Self::new(Arc::clone(budget), None);
        twin.charged.fetch_add(cost, Relaxed);
        {
            let mut state = twin.lock();
            (state.frames, state.phase) = (frames, phase);
        }
        Some(twin)
    }

    /// Adds one frame of the body. `may_stop_at` is the length of the body in bytes, if the body is
    /// complete without anything further.
    pub(super) fn push(&self, piece: FrameCopy, may_stop_at: Option<u64>) -> Result<(), Lost> {
        let cost = piece.cost();
        if !self.budget.try_take(cost) {
            return Err(Lost::BufferLimit);
        }
        let mut state = self.lock();
        let refusal = match (state.phase, self.live) {
            (Phase::Capturing, Some(live)) if !live.has_room(&state.frames, &piece) => {
                Some(Lost::Lagged)
            }
            (Phase::Capturing, _) => None,
            _ => Some(Lost::Unread), // The capture has ended, so this has no effect.
        };
        if let Some(lost) = refusal {
            drop(state);
            self.budget.give_back(cost);
            return Err(lost);
        }
        self.charged.fetch_add(cost, Relaxed);
        if self.live.is_some() {
            state.last_frame = Instant::now();
        }
        state.may_stop_at = may_stop_at;
        state.frames.push(piece);
        let reading = state.reading.take();
        drop(state);
        wake(reading);
        Ok(())
    }

    /// Ends the capture, with the length of the complete body or with the reason why it was lost.
    /// Only the first call has an effect.
    pub(super) fn end_capture(&self, end: Result<u64, Lost>) {
        let state = self.lock();
        self.end(state, end);
    }

    pub(super) fn end(&self, mut state: MutexGuard<'_, State>, end: Result<u64, Lost>) {
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
        let left = mem::replace(&mut state.left, Left::Nothing);
        let (waiting, reading) = (state.waiting.take(), state.reading.take());
        drop(state);
        self.release(dropped.cost());
        dropped.discard();
        left.discard();
        wake(waiting);
        wake(reading);
    }

    pub(super) fn declared(&self) -> Option<u64> {
        self.live.and_then(|live| live.declared)
    }

    /// Returns when the last frame of a live body arrived.
    pub(super) fn last_frame(&self, state: &State) -> Option<Instant> {
        self.live.map(|_| state.last_frame)
    }

    /// Returns why the body was lost, if it was lost.
    pub(super) fn lost(&self) -> Option<Lost> {
        match self.lock().phase {
            Phase::Lost(lost) => Some(lost),
            _ => None,
        }
    }

    /// Returns whether the shadow has read as many bytes as a live body declares.
    pub(super) fn is_sent(&self) -> bool {
        let read = self.lock().read;
        read.is_some() && read == self.declared()
    }

    /// Returns whether the shadow has read all data of the body but not the trailers after it.
    pub(super) fn left_trailers(&self) -> bool {
        let state = self.lock();
        let has_read = state.read.is_some() && !state.frames.has_data();
        has_read && state.frames.trailers().is_some()
    }

    /// Ends the copy because the exchange has ended. Frames that were not read are dropped, and
    /// frames that the shadow's client still holds are no longer charged.
    pub(super) fn revoke(&self) {
        let mut state = self.lock();
        // The shadow may have read all frames and still poll for the end of the body. It must then
        // receive the end, not an error.
        let is_read = matches!(state.phase, Phase::Captured(_)) && state.frames.is_empty();
        if !is_read {
            state.phase = Phase::Revoked;
        }
        let dropped = mem::take(&mut state.frames);
        let left = mem::replace(&mut state.left, Left::Nothing);
        let reading = state.reading.take();
        drop(state);
        self.budget.give_back(self.charged.swap(0, Relaxed));
        dropped.discard();
        left.discard();
        wake(reading);
    }

    /// Returns the next frame for the shadow, or an error once the copy has ended.
    pub(super) fn poll_next(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, Revoked>> {
        // The waker is cloned before the lock is taken, because cloning may run a user's code, and
        // the primary takes the lock for each of its frames.
        let waker = self.live.is_some().then(|| cx.waker().clone());
        let mut state = self.lock();
        let read = state.read.get_or_insert(0);
        let read_before = *read;
        let piece = match state.phase {
            Phase::Captured(_) => state.frames.pop(),
            Phase::Capturing if self.live.is_some() => match state.frames.pop() {
                Some(piece) => Some(piece),
                None => {
                    let stale = mem::replace(&mut state.reading, waker);
                    drop(state);
                    drop(stale);
                    return Poll::Pending;
                }
            },
            _ => return Poll::Ready(Err(Revoked)),
        };
        state.read = Some(read_before + piece.as_ref().map_or(0, FrameCopy::length));
        state.is_end_read = piece.is_none();
        drop(state);
        Poll::Ready(Ok(piece.and_then(|piece| self.frame_of(piece))))
    }

    /// Makes the frame that the shadow's client receives. Its data is charged until the client
    /// drops it.
    fn frame_of(self: &Arc<Self>, piece: FrameCopy) -> Option<Frame<Bytes>> {
        let cost = piece.cost();
        match piece {
            FrameCopy::Data(data) => {
                let queue = Arc::clone(self);
                let charged = ChargedData { data, queue };
                Some(Frame::data(Bytes::from_owner(charged)))
            }
            FrameCopy::Trailers(trailers) => {
                self.release(cost);
                Some(Frame::trailers(*trailers))
            }
            FrameCopy::Empty => None,
        }
    }

    /// Returns a part of the charge to the budget, unless the whole charge was returned when the
    /// exchange ended.
    fn release(&self, cost: usize) {
        let taken = self.charged.fetch_update(Relaxed, Relaxed, |charged| {
            Some(charged.saturating_sub(cost))
        });
        let before = taken.unwrap_or_else(|unchanged| unchanged);
        self.budget.give_back(before.min(cost));
    }

    /// Returns the size hint of the bytes that the shadow has not read.
    pub(super) fn size_hint(&self) -> SizeHint {
        let state = self.lock();
        let held = state.frames.data_length();
        match (state.phase, self.live) {
            (Phase::Capturing | Phase::Captured(_), Some(live)) => match live.declared {
                Some(declared) => {
                    SizeHint::with_exact(declared.saturating_sub(state.read.unwrap_or(0)))
                }
                None => at_least(held),
            },
            // hyper drops the trailers of an HTTP/1 body whose length is exact.
            (Phase::Captured(_), None) if state.frames.trailers().is_some() => at_least(held),
            (Phase::Captured(_), None) => SizeHint::with_exact(held),
            _ => SizeHint::default(),
        }
    }

    /// Returns whether nothing follows. A live body of unknown length returns `true` only after its
    /// end was read. If it returned `true` from the start, hyper would send it without any framing,
    /// although the original request was chunked.
    pub(super) fn is_at_end(&self) -> bool {
        let state = self.lock();
        let is_framed = self.live.is_some_and(|live| live.declared.is_none());
        matches!(state.phase, Phase::Captured(_))
            && state.frames.is_empty()
            && (!is_framed || state.is_end_read)
    }
}

/// Data that the shadow's client holds, with its part of the charge.
struct ChargedData {
    data: Data,
    queue: Arc<Queue>,
}

impl AsRef<[u8]> for ChargedData {
    fn as_ref(&self) -> &[u8] {
        &self.data.bytes
    }
}

impl Drop for ChargedData {
    fn drop(&mut self) {
        self.queue.release(self.data.cost);
    }
}

/// Wakes a task. The waker may be a user's code, as the waker of a shadow's client is. A panic in
/// it must not reach the primary, which calls it.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        let _ = guarded(|| waker.wake());
    }
}

/// The copy ended while its body was still being read.
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
