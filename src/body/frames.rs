//! The frames that a copy holds, and the memory that they cost.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::{detached, guard::drop_guarded};

/// A frame is a slice of the connection's read buffer and keeps all of it alive, which hyper lets grow to 417 792
/// bytes. A shorter frame is copied, since the slice may hold far more memory than it shows. From this length on it is
/// shared and charged twice its length, which is within a factor of two of such a buffer.
pub(crate) const SHARED_FROM: usize = 128 * 1024;
/// The same over HTTP/2, where a read buffer holds a frame or two of 16 KiB.
const STREAM_SHARED_FROM: usize = 8 * 1024;

/// Which frames a copy shares with the buffer that they came in, and what they cost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sharing {
    /// Those of this length and more.
    From(usize),
    /// All: they lie in memory whole, and hold nothing but themselves.
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
            // Above the length from which a buffer shares what it reads, the same holds of what it has read.
            Self::All if length >= SHARED_FROM => length.saturating_mul(2),
            _ => length + SLOT,
        }
    }
}
/// What a queue slot and an allocation cost beside their bytes.
const SLOT: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// Before the others. Most bodies are one frame, which needs no queue.
    first: Option<Data>,
    others: VecDeque<Data>,
    data_length: u64,
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) bytes: Bytes,
    /// Bytes of memory, to be charged.
    pub(super) cost: usize,
}

/// One frame, detached from the buffer it came in, not queued yet.
pub(super) enum FrameCopy {
    Data(Data),
    /// Boxed, since they are rare and large.
    Trailers(Box<HeaderMap>),
    /// Nothing that a copy would carry.
    Empty,
}

impl FrameCopy {
    /// `None` for a frame of a kind this crate does not know.
    ///
    /// Data is shared with the buffer that it came in, or copied.
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

    /// Bytes of the body.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Data(data) => data.bytes.len() as u64,
            Self::Trailers(_) | Self::Empty => 0,
        }
    }

    /// Bytes of memory, to be charged.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Data(data) => data.cost,
            Self::Trailers(trailers) => cost_of_trailers(trailers),
            Self::Empty => 0,
        }
    }
}

/// The least that a body of this length costs, however it is framed.
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

/// What a body that is relayed live is bounded by, and what it says of its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LagWindow {
    pub(crate) max_bytes: usize,
    pub(crate) max_frames: usize,
    /// Bytes of the whole, where known beforehand.
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

    /// One by one, since the destructor of each may be a user's, and panic.
    pub(super) fn let_go(mut self) {
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

    /// Bytes of the body held.
    pub(super) fn data_length(&self) -> u64 {
        self.data_length
    }

    /// Frames of data held.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn cost(&self) -> usize {
        let data: usize = self.data().map(|data| data.cost).sum();
        data + self.trailers.as_deref().map_or(0, cost_of_trailers)
    }
}

/// A body of no known length.
pub(super) fn at_least(bytes: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(bytes);
    hint
}
