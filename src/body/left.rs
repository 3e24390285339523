//! How the primary has ended, and which part of the request's body is still read after the primary has dropped it.

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
    /// Its answer says that it has consumed the body.
    Accepted,
    /// It refused the request, or failed.
    Refused,
    /// Its client went away.
    Dropped,
}

impl Primary {
    /// Whether the rest of the body belongs to no copy.
    fn rules_out(self, rest: &Rest) -> bool {
        match self {
            Self::Serving | Self::Accepted => false,
            Self::Refused => rest.needs_success(),
            Self::Dropped => true,
        }
    }

    /// Whether the rest may be read now.
    fn permits(self, rest: &Rest) -> bool {
        self == Self::Accepted || !rest.needs_success()
    }
}

/// What the primary has left of the body.
pub(super) enum Left {
    Nothing,
    Rest(Rest),
    /// The exchange reads it right now, until this moment at the latest.
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
    /// The rest, if it may be read now.
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
    /// The primary has dropped the body after it has read some of it.
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

    /// The writing end is gone: without an end or a rest, the body was left.
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

    /// Waits for the end of the body, and reads on what the primary has left of it.
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
            // Only the exchange asks, and it does not revoke before it has its answer.
            Phase::Revoked => Poll::Ready(Err(Lost::Unread)),
        }
    }

    /// Reads what is there of the rest, outside the lock.
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

    /// When the capture ends unless something more is read: `idle` after the last frame of a live body, and
    /// soon after the primary has left one.
    pub(super) fn deadline(&self, idle: Duration) -> Option<Instant> {
        let state = self.lock();
        let idle = self
            .last_frame(&state)
            .and_then(|last| last.checked_add(idle));
        let left = state.left.deadline();
        [idle, left].into_iter().flatten().min()
    }

    /// The capture's deadline has passed: says whether that decides on the body, which is whole if nothing was missing.
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
