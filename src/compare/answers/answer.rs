//! `Answer`: one answer to a request, as far as it is compared.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// One of the answers to a request, as far as it is compared.
///
/// `Debug` shows the status and how the answer ended, and nothing else of it.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_mirror::compare::{Answer, Rules, differences};
///
/// let answer = |price: &'static str| {
///     let answer = Response::builder().header("content-type", "application/json");
///     Answer::from(answer.body(Bytes::from_static(price.as_bytes())).unwrap())
/// };
/// let (v1, v2) = (answer(r#"{"price": 3}"#), answer(r#"{"price": 4}"#));
/// let found = differences(&Rules::default(), &v1, &v2).unwrap();
/// assert_eq!(found[0].to_string(), "/price value");
/// ```
#[derive(Clone)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) end: End,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    Streaming,
    Cut,
    TooLong,
    NoAnswer,
}

impl Answer {
    /// An answer that arrived completely.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self {
            status,
            headers,
            body,
            trailers: None,
            end: End::Whole,
        }
    }

    /// The service did not answer: it refused the connection, reset the stream, or was silent until the timeout.
    #[must_use]
    pub fn missing() -> Self {
        let mut missing = Self::new(StatusCode::default(), HeaderMap::new(), Bytes::new());
        missing.end = End::NoAnswer;
        missing
    }

    /// The head of an answer with a body that had not ended when the comparison's time was over.
    /// Its body is not judged.
    #[must_use]
    pub fn streaming(status: StatusCode, headers: HeaderMap) -> Self {
        Self::headed(status, headers, End::Streaming)
    }

    /// The head of an answer with a body that ended with an error. For the shadow this is the difference `:cut`.
    #[must_use]
    pub fn cut(status: StatusCode, headers: HeaderMap) -> Self {
        Self::headed(status, headers, End::Cut)
    }

    /// The head of an answer with a body above the limit. For the shadow this is the difference `:too long`.
    #[must_use]
    pub fn too_long(status: StatusCode, headers: HeaderMap) -> Self {
        Self::headed(status, headers, End::TooLong)
    }

    fn headed(status: StatusCode, headers: HeaderMap, end: End) -> Self {
        let mut answer = Self::new(status, headers, Bytes::new());
        answer.end = end;
        answer
    }

    /// The same answer with these trailers. gRPC sends its status in them.
    #[must_use]
    pub fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }
}

impl From<Response<Bytes>> for Answer {
    fn from(answer: Response<Bytes>) -> Self {
        let (head, body) = answer.into_parts();
        Self::new(head.status, head.headers, body)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Answer");
        if self.end != End::NoAnswer {
            debug.field("status", &self.status);
        }
        debug.field("end", &self.end).finish_non_exhaustive()
    }
}
