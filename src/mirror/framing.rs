//! How a copy's body is announced.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING},
    request::Parts,
};

use crate::body::{BodyMode, Captured};

/// The body that a copy is sent with.
#[derive(Debug)]
pub(super) enum CopyBody {
    /// There was none, or it is left out.
    None,
    /// Captured whole.
    Whole(Captured),
    /// Relayed while it is captured.
    Live {
        /// Bytes of the whole, where known beforehand.
        declared: Option<u64>,
    },
}

/// What one look at each name finds, which is cheaper than looking all of these up.
#[derive(Default)]
pub(super) struct Seen {
    length: bool,
    transfer_encoding: bool,
    pub(super) hop_by_hop: bool,
}

impl Seen {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "content-length" => seen.length = true,
                "transfer-encoding" => seen.transfer_encoding = true,
                _ => {}
            }
            seen.hop_by_hop |= is_hop_by_hop(name);
        }
        seen
    }
}

/// RFC 9110, section 7.6.1, and `Expect`, which only a client that waits means.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "expect"
    )
}

/// The framing headers of the body that is really sent.
pub(super) enum Framing {
    /// None of them.
    Bare,
    Length(u64),
    /// Of unknown length, or with trailers: chunked over HTTP/1, where hyper sends only
    /// the trailers that are named beforehand.
    Chunked {
        trailers: Option<HeaderValue>,
    },
}

impl Framing {
    pub(super) fn of(parts: &Parts, seen: &Seen, body: &CopyBody, mode: BodyMode) -> Self {
        let length = match body {
            CopyBody::Live {
                declared: Some(length),
            } => *length,
            CopyBody::Live { declared: None } => {
                let trailers = parts.headers.get(TRAILER).cloned();
                return Self::Chunked { trailers };
            }
            CopyBody::Whole(body) => match &body.trailers {
                Some(trailers) => {
                    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
                    let trailers = HeaderValue::from_str(&names.join(", ")).ok();
                    return Self::Chunked { trailers };
                }
                None => body.bytes,
            },
            CopyBody::None => 0,
        };
        let is_declared = mode != BodyMode::Omit && (seen.length || seen.transfer_encoding);
        if length > 0 || is_declared || expects_body(&parts.method) {
            Self::Length(length)
        } else {
            Self::Bare
        }
    }

    pub(super) fn write(self, headers: &mut HeaderMap, seen: &Seen) {
        match self {
            Self::Bare => {
                if seen.length {
                    headers.remove(CONTENT_LENGTH);
                }
            }
            Self::Length(bytes) => {
                if !(seen.length && says_length(headers, bytes)) {
                    headers.insert(CONTENT_LENGTH, bytes.into());
                }
            }
            Self::Chunked { trailers } => {
                headers.remove(CONTENT_LENGTH);
                if let Some(trailers) = trailers {
                    headers.insert(TRAILER, trailers);
                }
                // hyper sends no body with a GET or HEAD unless a header announces one.
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}

/// Whether this is said already, once.
fn says_length(headers: &HeaderMap, bytes: u64) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(length), None) = (lengths.next(), lengths.next()) else {
        return false;
    };
    length.as_bytes().iter().all(u8::is_ascii_digit)
        && length.to_str().is_ok_and(|it| it.parse() == Ok(bytes))
}

/// RFC 9110, section 8.6: these say `Content-Length: 0` for an empty body.
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
