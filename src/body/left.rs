//! `Primary` and `Left`: how the primary has ended, and which part of the request's body is still
//! read after the primary has dropped it.

use std::{
    mem,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    end::{Captured, Lost},
    queue::{Phase, Queue, State, wake},
    rest::Rest,
};

/// How the primary has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Primary {
    Serving,
    /// The primary answered with success, so it counts as having consumed the body.
    Accepted,
    /// The primary refused the request, or failed.
    Refused,
    /// The primary was dropped because its client went away.
    Dropped,
}

impl Primary {
    /// Returns whether no copy may contain the rest of the body.
    fn rules_out(self, rest: &Rest) -> bool {
        match self {
            Self::Serving | Self::Accepted => false,
            Self::Refused => rest.needs_success(),
            Self::Dropped => true,
        }
    }

    /// Returns whether the rest may be read now.
    fn permits(self, rest: &Rest) -> bool {
        self == Self::Accepted || !rest.needs_success()
    }
}

/// The part of the body that the primary has dropped unread.
pub(super) enum Left {
    Nothing,
    Rest(Rest),
    /// The exchange is reading the rest now, until this moment at the latest.
    Taken(Instant),
}

impl Left {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Nothing => None,
            Self::Rest(rest) => Some(rest.deadline()),
            Self::Taken(deadline) => Some(*deadline),
        }
    }

    pub(super) fn discard(self) {
        if let Self::Rest(rest) = self {
            rest.discard();
        }
    }
}

impl State {
    /// Takes the rest out of the state, if it may be read now.
    fn take_rest(&mut self) -> Option<Rest> {
        let primary = self.primary;
        let taken = match &self.left {
            Left::Rest(rest) if primary.permits(rest) => Left::Taken(rest.deadline()),
            _ => return None,
        };
        match mem::replace(&mut self.left, taken) {
            Left::Rest(rest) => Some(rest),
            Left::Nothing | Left::Taken(_) => None,
        }
    }
}

impl Queue {
    /// Stores the rest of a body, of which the primary has read a part before dropping it.
    pub(super) fn leave(&self, rest: Rest) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Capturing) || state.primary.rules_out(&rest) {
            drop(state);
            return rest.discard();
        }
        state.left = Left::Rest(rest);
        let waiting = state.waiting.take();
        drop(state);
        wake(waiting);
    }

    /// Ends the capture after the writing end was dropped. The body was left unread, unless its end
    /// or a rest of it is already known.
    pub(super) fn writer_dropped(&self) {
        let state = self.lock();
        if !matches!(state.left, Left::Nothing) {
            return;
        }
        let lost = match state.primary {
            Primary::Dropped => Lost::ClientAborted,
            _ => Lost::Unread,
        };
        self.end(state, Err(lost));
    }

    pub(super) fn primary_ended(&self, primary: Primary) {
        let mut state = self.lock();
        state.primary = primary;
        let is_ruled_out = match &state.left {
            Left::Nothing => return,
            Left::Rest(rest) => primary.rules_out(rest),
            Left::Taken(_) => primary == Primary::Dropped,
        };
        if is_ruled_out {
            return self.end(state, Err(Lost::Unread));
        }
        let waiting = state.waiting.take();
        drop(state);
        wake(waiting);
    }

    /// Waits until the capture ends, and reads what the primary has left of the body.
    pub(super) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        let mut state = self.lock();
        if let Phase::Capturing = state.phase {
            let rest = state.take_rest();
            let stale = state.waiting.replace(cx.waker().clone());
            drop(state);
            drop(stale);
            if let Some(rest) = rest {
                self.read_on(rest, cx);
            }
            state = self.lock();
        }
        match state.phase {
            Phase::Capturing => Poll::Pending,
            Phase::Captured(bytes) => {
                let trailers = state.frames.trailers().cloned();
                Poll::Ready(Ok(Captured { bytes, trailers }))
            }
            Phase::Lost(lost) => Poll::Ready(Err(lost)),
            // Only the exchange calls this, and it does not revoke the queue before it has the
            // result.
            Phase::Revoked => Poll::Ready(Err(Lost::Unread)),
        }
    }

    /// Reads the part of the rest that is available now, outside the lock.
    fn read_on(&self, mut rest: Rest, cx: &mut Context<'_>) {
        let end = loop {
            let step = match rest.poll_step(cx) {
                Poll::Ready(step) => step,
                Poll::Pending => return self.put_back(rest),
            };
            let pushed = step.and_then(|step| {
                let pushed = self.push(step.piece, rest.may_stop_at());
                pushed.map(|()| step.whole)
            });
            match pushed {
                Ok(None) => {}
                Ok(Some(bytes)) => break Ok(bytes),
                Err(lost) => break Err(lost),
            }
        };
        self.end_capture(end);
        rest.discard();
    }

    fn put_back(&self, rest: Rest) {
        let mut state = self.lock();
        match state.phase {
            Phase::Capturing => state.left = Left::Rest(rest),
            _ => {
                drop(state);
                rest.discard();
            }
        }
    }

    /// Returns when the capture ends if nothing more is read: `idle` after the last frame of a live
    /// body, and soon after the primary has dropped an unfinished body.
    pub(super) fn deadline(&self, idle: Duration) -> Option<Instant> {
        let state = self.lock();
        let idle = self
            .last_frame(&state)
            .and_then(|last| last.checked_add(idle));
        let left = state.left.deadline();
        [idle, left].into_iter().flatten().min()
    }

    /// Must be called when the deadline has passed. Returns whether this ends the capture. The body
    /// is complete if nothing was missing.
    pub(super) fn expire(&self) -> bool {
        let state = self.lock();
        let end = match (state.may_stop_at, &state.left) {
            (Some(bytes), _) => Ok(bytes),
            (None, Left::Rest(_) | Left::Taken(_)) => Err(Lost::Unread),
            (None, Left::Nothing) => return false,
        };
        self.end(state, end);
        true
    }
}
