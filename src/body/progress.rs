//! `Progress`: how far a body has been read, and what each of its frames means for the copy.

use bytes::Bytes;
use http_body::Frame;

use super::{
    announced::{Announced, are_sendable},
    end::Lost,
    frames::{FrameCopy, Sharing},
};

/// The progress of one body on its way into a copy. The primary reads the body, or the exchange.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// Bytes of the body so far.
    length: u64,
    max_bytes: u64,
    announced: Announced,
    sharing: Sharing,
}

/// What a poll of the body gave.
pub(super) struct Step {
    pub(super) piece: FrameCopy,
    /// Bytes of the whole body, if this was its end.
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

    /// Takes what the body gave. `says_ended` is what its `is_end_stream` says afterwards.
    pub(super) fn step<E>(
        &mut self,
        polled: &Option<Result<Frame<Bytes>, E>>,
        says_ended: impl FnOnce() -> bool,
    ) -> Result<Step, Lost> {
        let (piece, is_end) = match polled {
            Some(Ok(frame)) => {
                let piece = self.piece(frame)?;
                // A reader of a known length, or of trailers, never asks for the final `None`.
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

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether all declared bytes have been read, so that only an end or trailers can follow.
    pub(super) fn is_reached(&self) -> bool {
        self.announced.is_reached(self.length)
    }

    /// The bytes so far, if nothing is missing should nothing follow: all that were declared, and no trailers announced.
    pub(super) fn may_stop_at(&self) -> Option<u64> {
        (self.is_reached() && !self.announced.trailers).then_some(self.length)
    }

    /// For a body that lies in memory whole, where a frame holds nothing but itself.
    pub(super) fn share_all(&mut self) {
        self.sharing = Sharing::All;
    }

    /// Whether an error of the body is one of its request, as the reset of an HTTP/2 stream is.
    pub(super) fn is_of_stream(&self) -> bool {
        self.announced.is_stream
    }
}
