//! The requests that are measured.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};

/// A body with this number of frames, each with this number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub frames: usize,
    pub length: usize,
}

impl Shape {
    pub const EMPTY: Self = Self::new(0, 0);
    pub const SMALL: Self = Self::new(1, 1 << 10);
    pub const SHARED: Self = Self::new(1, 8 << 10);
    pub const MEBIBYTE: Self = Self::new(64, 16 << 10);

    pub const fn new(frames: usize, length: usize) -> Self {
        Self { frames, length }
    }

    pub fn bytes(self) -> usize {
        self.frames * self.length
    }
}

/// Examples are `no body`, `8 KiB` and `64 x 16 KiB`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames {
            0 => f.write_str("no body"),
            1 => write!(f, "{} KiB", self.length >> 10),
            frames => write!(f, "{frames} x {} KiB", self.length >> 10),
        }
    }
}

/// A body in memory, with several frames.
#[derive(Debug)]
pub struct Frames {
    frames: VecDeque<Bytes>,
    left: u64,
}

impl Frames {
    pub fn new(frames: VecDeque<Bytes>) -> Self {
        let left = frames.iter().map(|frame| frame.len() as u64).sum();
        Self { frames, left }
    }

    /// Slices of a buffer that is already shared, like the frames of hyper. A clone of a slice allocates nothing.
    pub fn of(shape: Shape) -> Self {
        static BUFFER: OnceLock<Bytes> = OnceLock::new();
        let buffer = BUFFER.get_or_init(|| {
            let mut buffer = BytesMut::zeroed(2 << 20);
            buffer.split_to(1 << 20).freeze()
        });
        let frame = |turn| buffer.slice(turn * shape.length..(turn + 1) * shape.length);
        Self::new((0..shape.frames).map(frame).collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|frame| {
            self.left -= frame.len() as u64;
            Ok(Frame::data(frame))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A request with this number of headers, including `host` and `x-user`.
pub fn request(headers: usize, shape: Shape) -> Request<Frames> {
    const COMMON: [(&str, &str); 8] = [
        ("host", "catalog:8000"),
        ("x-user", "ada"),
        ("accept", "application/json"),
        ("user-agent", "curl/8.5.0"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "en"),
        ("cookie", "uid=1815; theme=dark"),
        ("authorization", "Bearer 0123456789abcdef"),
    ];
    let mut request = Request::new(Frames::of(shape));
    *request.uri_mut() = "/items?q=1".parse().expect("a path");
    let map = request.headers_mut();
    for (name, value) in COMMON.into_iter().take(headers) {
        map.insert(name, HeaderValue::from_static(value));
    }
    for turn in map.len()..headers {
        let name = HeaderName::try_from(format!("x-header-{turn}")).expect("a name");
        map.insert(name, HeaderValue::from_static("a value of a usual length"));
    }
    if shape.frames > 0 {
        map.insert(CONTENT_LENGTH, shape.bytes().into());
        *request.method_mut() = http::Method::POST;
    }
    request
}

/// A request with four headers, which most cases use.
pub fn usual(shape: Shape) -> Request<Frames> {
    request(4, shape)
}
