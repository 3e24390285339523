//! The body sent, erased, and the body received, which brings its connection back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use super::error::{Error, RequestBodyError};
use super::idle::InUse;
use crate::BoxError;

/// Erased, so that a target is one type whatever it is sent.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, RequestBodyError>;

pub(super) fn erase<B>(body: B) -> RequestBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(|error| RequestBodyError(error.into()))
        .boxed_unsync()
}

/// The body of a response.
///
/// Read to its end it returns its HTTP/1.1 connection to the pool; dropped before that it closes the connection. The
/// default is an empty body, of no connection.
#[derive(Debug, Default)]
pub struct ResponseBody {
    incoming: Option<Incoming>,
    connection: Option<InUse>,
}

impl ResponseBody {
    pub(super) fn http1(incoming: Incoming, connection: InUse) -> Self {
        let mut body = Self {
            incoming: Some(incoming),
            connection: Some(connection),
        };
        // Nobody may ever poll a body that is empty from the start.
        body.finish_if_ended();
        body
    }

    pub(super) fn http2(incoming: Incoming) -> Self {
        Self {
            incoming: Some(incoming),
            connection: None,
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
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        match &frame {
            // A consumer that knows the length stops at the last frame, without asking for the end.
            Some(Ok(_)) => self.finish_if_ended(),
            Some(Err(_)) => self.connection = None,
            None => self.finish(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::transport)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
