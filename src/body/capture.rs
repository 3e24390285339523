//! The two ends of a queue that the shadow does not read: `CaptureWriter` for the tee, `CaptureOwner` for the exchange.

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

/// A new queue: the end that writes, and the end that owns.
///
/// `live`: the body can be read while it is written.
pub(crate) fn begin_capture(
    budget: &Arc<Budget>,
    announced: Announced,
    max_bytes: u64,
    live: Option<LagWindow>,
) -> (CaptureWriter, CaptureOwner) {
    let queue = Arc::new(Queue::new(Arc::clone(budget), live));
    let capture = CaptureWriter {
        queue: Arc::clone(&queue),
        progress: Progress::new(announced, max_bytes),
    };
    (capture, CaptureOwner { queue })
}

/// The writing end, held by the tee. Dropped before the body's end, the copy is lost.
#[derive(Debug)]
pub(crate) struct CaptureWriter {
    queue: Arc<Queue>,
    progress: Progress,
}

impl CaptureWriter {
    /// For a body that lies in memory whole: its frames hold nothing but themselves, so all are shared.
    pub(super) fn sharing_all(mut self) -> Self {
        self.progress.share_all();
        self
    }

    /// Takes what the primary has read, and says whether there may be more: else the copy has ended, whole or not.
    pub(super) fn take<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        says_ended: impl FnOnce() -> bool,
    ) -> bool {
        let taken = self.progress.step(polled, says_ended);
        self.push(taken)
    }

    /// Takes a frame that the primary has not read: an end without data ends the copy, as an error does, and data is not taken.
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

    /// Whether anything of the body has been read.
    pub(super) fn has_begun(&self) -> bool {
        self.progress.length() > 0
    }

    /// Whether all declared bytes have been read.
    pub(super) fn is_reached(&self) -> bool {
        self.progress.is_reached()
    }

    /// Whether the body is a stream of its own, as in HTTP/2.
    pub(super) fn is_of_stream(&self) -> bool {
        self.progress.is_of_stream()
    }

    /// The primary stops here. Says whether the body is complete, since nothing more was announced.
    pub(super) fn stop(&self) -> bool {
        let whole = self.progress.may_stop_at();
        if let Some(bytes) = whole {
            self.queue.end_capture(Ok(bytes));
        }
        whole.is_some()
    }

    /// The body can no longer be read.
    pub(super) fn broken(self) {
        self.queue.end_capture(Err(Lost::BodyError));
    }

    /// What the primary leaves of a body that it has begun to read: the exchange may read on.
    pub(super) fn leave(self, body: Pin<Box<dyn Remainder>>) {
        self.queue.leave(Rest::new(body, self.progress.clone()));
    }
}

impl Drop for CaptureWriter {
    fn drop(&mut self) {
        self.queue.writer_dropped();
    }
}

/// The owning end, held by the exchange: with it goes all that the copy holds.
#[derive(Debug)]
pub(crate) struct CaptureOwner {
    queue: Arc<Queue>,
}

impl CaptureOwner {
    /// Bytes of the whole body that is relayed live, where known beforehand.
    pub(crate) fn declared(&self) -> Option<u64> {
        self.queue.declared()
    }

    /// To watch the capture, while the body is being sent too.
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            queue: Arc::clone(&self.queue),
        }
    }

    /// The same body for a second shadow, charged to `budget`. `None`: it does not fit, or the body is not captured whole.
    #[cfg_attr(not(feature = "compare"), allow(dead_code))]
    pub(crate) fn twin(&self, budget: &Arc<Budget>) -> Option<Self> {
        let queue = self.queue.twin(budget)?;
        Some(Self {
            queue: Arc::new(queue),
        })
    }

    /// A view on the frames.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// For the primary's future, which knows how the primary has ended.
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

/// See [`CaptureOwner::watch`].
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Arc<Queue>,
}

impl Watch {
    /// Waits for the end of the body, however it ends. Reads on what the primary has left of it.
    pub(crate) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        self.queue.poll_captured(cx)
    }

    /// Why the body was lost, if it was.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.queue.lost()
    }

    /// Whether the shadow has read all bytes that a live body declares, so that it may answer before the body's end.
    pub(crate) fn is_sent(&self) -> bool {
        self.queue.is_sent()
    }

    /// Whether the shadow's client has left the trailers of a body that it has read otherwise.
    pub(crate) fn left_trailers(&self) -> bool {
        self.queue.left_trailers()
    }

    /// When the capture ends unless something more is read, as far as this is not for the exchange to know:
    /// `idle` after the last frame of a live copy, and soon after the primary has left a body unfinished.
    pub(crate) fn deadline(&self, idle: Duration) -> Option<Instant> {
        self.queue.deadline(idle)
    }

    /// A deadline has passed: says whether that decides on the body.
    pub(crate) fn expire(&self) -> bool {
        self.queue.expire()
    }
}

/// Tells the copy's body how the primary has ended.
#[derive(Debug)]
pub(crate) struct PrimaryEnd {
    queue: Arc<Queue>,
}

impl PrimaryEnd {
    /// Answered with success, the primary has consumed what it left of the body; refused, it has not.
    pub(crate) fn answered(&self, is_success: bool) {
        self.queue.primary_ended(match is_success {
            true => Primary::Accepted,
            false => Primary::Refused,
        });
    }

    /// The client went away.
    pub(crate) fn dropped(&self) {
        self.queue.primary_ended(Primary::Dropped);
    }
}
