//! The frames that a copy holds, and what they cost.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// A frame is a slice of the connection's read buffer and keeps all of it alive.
/// Below this length it is copied, since the slice may weigh far more than it
/// holds; from here on it is shared.
pub(crate) const SHARED_FROM: usize = 8 * 1024;
/// What a queue slot and an allocation cost beside their bytes.
const SLOT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Frames {
    data: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
}

/// One frame, detached from the buffer it came in, not queued yet.
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing that a copy would carry.
    Empty,
}

impl Piece {
    /// `None` for a frame of a kind this crate does not know.
    pub(super) fn of(frame: &Frame<Bytes>) -> Option<Self> {
        if let Some(data) = frame.data_ref() {
            Some(match data.len() {
                0 => Self::Empty,
                1..SHARED_FROM => Self::Data(Bytes::copy_from_slice(data)),
                _ => Self::Data(data.clone()),
            })
        } else {
            frame
                .trailers_ref()
                .map(|trailers| match trailers.is_empty() {
                    true => Self::Empty,
                    false => Self::Trailers(trailers.clone()),
                })
        }
    }

    /// Bytes of memory, to be charged.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Data(data) => cost_of_data(data.len()),
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

fn cost_of_data(length: usize) -> usize {
    match length {
        0..SHARED_FROM => length + SLOT,
        // A read buffer is about twice as large as what a slice of it holds.
        _ => length.saturating_mul(2),
    }
}

fn cost_of_trailers(trailers: &HeaderMap) -> usize {
    trailers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 2 * SLOT)
        .sum()
}

impl Frames {
    pub(super) fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Empty => {}
            Piece::Data(data) => self.data.push_back(data),
            Piece::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Piece> {
        match self.data.pop_front() {
            Some(data) => Some(Piece::Data(data)),
            None => self.trailers.take().map(Piece::Trailers),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    pub(super) fn data_length(&self) -> u64 {
        self.data.iter().map(|data| data.len() as u64).sum()
    }

    pub(super) fn cost(&self) -> usize {
        let data: usize = self.data.iter().map(|data| cost_of_data(data.len())).sum();
        data + self.trailers.as_ref().map_or(0, cost_of_trailers)
    }
}
