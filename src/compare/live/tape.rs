//! `Tape`: what is kept of one answer while it passes by.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    body::{Budget, Charge},
    compare::Answer,
    guard::drop_guarded,
};

/// A frame of this length or more shares the buffer that it came in, which may be twice as long.
const SHARED_FROM: usize = 8 * 1024;
/// What an entry of a list and an allocation cost beside their bytes.
const SLOT: usize = 64;
/// The most frames that are kept of one answer. Each costs an entry however short it is.
const MOST_FRAMES: usize = 4096;

/// The head, the frames and the trailers of one answer, charged to the budget of all answers.
pub(super) struct Tape {
    status: StatusCode,
    headers: HeaderMap,
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    length: usize,
    charge: Charge,
}

/// Why a frame was not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Full {
    /// The answer is longer than may be kept.
    Answer,
    /// All answers together hold as much as they may.
    Budget,
}

impl Tape {
    /// `None`: the head does not fit into the budget.
    pub(super) fn begin(
        budget: &Arc<Budget>,
        status: StatusCode,
        headers: HeaderMap,
    ) -> Option<Self> {
        let charge = Charge::take(budget, cost_of(&headers))?;
        Some(Self {
            status,
            headers,
            frames: Vec::new(),
            trailers: None,
            length: 0,
            charge,
        })
    }

    /// Keeps a reference to the data. Nothing is copied or looked at.
    pub(super) fn push(&mut self, data: Bytes, max_bytes: usize) -> Result<(), (Full, Bytes)> {
        let length = self.length.saturating_add(data.len());
        if length > max_bytes || self.frames.len() >= MOST_FRAMES {
            return Err((Full::Answer, data));
        }
        let cost = match data.len() {
            shared if shared >= SHARED_FROM => shared.saturating_mul(2),
            short => short + SLOT,
        };
        if !self.charge.grow(cost) {
            return Err((Full::Budget, data));
        }
        self.length = length;
        self.frames.push(data);
        Ok(())
    }

    /// Keeps a copy of the data, for frames that are slices of the read buffer of a connection.
    pub(super) fn push_copy(&mut self, data: &[u8], max_bytes: usize) -> Result<(), Full> {
        let length = self.length.saturating_add(data.len());
        if length > max_bytes || self.frames.len() >= MOST_FRAMES {
            return Err(Full::Answer);
        }
        if !self.charge.grow(data.len() + SLOT) {
            return Err(Full::Budget);
        }
        self.length = length;
        self.frames.push(Bytes::copy_from_slice(data));
        Ok(())
    }

    /// Keeps only the head from now on.
    pub(super) fn forget_body(&mut self) {
        discard(std::mem::take(&mut self.frames));
        self.trailers = None;
    }

    pub(super) fn end_with(&mut self, trailers: HeaderMap) -> Result<(), Full> {
        if !self.charge.grow(cost_of(&trailers)) {
            return Err(Full::Budget);
        }
        self.trailers = Some(trailers);
        Ok(())
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The whole answer. The charge is given back when it is dropped, so it goes along.
    pub(super) fn into_answer(mut self) -> (Answer, Charge) {
        let body = match self.frames.len() {
            0 | 1 => self.frames.pop().unwrap_or_default(),
            _ => {
                let whole = self.frames.concat();
                discard(self.frames);
                whole.into()
            }
        };
        let answer = Answer::new(self.status, self.headers, body);
        let answer = match self.trailers {
            Some(trailers) => answer.with_trailers(trailers),
            None => answer,
        };
        (answer, self.charge)
    }

    /// The head of an answer whose body is not compared.
    pub(super) fn into_head(self) -> (StatusCode, HeaderMap, Charge) {
        discard(self.frames);
        (self.status, self.headers, self.charge)
    }
}

/// Drops frames one by one, since the destructor of each may be a user's, and panic.
pub(super) fn discard(frames: Vec<Bytes>) {
    for frame in frames {
        drop_guarded(frame);
    }
}

fn cost_of(headers: &HeaderMap) -> usize {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 2 * SLOT;
    headers.iter().map(field).sum()
}

/// Without anything of the answer except its status and its length.
impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape")
            .field("status", &self.status)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
