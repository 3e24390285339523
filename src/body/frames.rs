//! `Frames`, `FrameCopy` and `LagWindow`: the frames that a copy holds, and the memory that they
//! cost.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::{detached, guard::drop_guarded};

/// The length from which a frame is shared instead of copied. A frame is a slice of the
/// connection's read buffer and keeps the whole buffer alive, and hyper lets this buffer grow to
/// 417 792 bytes. A shorter frame is copied, because the buffer may be far larger than the slice. A
/// longer frame is shared and charged twice its length, which is within a factor of two of the size
/// of such a buffer.
pub(crate) const SHARED_FROM: usize = 128 * 1024;
/// The same length for HTTP/2, where a read buffer holds one or two frames of 16 KiB.
const STREAM_SHARED_FROM: usize = 8 * 1024;

/// Which frames a copy shares with the buffer that they arrived in, and what frames cost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sharing {
    /// Frames of this length and longer ones are shared.
    From(usize),
    /// All frames are shared, because the body is entirely in memory and its frames do not keep a
    /// larger read buffer alive.
    All,
}

impl Sharing {
    pub(super) fn of(is_stream: bool) -> Self {
        Self::From(match is_stream {
            true => STREAM_SHARED_FROM,
            false => SHARED_FROM,
        })
    }

    fn shares(self, length: usize) -> bool {
        match self {
            Self::From(least) => length >= least,
            Self::All => true,
        }
    }

    fn cost(self, length: usize) -> usize {
        match self {
            Self::From(least) if length >= least => length.saturating_mul(2),
            // From this length on, a buffering layer shares the frames that it reads, so they may
            // keep a connection's read buffer alive too.
            Self::All if length >= SHARED_FROM => length.saturating_mul(2),
            _ => length + SLOT,
        }
    }
}

/// The memory that a queue slot and an allocation cost in addition to their bytes.
const SLOT: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// The frame before `others`. Most bodies consist of one frame, which needs no queue.
    first: Option<Data>,
    others: VecDeque<Data>,
    data_length: u64,
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) bytes: Bytes,
    /// The bytes of memory that are charged.
    pub(super) cost: usize,
}

/// One frame that is independent of the buffer that it arrived in and that is not in the queue yet.
pub(super) enum FrameCopy {
    Data(Data),
    /// The trailers are boxed, because they are rare and large.
    Trailers(Box<HeaderMap>),
    /// The frame contains nothing that a copy carries.
    Empty,
}

impl FrameCopy {
    /// Copies a frame, or returns `None` for a kind of frame that this crate does not know.
    ///
    /// The data is either shared with the buffer that it arrived in or copied.
    pub(super) fn of(frame: &Frame<Bytes>, sharing: Sharing) -> Option<Self> {
        if let Some(data) = frame.data_ref() {
            let length = data.len();
            if length == 0 {
                return Some(Self::Empty);
            }
            let bytes = match sharing.shares(length) {
                true => data.clone(),
                false => Bytes::copy_from_slice(data),
            };
            let cost = sharing.cost(length);
            Some(Self::Data(Data { bytes, cost }))
        } else {
            frame
                .trailers_ref()
                .map(|trailers| match trailers.is_empty() {
                    true => Self::Empty,
                    false => Self::Trailers(Box::new(detached::headers(trailers))),
                })
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns the number of bytes of the body in this frame.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Data(data) => data.bytes.len() as u64,
            Self::Trailers(_) | Self::Empty => 0,
        }
    }

    /// The bytes of memory that are charged.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Data(data) => data.cost,
            Self::Trailers(trailers) => cost_of_trailers(trailers),
            Self::Empty => 0,
        }
    }
}

/// Returns the least memory that a body of this length costs, however it is divided into frames.
pub(crate) fn least_cost(length: u64) -> usize {
    usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(SLOT)
}

fn cost_of_trailers(trailers: &HeaderMap) -> usize {
    trailers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 2 * SLOT)
        .sum()
}

/// The limits of a body that is relayed live, and its declared length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LagWindow {
    pub(crate) max_bytes: usize,
    pub(crate) max_frames: usize,
    /// The length of the whole body in bytes, if it is known beforehand.
    pub(crate) declared: Option<u64>,
}

impl LagWindow {
    pub(super) fn has_room(&self, frames: &Frames, piece: &FrameCopy) -> bool {
        if let FrameCopy::Empty = piece {
            return true;
        }
        let length = frames.data_length().saturating_add(piece.length());
        frames.len() < self.max_frames && length <= self.max_bytes as u64
    }
}

impl Frames {
    pub(super) fn push(&mut self, piece: FrameCopy) {
        match piece {
            FrameCopy::Empty => {}
            FrameCopy::Data(data) => {
                self.data_length += data.bytes.len() as u64;
                if self.has_data() {
                    self.others.push_back(data);
                } else {
                    self.first = Some(data);
                }
            }
            FrameCopy::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }

    pub(super) fn pop(&mut self) -> Option<FrameCopy> {
        match self.first.take().or_else(|| self.others.pop_front()) {
            Some(data) => {
                self.data_length -= data.bytes.len() as u64;
                Some(FrameCopy::Data(data))
            }
            None => self.trailers.take().map(FrameCopy::Trailers),
        }
    }

    /// Drops the frames one by one, because each may have a destructor of a user, which may panic.
    pub(super) fn discard(mut self) {
        while let Some(piece) = self.pop() {
            drop_guarded(piece);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_data() && self.trailers.is_none()
    }

    pub(super) fn has_data(&self) -> bool {
        self.first.is_some() || !self.others.is_empty()
    }

    fn data(&self) -> impl Iterator<Item = &Data> {
        self.first.iter().chain(&self.others)
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Returns the number of bytes of the body that are held.
    pub(super) fn data_length(&self) -> u64 {
        self.data_length
    }

    /// Returns the number of data frames that are held.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn cost(&self) -> usize {
        let data: usize = self.data().map(|data| data.cost).sum();
        data + self.trailers.as_deref().map_or(0, cost_of_trailers)
    }
}

/// Returns the size hint of a body whose length is not known.
pub(super) fn at_least(bytes: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(bytes);
    hint
}
