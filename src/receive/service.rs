//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{future::ResponseFuture, mirrored::Mirrored, refusal::Refusal};
use crate::{head::RequestHead, sample::Filter};

/// Which requests are refused.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) mark: HeaderName,
    /// A copy passes where one of them does.
    pub(super) passes: Arc<[Arc<dyn Filter>]>,
    pub(super) max_body_bytes: u64,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("mark", &self.mark)
            .field("passes", &self.passes.len())
            .field("max_body_bytes", &self.max_body_bytes)
            .finish()
    }
}

/// The service of a [`ReadOnlyLayer`](super::ReadOnlyLayer). Readiness, answers and
/// errors are `S`'s own, but for the copies that it never sees.
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
    A: Refusal<R>,
    B: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(mirrored) = Mirrored::marked(request.headers(), &self.rule.mark) else {
            return ResponseFuture::serving(self.inner.call(request));
        };
        let head = RequestHead::of(&request);
        if self.rule.passes.iter().any(|filter| filter.passes(&head)) {
            request.extensions_mut().insert(mirrored);
            return ResponseFuture::serving(self.inner.call(request));
        }
        let (copy, body) = request.into_parts();
        let answer = self.refusal.answer(&copy);
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
