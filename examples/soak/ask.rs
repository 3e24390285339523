//! The requests of clients, and the correct answers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use http::{
    HeaderName, Method, Request, StatusCode,
    header::{CONNECTION, HOST, TRAILER},
    response::Parts,
};

use crate::{
    Result,
    upload::{Framing, Upload, pattern},
};

/// Identifies a request; the answer repeats it.
pub(crate) const ID: HeaderName = HeaderName::from_static("x-id");
/// The bytes of the pattern in the body, as `offset,length`.
pub(crate) const BODY: HeaderName = HeaderName::from_static("x-body");
/// The trailer: the body's length.
pub(crate) const SUM: HeaderName = HeaderName::from_static("x-sum");
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
/// The header that marks copies by default.
pub(crate) const MARK: HeaderName = HeaderName::from_static("x-mirrored-by");
pub(crate) const HEALTH: &str = "/health";
const LONGEST_ANSWER: usize = 20_000;

/// One request and its expected answer.
pub(crate) struct Ask {
    id: String,
    post: Option<Post>,
    path: String,
    offset: usize,
    /// The length of the answer, and of the body of a POST.
    bytes: Bytes,
    is_copy: bool,
    /// The client disconnects after this time, without its answer.
    pub(crate) leaves: Option<Duration>,
}

struct Post {
    framing: Framing,
    piece: usize,
    is_broken_off: bool,
}

impl Ask {
    pub(crate) fn new(id: String, chance: &mut Rng) -> Self {
        let leaves = (chance.u8(..) < 12).then(|| Duration::from_micros(chance.u64(..5000)));
        let post = (chance.u8(..) < 100).then(|| Post {
            framing: match chance.u8(..6) {
                0..=2 => Framing::Length,
                3 | 4 => Framing::Chunked,
                _ => Framing::Trailers,
            },
            piece: chance.usize(200..20_000),
            is_broken_off: leaves.is_some() && chance.bool(),
        });
        let length = match (&post, chance.u8(..)) {
            (None, _) => chance.usize(..LONGEST_ANSWER),
            (_, 0..=6) => chance.usize(100_000..300_000),
            (_, 7..=60) => chance.usize(2_000..70_000),
            _ => chance.usize(..2_000),
        };
        let offset = chance.usize(..500_000);
        let path = match (&post, chance.u8(..)) {
            (None, 0..=10) => format!("{HEALTH}/{offset}/{length}"),
            _ => format!("/bytes/{offset}/{length}"),
        };
        Self {
            id,
            post,
            path,
            offset,
            bytes: pattern(offset, length),
            is_copy: chance.u8(..) < 5,
            leaves,
        }
    }

    /// The request, in the form of this version of HTTP.
    pub(crate) fn request(&self, is_http2: bool, closes: bool) -> Result<Request<Upload>> {
        let mut request = Request::builder().header(ID, &self.id);
        request = match is_http2 {
            true => request.uri(format!("http://catalog{}", self.path)),
            false => request.uri(&self.path).header(HOST, "catalog"),
        };
        if closes {
            request = request.header(CONNECTION, "close");
        }
        if self.is_copy {
            request = request.header(MARK, "somebody");
        }
        let Some(post) = &self.post else {
            return Ok(request.body(Upload::default())?);
        };
        if post.framing == Framing::Trailers {
            request = request.header(TRAILER, SUM.as_str());
        }
        let upload = Upload::new(&self.bytes, post.framing, post.piece);
        let body = format!("{},{}", self.offset, self.bytes.len());
        let request = request.method(Method::POST).header(BODY, body);
        Ok(request.body(match post.is_broken_off {
            true => upload.broken_off(),
            false => upload,
        })?)
    }

    pub(crate) fn what(&self) -> String {
        let method = if self.post.is_some() { "POST" } else { "GET" };
        format!("no. {} {method} {}", self.id, self.path)
    }

    /// The fault of an answer, if it has one.
    pub(crate) fn fault(&self, head: &Parts, body: &[Bytes]) -> Option<String> {
        let header = |name: &HeaderName| head.headers.get(name).and_then(|it| it.to_str().ok());
        let body = match body {
            [one] => one.clone(),
            many => many
                .iter()
                .flatten()
                .copied()
                .collect::<BytesMut>()
                .freeze(),
        };
        let sum = match &self.post {
            Some(post) if post.framing == Framing::Trailers => Some(self.bytes.len().to_string()),
            _ => None,
        };
        let what = if head.status != StatusCode::OK {
            format!("status {}", head.status)
        } else if header(&ID) != Some(&self.id) {
            format!("id {:?}", header(&ID))
        } else if !matches!(header(&SERVED_BY), Some("v1" | "v2")) {
            format!("served by {:?}", header(&SERVED_BY))
        } else if body != self.bytes {
            format!("{} other bytes", body.len())
        } else if header(&SUM) != sum.as_deref() {
            format!("trailer {:?}", header(&SUM))
        } else {
            return None;
        };
        Some(format!("{}: {what}", self.what()))
    }
}
