//! The two ends of a copy's queue on this side of the shadow: the tee writes, the exchange owns.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use super::{
    budget::Budget,
    end::{Captured, Lost},
    frames::{Live, Piece},
    queue::Queue,
};

/// A new queue: the end that writes, and the end that owns.
///
/// `live`: the body can be read while it is written.
pub(crate) fn record(
    budget: &Arc<Budget>,
    max_bytes: u64,
    live: Option<Live>,
) -> (Capture, Recording) {
    let queue = Arc::new(Queue::new(Arc::clone(budget), live));
    let capture = Capture {
        queue: Arc::clone(&queue),
        length: 0,
        max_bytes,
    };
    (capture, Recording { queue })
}

/// The writing end, held by the tee. Dropped before [`end`](Self::end), the copy is lost.
#[derive(Debug)]
pub(crate) struct Capture {
    queue: Arc<Queue>,
    /// Bytes of the body so far.
    length: u64,
    max_bytes: u64,
}

impl Capture {
    /// Takes a frame that the primary has read.
    pub(super) fn frame(&mut self, frame: &Frame<Bytes>) -> Result<(), Lost> {
        let data = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.length = self.length.saturating_add(data);
        if self.length > self.max_bytes {
            return Err(Lost::TooLarge);
        }
        match Piece::of(frame) {
            Some(piece) => self.queue.push(piece),
            None => Err(Lost::BodyError),
        }
    }

    /// The body has ended and is whole.
    pub(super) fn end(&self) {
        self.queue.end_capture(Ok(self.length));
    }

    pub(super) fn lose(&self, lost: Lost) {
        self.queue.end_capture(Err(lost));
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.queue.let_go();
    }
}

/// The owning end, held by the exchange: with it goes all that the copy holds.
#[derive(Debug)]
pub(crate) struct Recording {
    queue: Arc<Queue>,
}

impl Recording {
    /// Waits for the end of the body, however it ends.
    pub(crate) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        self.queue.poll_captured(cx)
    }

    /// Bytes of the whole body that is relayed live, where known beforehand.
    pub(crate) fn declared(&self) -> Option<u64> {
        self.queue.declared()
    }

    /// To watch the capture of a body that is being sent.
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            queue: Arc::clone(&self.queue),
        }
    }

    /// A view on the frames.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// For the primary's future: dropped before its end, its client went away.
    pub(crate) fn primary(&self) -> PrimaryDropped {
        PrimaryDropped {
            queue: Arc::clone(&self.queue),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.queue.revoke();
    }
}

/// See [`Recording::watch`].
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Arc<Queue>,
}

impl Watch {
    /// Waits for the end of the body, however it ends.
    pub(crate) fn poll_captured(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, Lost>> {
        self.queue.poll_captured(cx)
    }

    /// Why the body was lost, if it was.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.queue.lost()
    }
}

/// Tells an abort by the client from a body that the primary left unread.
#[derive(Debug)]
pub(crate) struct PrimaryDropped {
    queue: Arc<Queue>,
}

impl PrimaryDropped {
    pub(crate) fn tell(&self) {
        self.queue.primary_dropped();
    }
}
