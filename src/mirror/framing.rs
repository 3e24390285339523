//! `Framing`: the headers of a copy that describe the length of its body.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONTENT_LENGTH, EXPECT, TRAILER, TRANSFER_ENCODING},
    request::Parts,
};

use crate::{
    body::{BodyMode, Captured},
    headers::HOP_BY_HOP,
};

/// The body of a copy.
#[derive(Debug)]
pub(super) enum CopyBody {
    /// The request has no body, or the copy omits it.
    None,
    /// The whole body was captured.
    Buffered(Captured),
    /// The body is relayed while it is captured.
    Streaming {
        /// The length of the whole body in bytes, if it is known in advance.
        declared: Option<u64>,
    },
}

/// Which of these fields a head has. A loop over all names is cheaper than a look-up of each of
/// these fields.
#[derive(Default)]
pub(super) struct FramingFields {
    length: bool,
    transfer_encoding: bool,
    pub(super) hop_by_hop: bool,
}

impl FramingFields {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut fields = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "content-length" => fields.length = true,
                "transfer-encoding" => fields.transfer_encoding = true,
                _ => {}
            }
            fields.hop_by_hop |= is_hop_by_hop(name);
        }
        fields
    }
}

/// Whether a copy does not inherit this field. These are the hop-by-hop fields; `Trailer`, which is
/// written again for the copy; and `Expect`, because the copy does not wait for `100 Continue`.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || *name == TRAILER || *name == EXPECT
}

/// The framing headers of the body that is sent.
pub(super) enum Framing {
    /// There is no framing header.
    Bare,
    Length(u64),
    /// The length is unknown, or trailers follow: the body is chunked over HTTP/1, where hyper
    /// sends only the trailers that are named in advance.
    Chunked {
        trailers: Option<HeaderValue>,
    },
}

impl Framing {
    pub(super) fn of(
        parts: &Parts,
        fields: &FramingFields,
        body: &CopyBody,
        mode: BodyMode,
    ) -> Self {
        let length = match body {
            CopyBody::Streaming {
                declared: Some(length),
            } => *length,
            CopyBody::Streaming { declared: None } => {
                let trailers = parts.headers.get(TRAILER).cloned();
                return Self::Chunked { trailers };
            }
            CopyBody::Buffered(body) => match &body.trailers {
                Some(trailers) => {
                    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
                    let trailers = HeaderValue::from_str(&names.join(", ")).ok();
                    return Self::Chunked { trailers };
                }
                None => body.bytes,
            },
            CopyBody::None => 0,
        };
        let is_declared = mode != BodyMode::HeadOnly && (fields.length || fields.transfer_encoding);
        if length > 0 || is_declared || expects_body(&parts.method) {
            Self::Length(length)
        } else {
            Self::Bare
        }
    }

    pub(super) fn write(self, headers: &mut HeaderMap, fields: &FramingFields) {
        match self {
            Self::Bare => {
                if fields.length {
                    headers.remove(CONTENT_LENGTH);
                }
            }
            Self::Length(bytes) => {
                if !(fields.length && states_length(headers, bytes)) {
                    headers.insert(CONTENT_LENGTH, bytes.into());
                }
            }
            Self::Chunked { trailers } => {
                headers.remove(CONTENT_LENGTH);
                if let Some(trailers) = trailers {
                    headers.insert(TRAILER, trailers);
                }
                // With a GET or HEAD, hyper sends a body only if a header announces it.
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}

/// Whether exactly one field states this length.
fn states_length(headers: &HeaderMap, bytes: u64) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(length), None) = (lengths.next(), lengths.next()) else {
        return false;
    };
    length.as_bytes().iter().all(u8::is_ascii_digit)
        && length.to_str().is_ok_and(|it| it.parse() == Ok(bytes))
}

/// Whether requests with this method have `Content-Length: 0` if their body is empty (RFC 9110,
/// section 8.6).
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
