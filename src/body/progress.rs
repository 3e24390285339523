//! `Progress`: how far a body has been read, and what each of its frames means for the copy.

use bytes::Bytes;
use http_body::Frame;

use super::{
    announced::{Announced, are_sendable},
    end::Lost,
    frames::{FrameCopy, Sharing},
};

/// The progress of one body while it is copied. Either the primary or the exchange reads the body.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The number of bytes of the body so far.
    length: u64,
    max_bytes: u64,
    announced: Announced,
    sharing: Sharing,
}

/// The result of one poll of the body.
pub(super) struct Step {
    pub(super) piece: FrameCopy,
    /// The length of the whole body in bytes, if this was its end.
    pub(super) whole: Option<u64>,
}

impl Progress {
    pub(super) fn new(announced: Announced, max_bytes: u64) -> Self {
        Self {
            length: 0,
            max_bytes,
            announced,
            sharing: Sharing::of(announced.is_stream),
        }
    }

    /// Processes the result of one poll of the body. `says_ended` returns what `is_end_stream` of
    /// the body returns after this poll.
    pub(super) fn step<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        says_ended: impl FnOnce() -> bool,
    ) -> Result<Step, Lost> {
        let (piece, is_end) = match polled {
            Some(Ok(frame)) => {
                let piece = self.piece(frame)?;
                // A reader that knows the length, or that has received trailers, never polls for
                // the final `None`.
                if !frame.is_trailers() && !says_ended() {
                    return Ok(Step { piece, whole: None });
                }
                let is_whole = self.announced.is_whole(self.length);
                (piece, is_whole)
            }
            Some(Err(_)) => return Err(self.announced.broken()),
            None => {
                let is_cut = self.announced.is_cut(self.length, says_ended());
                (FrameCopy::Empty, !is_cut)
            }
        };
        if !is_end {
            return Err(Lost::ClientAborted);
        }
        Ok(Step {
            piece,
            whole: Some(self.length),
        })
    }

    fn piece(&mut self, frame: &Frame<Bytes>) -> Result<FrameCopy, Lost> {
        let data = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.length = self.length.saturating_add(data);
        if self.length > self.max_bytes {
            return Err(Lost::TooLarge);
        }
        let is_longer = |declared| self.length > declared;
        let is_sendable = frame.trailers_ref().is_none_or(are_sendable);
        if self.announced.length.is_some_and(is_longer) || !is_sendable {
            return Err(Lost::BodyError);
        }
        FrameCopy::of(frame, self.sharing).ok_or(Lost::BodyError)
    }

    /// Returns the number of bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns whether all declared bytes have been read, so that only the end or trailers can
    /// follow.
    pub(super) fn is_reached(&self) -> bool {
        self.announced.is_reached(self.length)
    }

    /// Returns the number of bytes so far if the body may end here: all declared bytes have been
    /// read, and no trailers were announced.
    pub(super) fn may_stop_at(&self) -> Option<u64> {
        (self.is_reached() && !self.announced.trailers).then_some(self.length)
    }

    /// Shares all frames with the copy. This is for a body that is entirely in memory, whose frames
    /// do not keep a larger read buffer alive.
    pub(super) fn share_all(&mut self) {
        self.sharing = Sharing::All;
    }

    /// Returns whether the body is a stream that its client can reset, as in HTTP/2. An error of
    /// such a body concerns the whole request.
    pub(super) fn is_of_stream(&self) -> bool {
        self.announced.is_stream
    }
}
