//! `Rest`: the part of a body that the primary has not read, and how it is read for the copy.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::{
    end::Lost,
    progress::{Progress, Step},
};
use crate::guard::{drop_guarded, guarded};

/// The most bytes that are read of the rest of a body. A handler that stops at its own end marker
/// leaves only a few bytes.
const MOST_BYTES: u64 = 64 * 1024;
/// The longest time for which the body is kept from the server, which may want to close the
/// connection or reset the stream. The bytes that the client has sent arrive within microseconds,
/// so this limit leaves a busy machine enough time.
const MOST_TIME: Duration = Duration::from_millis(250);

/// The most empty frames that are read of the rest of a body. An empty frame costs its sender
/// nothing, so a body may have any number of them.
pub(super) const MOST_EMPTY: usize = 1000;

/// The rest of a body.
pub(super) struct Rest {
    body: Pin<Box<dyn Remainder>>,
    progress: Progress,
    since: Instant,
    bytes_before: u64,
    empty: usize,
}

/// A body with any error type.
pub(super) trait Remainder: Send {
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>>;

    fn says_ended(&self) -> bool;
}

/// The body's error. All errors have the same meaning here.
pub(super) struct Broken;

impl<B: Body<Data = Bytes> + Send> Remainder for B {
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = self.poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(|_| Broken)))
    }

    fn says_ended(&self) -> bool {
        self.is_end_stream()
    }
}

impl Rest {
    pub(super) fn new(body: Pin<Box<dyn Remainder>>, progress: Progress) -> Self {
        Self {
            body,
            bytes_before: progress.length(),
            progress,
            since: Instant::now(),
            empty: 0,
        }
    }

    /// Returns whether the primary has stopped before the declared end. In this case only its
    /// answer shows whether it has consumed the body.
    pub(super) fn needs_success(&self) -> bool {
        !self.progress.is_reached()
    }

    pub(super) fn may_stop_at(&self) -> Option<u64> {
        self.progress.may_stop_at()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.since + MOST_TIME
    }

    /// Reads the next frame or the end.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, Lost>> {
        let Self { body, progress, .. } = self;
        // The body may be a user's type, and may panic.
        let taken = guarded(|| {
            let polled = body.as_mut().poll_next(cx);
            polled.map(|polled| progress.step(&polled, || body.says_ended()))
        });
        let Some(polled) = taken else {
            return Poll::Ready(Err(Lost::BodyError));
        };
        if let Poll::Ready(Ok(step)) = &polled {
            self.empty += usize::from(step.piece.is_empty());
        }
        let bytes = progress.length() - self.bytes_before;
        let is_too_much = bytes > MOST_BYTES || self.empty > MOST_EMPTY;
        polled.map(|step| match step {
            Ok(_) if is_too_much => Err(Lost::Unread),
            // If an upload breaks off after its primary has stopped reading, the primary has left
            // it unread. The reset of a stream, however, concerns the request itself.
            Err(Lost::BodyError) if !progress.is_of_stream() => Err(Lost::Unread),
            step => step,
        })
    }

    /// Drops the body. Its destructor may be a user's code, and may panic.
    pub(super) fn discard(self) {
        drop_guarded(self);
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}
