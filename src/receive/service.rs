//! The `ReadOnly` service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, Request, Response, request};
use http_body::Body;
use tower_service::Service;

use super::{future::ResponseFuture, mirrored::Mirrored};
use crate::{request_head::RequestHead, respond::MakeResponse, sample::FilterFn};

/// The rule that decides which requests are refused.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) mark: HeaderName,
    /// A copy is forwarded if one of these filters returns `true`.
    pub(super) allowed: Arc<[Arc<FilterFn>]>,
    pub(super) max_body_bytes: u64,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("mark", &self.mark)
            .field("allowed", &self.allowed.len())
            .field("max_body_bytes", &self.max_body_bytes)
            .finish()
    }
}

/// A service that refuses copies that would write. A [`ReadOnlyLayer`](super::ReadOnlyLayer)
/// creates it. Readiness, responses and errors are those of `S`. The refused copies are an
/// exception: `S` never receives them.
///
/// See the [module](crate::receive) for a further example.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower::Layer;
/// use tower_mirror::{EmptyResponse, ReadOnlyLayer, receive::ReadOnly};
///
/// let server: ReadOnly<Router, EmptyResponse> = ReadOnlyLayer::new().layer(Router::new());
/// # let _ = server;
/// ```
#[derive(Clone)]
pub struct ReadOnly<S, A> {
    inner: S,
    rule: Rule,
    refusal: A,
}

impl<S, A> ReadOnly<S, A> {
    pub(super) fn new(inner: S, rule: Rule, refusal: A) -> Self {
        Self {
            inner,
            rule,
            refusal,
        }
    }
}

impl<S, A, B, R> Service<Request<B>> for ReadOnly<S, A>
where
    S: Service<Request<B>, Response = Response<R>>,
    A: MakeResponse<request::Parts, R>,
    B: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(mirrored) = Mirrored::from_headers_named(request.headers(), &self.rule.mark)
        else {
            return ResponseFuture::serving(self.inner.call(request));
        };
        let head = RequestHead::of(&request);
        if self.rule.allowed.iter().any(|filter| filter(&head)) {
            request.extensions_mut().insert(mirrored);
            return ResponseFuture::serving(self.inner.call(request));
        }
        let (copy, body) = request.into_parts();
        let answer = self.refusal.make_response(&copy);
        ResponseFuture::refusing(body, answer, self.rule.max_body_bytes)
    }
}

impl<S: fmt::Debug, A> fmt::Debug for ReadOnly<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnly")
            .field("inner", &self.inner)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}
