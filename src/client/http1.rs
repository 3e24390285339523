//! HTTP/1.1: a request on its own connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::SizeHint;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::body::ResponseBody;
use super::error::Error;
use super::idle::InUse;
use super::response::{self, HeadLimit};
use super::settings::Settings;
use super::tunnel::{self, Offer};
use super::upload::RequestBody;

/// A connection that has sent a larger head is closed after its request, since hyper keeps the buffer of the head, and an idle
/// connection must not hold much memory.
const MOST_KEPT: usize = 64 * 1024;

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// A request on a connection.
pub(super) struct Sending {
    /// `None` once the response has it. It is dropped before the future of hyper, whose drop closes the connection.
    connection: Option<InUse>,
    // Boxed, because the future of hyper has no name.
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    again: Option<Box<Replay>>,
    offer: Option<Box<Offer>>,
    max_head: HeadLimit,
    write_timeout: Duration,
}

/// A request that may be sent again if its connection closes before a byte of the response has arrived. It has no body, its method
/// is idempotent, and its connection was idle before, so that the peer may have been closing it.
struct Replay {
    head: Parts,
    length: SizeHint,
    received: u64,
}

pub(super) enum Failed {
    /// The connection was closing. The request can be sent on another one.
    Unsent(Box<Request<RequestBody>>),
    Sent(Error),
}

impl Sending {
    pub(super) fn new(
        mut connection: InUse,
        mut request: Request<RequestBody>,
        settings: &Settings,
    ) -> Self {
        let again = settings
            .retry
            .then(|| replay(&connection, &request))
            .flatten();
        let offer = Offer::of(&mut request);
        connection.is_kept = head_bytes(&request) <= MOST_KEPT;
        let answer = Box::pin(connection.sender.send.try_send_request(request));
        Self {
            connection: Some(connection),
            answer,
            again,
            offer,
            max_head: settings.max_response_head,
            write_timeout: settings.write_timeout,
        }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody>, Failed>> {
        let answer = ready!(self.answer.as_mut().poll(cx));
        let connection = self.connection.take();
        Poll::Ready(match answer {
            Ok(answer) => self.answered(answer, connection).map_err(Failed::Sent),
            Err(mut failed) => {
                let again = |again: Box<Replay>| {
                    let received = connection.as_ref().map(|it| it.sender.wire.received());
                    (received == Some(again.received)).then(|| again.request())
                };
                match failed
                    .take_message()
                    .or_else(|| self.again.take().and_then(again))
                {
                    Some(mut request) => {
                        if let Some(offer) = self.offer.take() {
                            offer.put_back(&mut request);
                        }
                        Err(Failed::Unsent(Box::new(request)))
                    }
                    None => Err(Failed::Sent(Error::transport(failed.into_error()))),
                }
            }
        })
    }

    fn answered(
        &mut self,
        mut answer: Response<Incoming>,
        connection: Option<InUse>,
    ) -> Result<Response<ResponseBody>, Error> {
        let has_switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocols = has_switched.then(|| tunnel::protocols(answer.headers()));
        response::fit(answer.headers_mut(), Version::HTTP_11, self.max_head)?;
        if let Some(protocols) = protocols {
            let (offer, limit) = (self.offer.take(), self.write_timeout);
            tunnel::switch(offer, protocols, &mut answer, limit)?;
            if let Some(connection) = connection {
                connection.switched();
            }
            return Ok(answer.map(|_| ResponseBody::default()));
        }
        Ok(answer.map(|body| ResponseBody::http1(body, connection)))
    }
}

/// About how many bytes hyper writes for the head.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    request.uri().path().len() + fields.sum::<usize>()
}

fn replay(connection: &InUse, request: &Request<RequestBody>) -> Option<Box<Replay>> {
    let RequestBody::Ended(length) = request.body() else {
        return None;
    };
    if !connection.sender.is_reused || !request.method().is_idempotent() {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method().clone();
    head.uri = request.uri().clone();
    head.headers = request.headers().clone();
    Some(Box::new(Replay {
        head,
        // Only newer versions of http-body implement `Copy` for it.
        #[allow(clippy::clone_on_copy)]
        length: length.clone(),
        received: connection.sender.wire.received(),
    }))
}

impl Replay {
    fn request(self: Box<Self>) -> Request<RequestBody> {
        Request::from_parts(self.head, RequestBody::Ended(self.length))
    }
}

/// Sends a request for the last time.
pub(super) async fn send(
    connection: InUse,
    request: Request<RequestBody>,
    settings: &Settings,
) -> Result<Response<ResponseBody>, Error> {
    let mut sending = Sending::new(connection, request, settings);
    let sent = poll_fn(|cx| sending.poll(cx)).await;
    sent.map_err(|failed| match failed {
        Failed::Sent(error) => error,
        Failed::Unsent(_) => Error::closed(),
    })
}
