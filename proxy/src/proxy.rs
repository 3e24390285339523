//! The service that forwards a request to the primary, or to the subsets. It is what the mirror wraps.

use std::{
    convert::Infallible,
    error::Error,
    iter,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header::CONTENT_TYPE};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower::Service;
use tower_mirror::{
    HttpTarget,
    client::{self, HttpTargetBuilder, InvalidUrl},
};

use crate::hop;

/// More than the target's own default: a proxy should permit as many connections as its backend.
const MAX_CONNECTIONS: usize = 1024;

const NO_TUNNEL: &str = "this proxy does not tunnel: it does not serve CONNECT\n";
const NO_CODING: &str = "this proxy knows no transfer coding except chunked\n";

/// The body of the primary's response, or one line by the proxy itself.
pub(crate) type ProxyBody = Either<client::ResponseBody, Full<Bytes>>;

/// The backend: one target, or a split of several targets. Both have the response and the error of a target.
pub(crate) trait Forward<B>:
    Service<
        Request<B>,
        Response = Response<client::ResponseBody>,
        Error = client::Error,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
}

impl<B, S> Forward<B> for S
where
    S: Service<Request<B>, Response = Response<client::ResponseBody>, Error = client::Error>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
}

/// The target, with as many connections as the proxy may need.
pub(crate) fn wide(target: &HttpTargetBuilder, is_http2: bool) -> Result<HttpTarget, InvalidUrl> {
    let target = target.clone().max_connections(MAX_CONNECTIONS);
    match is_http2 {
        true => target.http2().build(),
        false => target.build(),
    }
}

/// The target's `host[:port]`, for a line of the log. Building a target dials nothing.
pub(crate) fn authority(target: &HttpTargetBuilder) -> String {
    match target.clone().build() {
        Ok(target) => target.authority().to_string(),
        Err(invalid) => invalid.to_string(),
    }
}

/// Sends every request to the backend. It never fails: if the backend fails, the proxy creates the response.
#[derive(Clone, Debug)]
pub(crate) struct Proxy<S> {
    backend: S,
    served: Arc<AtomicU64>,
}

impl<S> Proxy<S> {
    pub(crate) fn new(backend: S) -> Self {
        Self {
            backend,
            served: Arc::default(),
        }
    }

    /// The number of requests so far.
    pub(crate) fn served(&self) -> Arc<AtomicU64> {
        self.served.clone()
    }
}

impl<B, S: Forward<B>> Service<Request<B>> for Proxy<S> {
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = Forwarding<S::Future>;

    /// Always ready: the target obtains its connection in the call, so that the layers around the
    /// proxy see a request to a primary that is down, and its response 502, like any other request. A split is always ready too.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.served.fetch_add(1, Relaxed);
        if request.method() == Method::CONNECT {
            return Forwarding::Refused { reason: NO_TUNNEL };
        }
        // RFC 9112, section 6.1: a coding that a recipient does not know is answered with 501.
        if !hop::is_chunked_only(request.headers()) {
            return Forwarding::Refused { reason: NO_CODING };
        }
        hop::remove_named(request.headers_mut());
        Forwarding::Sent {
            answer: self.backend.call(request),
        }
    }
}

pin_project! {
    /// The future of the response.
    #[project = ForwardingProjection]
    #[derive(Debug)]
    pub(crate) enum Forwarding<F> {
        Sent { #[pin] answer: F },
        Refused { reason: &'static str },
    }
}

impl<F> Future for Forwarding<F>
where
    F: Future<Output = Result<Response<client::ResponseBody>, client::Error>>,
{
    type Output = Result<Response<ProxyBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match self.project() {
            ForwardingProjection::Refused { reason } => line(StatusCode::NOT_IMPLEMENTED, *reason),
            ForwardingProjection::Sent { answer } => match ready!(answer.poll(cx)) {
                Ok(answer) => pass_on(answer),
                // The client caused this: its body broke off, or its target cannot be sent.
                Err(error) if error.is_request() => {
                    line(StatusCode::BAD_REQUEST, describe(&error) + "\n")
                }
                Err(error) => line(
                    StatusCode::BAD_GATEWAY,
                    format!("no answer from the primary: {}\n", describe(&error)),
                ),
            },
        };
        Poll::Ready(Ok(answer))
    }
}

fn pass_on(mut answer: Response<client::ResponseBody>) -> Response<ProxyBody> {
    *answer.version_mut() = Version::HTTP_11;
    answer.map(Either::Left)
}

fn line(status: StatusCode, text: impl Into<Bytes>) -> Response<ProxyBody> {
    let mut answer = Response::new(Either::Right(Full::new(text.into())));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

/// An error and its sources, in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    let parts: Vec<String> = chain.map(ToString::to_string).collect();
    parts.join(": ").replace(char::is_control, " ")
}
