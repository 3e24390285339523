//! The body of a request: bytes of one endless pattern in pieces, which may not end.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use crate::ask::SUM;

const PATTERN: usize = 1 << 20;

/// These bytes of the pattern, without copying.
pub(crate) fn pattern(offset: usize, length: usize) -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| {
        let mut chance = fastrand::Rng::with_seed(1);
        (0..PATTERN).map(|_| chance.u8(..)).collect()
    });
    bytes.slice(offset..offset + length)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// Chunked, with a checksum in a trailer.
    Trailers,
}

#[derive(Default)]
pub(crate) struct Upload {
    pieces: VecDeque<Bytes>,
    knows_length: bool,
    trailers: Option<HeaderMap>,
    /// Bytes that were declared and are never sent.
    missing: u64,
    is_paused: bool,
}

impl Upload {
    pub(crate) fn new(body: &Bytes, framing: Framing, piece: usize) -> Self {
        let pieces = (0..body.len()).step_by(piece);
        let sum = || HeaderMap::from_iter([(SUM, HeaderValue::from(body.len()))]);
        Self {
            pieces: pieces
                .map(|at| body.slice(at..body.len().min(at + piece)))
                .collect(),
            knows_length: framing == Framing::Length,
            trailers: (framing == Framing::Trailers).then(sum),
            missing: 0,
            is_paused: false,
        }
    }

    /// It stops before its end, and then sends nothing.
    pub(crate) fn broken_off(mut self) -> Self {
        self.missing = 1 + self.pieces.pop_back().map_or(0, |last| last.len() as u64);
        self.trailers = None;
        self
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // In several writes, as real uploads arrive.
        self.is_paused = !self.is_paused && self.pieces.len() > 1;
        if self.is_paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.missing > 0 {
            return Poll::Pending;
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.trailers.is_none() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        if !self.knows_length {
            return SizeHint::new();
        }
        let left: usize = self.pieces.iter().map(Bytes::len).sum();
        SizeHint::with_exact(left as u64 + self.missing)
    }
}
