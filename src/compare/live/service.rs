//! `CompareService`: the service that answers as the primary does, and has its answers compared.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{body::ComparedBody, drop_reason::DropReason, triple::Triple};
use crate::{
    body::TeeBody,
    mirror::{Mirror, ResponseFuture},
};

/// Answers as the primary `S` does, sends copies to the shadow and to the baseline, and keeps the three answers for the comparison.
///
/// Made by [`CompareLayer`](super::CompareLayer). The answer is the primary's own; only its body is wrapped, in [`ComparedBody`]. The
/// body of the request is wrapped as by a [`Mirror`]: `S` is called with a `Request<TeeBody<B>>`.
///
/// # Example
///
/// ```
/// use axum::{Router, body::Body};
/// use http::{Request, StatusCode};
/// use tower::{Layer, ServiceExt};
/// use tower_mirror::{MirrorLayer, compare::{Compare, CompareService}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (v1, v1b, v2) = (Router::new(), Router::<()>::new(), Router::<()>::new());
/// let layer = Compare::with_baseline(v1b).layer(MirrorLayer::builder(v2))?;
/// let service: CompareService<Router> = layer.layer(v1);
///
/// let answer = service.oneshot(Request::new(Body::empty())).await?;
/// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CompareService<S> {
    mirror: Mirror<S>,
}

impl<S> CompareService<S> {
    pub(super) fn new(mirror: Mirror<S>) -> Self {
        Self { mirror }
    }

    /// The primary.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.mirror.get_ref()
    }

    /// The primary, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        self.mirror.get_mut()
    }

    /// Takes the primary out of the service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.mirror.into_inner()
    }
}

impl<S, B, R> Service<Request<B>> for CompareService<S>
where
    S: Service<Request<TeeBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes> + Send + 'static,
    R: Body<Data = Bytes>,
{
    type Response = Response<ComparedBody<R>>;
    type Error = S::Error;
    type Future = CompareFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.mirror.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (answering, token) = self.mirror.call_followed(request);
        CompareFuture {
            // No other follower exists.
            waiting: Waiting(token.and_then(|token| token.downcast().ok())),
            answering,
        }
    }
}

pin_project! {
    /// The primary's future, whose answer is wrapped.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CompareFuture<F> {
        waiting: Waiting,
        #[pin]
        answering: ResponseFuture<F>,
    }
}

/// Holds the triple until the primary has answered. If it is dropped before, the client has gone.
#[derive(Debug)]
struct Waiting(Option<Arc<Triple>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(triple) = &self.0 {
            triple.discard(DropReason::ClientGone);
        }
    }
}

impl<F, R, E> Future for CompareFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ComparedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answering.poll(cx));
        let triple = this.waiting.0.take();
        Poll::Ready(match (answer, triple) {
            (Ok(answer), None) => Ok(answer.map(ComparedBody::plain)),
            (Ok(answer), Some(triple)) => Ok(tap(answer, triple)),
            (Err(error), triple) => {
                if let Some(triple) = triple {
                    triple.discard(DropReason::PrimaryFailed);
                }
                Err(error)
            }
        })
    }
}

fn tap<R: Body<Data = Bytes>>(
    answer: Response<R>,
    triple: Arc<Triple>,
) -> Response<ComparedBody<R>> {
    if !triple.primary_head(answer.status(), answer.headers()) {
        return answer.map(ComparedBody::plain);
    }
    let has_body = triple.facts().method != Method::HEAD;
    answer.map(|body| ComparedBody::tapped(body, triple, has_body))
}
