//! `CaptureWriter` and `CaptureOwner`: the two ends of a copy's queue that the shadow does not use.
//! The tee holds the first end and the exchange holds the second.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::Instant;

use super::{
    announced::Announced,
    budget::Budget,
    end::{Captured, Lost},
    frames::LagWindow,
    left::Primary,
    progress::{Progress, Step},
    queue::Queue,
    rest::{Remainder, Rest},
};

/// Creates a queue, and returns the end that writes to it and the end that owns it.
///
/// If `live` is set, the shadow can read the body while it is being written.
pub(crate) fn begin_capture(
    budget: &Arc<Budget>,
    announced: Announced,
    max_bytes: u64,
    live: Option<LagWindow>,
) -> (CaptureWriter, CaptureOwner) {
    let queue = Arc::new(Queue::new(Arc::clone(budget), live));
    let writer = CaptureWriter {
        queue: Arc::clone(&queue),
        progress: Progress::new(announced, max_bytes),
    };
    (writer, CaptureOwner { queue })
}

/// The writing end, which the tee holds. If it is dropped before the end of the body, the copy is
/// lost, unless the exchange reads the rest.
#[derive(Debug)]
pub(crate) struct CaptureWriter {
    queue: Arc<Queue>,
    progress: Progress,
}

impl CaptureWriter {
    /// Shares all frames of the body with the copy. This is for a body that is entirely in memory,
    /// whose frames do not keep a larger read buffer alive.
    pub(super) fn sharing_all(mut self) -> Self {
        self.progress.share_all();
        self
    }

    /// Copies the result of the primary's poll. Returns whether more may follow. If it returns
    /// `false`, the capture has ended, with a complete body or not.
    pub(super) fn take<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        says_ended: impl FnOnce() -> bool,
    ) -> bool {
        let taken = self.progress.step(polled, says_ended);
        self.push(taken)
    }

    /// Inspects a frame that the primary has not read, and does not copy its data. Returns whether
    /// more may follow. An error ends the capture, and so does an end without any data before it.
    pub(super) fn skim<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        says_ended: impl FnOnce() -> bool,
    ) -> bool {
        match self.progress.step(polled, says_ended) {
            Ok(Step { whole: None, .. }) => true,
            Ok(_) if self.has_begun() => false,
            taken => self.push(taken),
        }
    }

    fn push(&mut self, taken: Result<Step, Lost>) -> bool {
        let may_stop_at = self.progress.may_stop_at();
        let taken = taken.and_then(|step| {
            let pushed = self.queue.push(step.piece, may_stop_at);
            pushed.map(|()| step.whole)
        });
        match taken {
            Ok(None) => true,
            Ok(Some(bytes)) => {
                self.queue.end_capture(Ok(bytes));
                false
            }
            Err(lost) => {
                self.queue.end_capture(Err(lost));
                false
            }
        }
    }

    /// Returns whether the primary has read any data of the body.
    pub(super) fn has_begun(&self) -> bool {
        self.progress.length() > 0
    }

    /// Returns whether all declared bytes have been read.
    pub(super) fn is_reached(&self) -> bool {
        self.progress.is_reached()
    }

    /// Returns whether the body is a stream that its client can reset, as in HTTP/2.
    pub(super) fn is_of_stream(&self) -> bool {
        self.progress.is_of_stream()
    }

    /// Ends the capture if the body is complete without anything further, and returns whether it
    /// is. The primary reads no further.
    pub(super) fn stop(&self) -> bool {
        let whole = self.progress.may_stop_at();
        if let Some(bytes) = whole {
            self.queue.end_capture(Ok(bytes));
        }
        whole.is_some()
    }

    /// Ends the capture because the body can no longer be read.
    pub(super) fn broken(self) {
        self.queue.end_capture(Err(Lost::BodyError));
    }

    /// Gives the unread rest of the body to the exchange, which may read on. The primary has begun
    /// to read this body and has dropped it.
    pub(super) fn leave(self, body: Pin<Box<dyn Remainder>>) {
        self.queue.leave(Rest::new(body, self.progress.clone()));
    }
}

impl Drop for CaptureWriter {
    fn drop(&mut self) {
        self.queue.writer_dropped();
    }
}

/// The owning end, which the exchange holds. When it is dropped, all frames that the copy holds are
/// dropped.
#[derive(Debug)]
pub(crate) struct CaptureOwner {
    queue: Arc<Queue>,
}

impl CaptureOwner {
    /// Returns the length of a live body in bytes, if it is known beforehand.
    pub(crate) fn declared(&self) -> Option<u64> {
        self.queue.declared()
    }

    /// Returns a handle that watches the capture while the body is being sent.
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            queue: Arc::clone(&self.queue),
        }
    }

    /// Returns the same body for a second shadow, charged to `budget`. Returns `None` if it does not
    /// fit, or if the body is not captured whole.
    #[cfg_attr(not(feature = "compare"), allow(dead_code))]
    pub(crate) fn twin(&self, budget: &Arc<Budget>) -> Option<Self> {
        let queue = self.queue.twin(budget)?;
        Some(Self {
            queue: Arc::new(queue),
        })
    }

    /// Returns the queue, through which the shadow reads the frames.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Returns the handle through which the primary's future reports how the primary has ended.
    pub(crate) fn primary(&self) -> PrimaryEnd {
        PrimaryEnd {
            queue: Arc::clone(&self.queue),
        }
    }
}

impl Drop for CaptureOwner {
    fn drop(&mut self) {
        self.queue.revoke();
    }
}

/// Watches the capture of a body. [`CaptureOwner::watch`] creates it.
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Arc<Queue>,
}

impl Watch {
    /// Waits until the capture ends, with a complete body or not. Reads what the primary has left
    /// of the body.
    pub(crate) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        self.queue.poll_captured(cx)
    }

    /// Returns why the body was lost, if it was lost.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.queue.lost()
    }

    /// Returns whether the shadow has read all bytes that a live body declares. The shadow may then
    /// answer before the end of the body.
    pub(crate) fn is_sent(&self) -> bool {
        self.queue.is_sent()
    }

    /// Returns whether the shadow's client has read all data of the body but not the trailers after
    /// it.
    pub(crate) fn left_trailers(&self) -> bool {
        self.queue.left_trailers()
    }

    /// Returns when the capture ends if nothing more is read: `idle` after the last frame of a live
    /// copy, and soon after the primary has dropped an unfinished body. The exchange's own
    /// deadlines are not included.
    pub(crate) fn deadline(&self, idle: Duration) -> Option<Instant> {
        self.queue.deadline(idle)
    }

    /// Must be called when the deadline has passed. Returns whether this ends the capture.
    pub(crate) fn expire(&self) -> bool {
        self.queue.expire()
    }
}

/// Reports to the copy's queue how the primary has ended.
#[derive(Debug)]
pub(crate) struct PrimaryEnd {
    queue: Arc<Queue>,
}

impl PrimaryEnd {
    /// Reports the primary's answer. If it is a success, the primary counts as having consumed the
    /// rest of the body that it has dropped. Otherwise it does not.
    pub(crate) fn answered(&self, is_success: bool) {
        self.queue.primary_ended(match is_success {
            true => Primary::Accepted,
            false => Primary::Refused,
        });
    }

    /// Reports that the primary was dropped because its client went away.
    pub(crate) fn dropped(&self) {
        self.queue.primary_ended(Primary::Dropped);
    }
}
