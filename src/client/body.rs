//! The body of a response, which returns its connection to the pool.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::error::Error;
use super::http2::Exchange;
use super::idle::InUse;

/// The body of a response.
///
/// When it is read to its end, its HTTP/1.1 connection returns to the pool. When it is dropped earlier, the connection is
/// closed. A body made from bytes, or by default, belongs to no connection: it is for a response that replaces the target's.
#[derive(Default)]
pub struct ResponseBody {
    connection: Option<InUse>, // dropped first, since it marks the response as aborted
    source: Source,
    exchange: Option<Exchange>, // over HTTP/2
    /// Whether a body over HTTP/2 was read to its end.
    has_ended: bool,
}

enum Source {
    Target(Incoming),
    Own(Full<Bytes>),
}

/// Shows how many bytes are left, and never the bytes.
impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("is_own", &matches!(self.source, Source::Own(_)))
            .field("length", &self.size_hint().exact())
            .finish_non_exhaustive()
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::Own(Full::default())
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self {
            source: Source::Own(Full::new(bytes)),
            connection: None,
            exchange: None,
            has_ended: false,
        }
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl ResponseBody {
    pub(super) fn http1(incoming: Incoming, connection: Option<InUse>) -> Self {
        let mut body = Self {
            source: Source::Target(incoming),
            connection,
            exchange: None,
            has_ended: false,
        };
        // A caller may never poll a body that is empty from the start.
        body.finish_if_ended();
        body
    }

    pub(super) fn http2(incoming: Incoming, mut exchange: Exchange) -> Self {
        let has_ended = incoming.is_end_stream();
        exchange.polled(false, has_ended);
        Self {
            source: Source::Target(incoming),
            has_ended,
            connection: None,
            exchange: Some(exchange),
        }
    }

    fn finish_if_ended(&mut self) {
        if self.is_end_stream() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.finish();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        let incoming = match &mut this.source {
            Source::Target(incoming) => incoming,
            Source::Own(own) => {
                let frame = ready!(Pin::new(own).poll_frame(cx));
                return Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})));
            }
        };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        let has_ended = incoming.is_end_stream();
        if let Some(exchange) = &mut this.exchange {
            let is_over = has_ended || matches!(polled, Poll::Ready(None | Some(Err(_))));
            // hyper is not asked again later, since it forgets the end of a body when the connection ends.
            this.has_ended |= has_ended;
            exchange.polled(polled.is_pending(), is_over);
        }
        let frame = ready!(polled);
        match &frame {
            // A caller that knows the length may stop at the last frame, and never ask for the end.
            Some(Ok(_)) => self.finish_if_ended(),
            Some(Err(_)) => self.connection = None,
            // hyper reports a stream that was reset without an error as an ordinary end.
            None if self.exchange.is_some() && !has_ended => {
                return Poll::Ready(Some(Err(Error::closed())));
            }
            None => self.finish(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::transport)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Target(incoming) => self.has_ended || incoming.is_end_stream(),
            Source::Own(own) => own.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Target(incoming) => incoming.size_hint(),
            Source::Own(own) => own.size_hint(),
        }
    }
}
