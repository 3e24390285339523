//! `Collected` and `Held`: the part of a body that has arrived.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

use crate::body::SHARED_FROM;

/// Small frames are joined into pieces of at most this many bytes.
const JOINED: usize = 64 * 1024;

/// The frames that have arrived. Small ones are joined, so that the memory they cost depends on
/// their bytes and not on how the client divides them.
pub(super) struct Collected {
    data: VecDeque<Bytes>,
    /// The last part of the data, which was joined from small frames.
    small: BytesMut,
    trailers: Option<HeaderMap>,
    bytes: u64,
    max_bytes: u64,
}

/// The frames of a body after its reading has ended. [`Collected::take`] returns them.
#[derive(Clone, Default)]
pub(super) struct Held {
    data: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// The number of bytes of the data.
    pub(super) bytes: u64,
}

impl Held {
    pub(super) fn pop(&mut self) -> Option<Frame<Bytes>> {
        match self.data.pop_front() {
            Some(data) => {
                self.bytes -= data.len() as u64;
                Some(Frame::data(data))
            }
            None => self.trailers.take().map(Frame::trailers),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }
}

impl Collected {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            data: VecDeque::new(),
            small: BytesMut::new(),
            trailers: None,
            bytes: 0,
            max_bytes,
        }
    }

    /// Adds a frame. Returns the frame as an error if it exceeds the cap, or is of a kind that this
    /// crate does not know.
    pub(super) fn push(&mut self, frame: Frame<Bytes>) -> Result<(), Frame<Bytes>> {
        let sum = match frame.data_ref() {
            Some(data) => self.bytes.saturating_add(data.len() as u64),
            None => self.bytes,
        };
        if sum > self.max_bytes {
            return Err(frame);
        }
        match frame.into_data() {
            Ok(data) => {
                self.bytes = sum;
                self.push_data(data);
            }
            Err(frame) => self.trailers = Some(frame.into_trailers()?),
        }
        Ok(())
    }

    fn push_data(&mut self, data: Bytes) {
        if data.len() >= SHARED_FROM {
            self.end_small();
            self.data.push_back(data);
            return;
        }
        if self.small.len() + data.len() > JOINED {
            self.end_small();
        }
        let length = self.small.len() + data.len();
        if length > self.small.capacity() {
            // The capacity is exact for a body of one frame. After that it is doubled. It never
            // exceeds `JOINED`, which is a power of two.
            let capacity = match self.small.is_empty() {
                true => length,
                false => length.next_power_of_two(),
            };
            let small = mem::replace(&mut self.small, BytesMut::with_capacity(capacity));
            self.small.extend_from_slice(&small);
        }
        self.small.extend_from_slice(&data);
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.data.push_back(mem::take(&mut self.small).freeze());
        }
    }

    /// Returns whether the trailers have arrived. They are the last frame of a body.
    pub(super) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }

    /// Takes all that has arrived.
    pub(super) fn take(&mut self) -> Held {
        self.end_small();
        Held {
            data: mem::take(&mut self.data),
            trailers: self.trailers.take(),
            bytes: mem::take(&mut self.bytes),
        }
    }
}
