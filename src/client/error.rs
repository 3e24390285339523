//! `Error`, why a request to a target failed, and the errors below it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, io};

use crate::BoxError;
use crate::error::chain;
use crate::marker::OversizedHead;

/// Why a request to an [`HttpTarget`](super::HttpTarget) failed.
///
/// A connect or transport error always has an [`io::Error`] among its [sources](StdError::source).
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    // Shared, since all callers that wait for an HTTP/2 connection get the error of its dial.
    source: Arc<dyn StdError + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Transport,
    Request,
    ResponseHead,
}

impl Error {
    /// No connection could be made; nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.kind == Kind::Connect
    }

    /// The exchange failed on a connection: it was closed, reset, made no write progress, or did not speak HTTP.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        self.kind == Kind::Transport
    }

    /// The request caused the error, and not the target: it cannot be sent (`CONNECT`), or its body failed.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Request
    }

    /// The head of the response is larger than [`max_response_head_bytes`](super::HttpTargetBuilder::max_response_head_bytes).
    #[must_use]
    pub fn is_response_head(&self) -> bool {
        self.kind == Kind::ResponseHead
    }

    pub(super) fn connect(error: io::Error) -> Self {
        Self {
            kind: Kind::Connect,
            source: Arc::new(error),
        }
    }

    /// The connection failed before its first request.
    pub(super) fn handshake(error: hyper::Error) -> Self {
        Self {
            kind: Kind::Connect,
            source: with_io_error(error),
        }
    }

    /// The connection was closed already.
    pub(super) fn closed() -> Self {
        Self::io(io::ErrorKind::ConnectionAborted.into())
    }

    pub(super) fn io(error: io::Error) -> Self {
        Self {
            kind: Kind::Transport,
            source: Arc::new(error),
        }
    }

    pub(super) fn transport(error: hyper::Error) -> Self {
        if has_source::<RequestBodyError>(&error) {
            return Self {
                kind: Kind::Request,
                source: Arc::new(error),
            };
        }
        if error.is_parse_too_large() {
            return Self::response_head();
        }
        Self {
            kind: Kind::Transport,
            source: with_io_error(error),
        }
    }

    pub(super) fn response_head() -> Self {
        Self {
            kind: Kind::ResponseHead,
            source: Arc::new(OversizedHead),
        }
    }

    pub(super) fn request(error: impl Into<BoxError>) -> Self {
        Self {
            kind: Kind::Request,
            source: Arc::from(error.into()),
        }
    }
}

/// The error with an `io::Error` among its sources, by which code that does not know hyper recognises the failure of a connection.
fn with_io_error(error: hyper::Error) -> Arc<dyn StdError + Send + Sync> {
    if has_source::<io::Error>(&error) {
        return Arc::new(error);
    }
    let kind = if error.is_incomplete_message() {
        io::ErrorKind::UnexpectedEof
    } else if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else if error.is_parse() {
        io::ErrorKind::InvalidData
    } else if error.is_canceled() || error.is_closed() || error.is_body_write_aborted() {
        io::ErrorKind::ConnectionAborted
    } else {
        io::ErrorKind::Other
    };
    Arc::new(io::Error::new(kind, error))
}

/// An `io::Error` with the kind of the first `io::Error` among the sources, or the kind `Other`.
pub(super) fn into_io(error: impl Into<BoxError>) -> io::Error {
    let error = error.into();
    let found = chain(&*error).find_map(|error| error.downcast_ref::<io::Error>());
    let kind = found.map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, error)
}

fn has_source<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    chain(error).skip(1).any(|source| source.is::<E>())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Connect => "cannot connect to the target",
            Kind::Transport => "the connection to the target failed",
            Kind::Request => "the request cannot be sent",
            Kind::ResponseHead => "the head of the response cannot be received",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// Marks an error of the request body, which the target did not cause.
#[derive(Debug)]
pub(super) struct RequestBodyError(pub(super) BoxError);

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body failed")
    }
}

impl StdError for RequestBodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Why a name could not be resolved, shared by all dials that waited for it.
#[derive(Clone, Debug)]
pub(super) struct Unresolved(Arc<dyn StdError + Send + Sync>);

impl Unresolved {
    pub(super) fn new(error: impl Into<BoxError>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host cannot be resolved")
    }
}

impl StdError for Unresolved {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// What is known of a request over HTTP/2 that failed (RFC 9113, section 8.7).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Unknown,
    /// h2 has written nothing of the request.
    Unsent,
    /// The connection has ended, and the server has not said whether it processed the request.
    Lost,
    /// The server refused the request before it processed it.
    Refused,
    /// The stream is above the last one of a `GOAWAY`.
    GoneAway,
}

impl Verdict {
    pub(super) fn of(error: &hyper::Error) -> Self {
        let source = error.source();
        // hyper returns an error of the socket directly, and not inside an h2 error.
        if source.is_some_and(|source| source.is::<io::Error>()) {
            return Self::Lost;
        }
        match source.and_then(|source| source.downcast_ref::<h2::Error>()) {
            Some(error) if error.is_go_away() && error.is_remote() => Self::GoneAway,
            Some(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Self::Refused,
            Some(error) if error.is_io() => Self::Lost,
            None if error.is_canceled() || error.is_closed() => Self::Lost,
            _ => Self::Unknown,
        }
    }
}
