//! The two kinds of subset that a layer has: the service it wraps, and those beside it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

/// Either kind of subset that a layer has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Branch<S, T> {
    /// The service that the layer wraps.
    Inner(S),
    /// One beside it.
    Beside(T),
}

/// How a subset beside the wrapped service fails.
#[non_exhaustive]
pub enum SubsetError<R, E> {
    /// As the split itself fails.
    Own(E),
    /// It did not become ready; the answer for when there is no fallback.
    Unready(Response<R>),
}

/// Of the answer, its status alone.
impl<R, E: fmt::Debug> fmt::Debug for SubsetError<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(error) => f.debug_tuple("Own").field(error).finish(),
            Self::Unready(answer) => f.debug_tuple("Unready").field(&answer.status()).finish(),
        }
    }
}

pin_project! {
    /// The future of a [`Branch`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct BranchFuture<F, G> {
        #[pin]
        state: State<F, G>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F, G> {
        Inner { #[pin] answer: F },
        Beside { #[pin] answer: G },
    }
}

impl<S, T, B, R, E> Service<Request<B>> for Branch<S, T>
where
    S: Service<Request<B>, Response = Response<R>, Error = E>,
    T: Service<Request<B>, Response = Response<R>, Error = SubsetError<R, E>>,
{
    type Response = Response<R>;
    type Error = SubsetError<R, E>;
    type Future = BranchFuture<S::Future, T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Self::Inner(service) => service.poll_ready(cx).map_err(SubsetError::Own),
            Self::Beside(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self {
            Self::Inner(service) => State::Inner {
                answer: service.call(request),
            },
            Self::Beside(service) => State::Beside {
                answer: service.call(request),
            },
        };
        BranchFuture { state }
    }
}

impl<F, G, R, E> Future for BranchFuture<F, G>
where
    F: Future<Output = Result<Response<R>, E>>,
    G: Future<Output = Result<Response<R>, SubsetError<R, E>>>,
{
    type Output = G::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { answer } => answer.poll(cx).map_err(SubsetError::Own),
            StateProjection::Beside { answer } => answer.poll(cx),
        }
    }
}

/// A service that fails, as a subset of a split that does not: `answer` makes a response of
/// its error. What did not become ready fails with that response, so that the split can fall back instead.
#[derive(Clone, Debug)]
pub(super) struct Fallible<S, A> {
    pub(super) service: S,
    pub(super) answer: A,
}

impl<S, A, B, R> Service<Request<B>> for Fallible<S, A>
where
    S: Service<Request<B>, Response = Response<R>>,
    A: Fn(S::Error) -> Response<R> + Clone,
{
    type Response = Response<R>;
    type Error = Response<R>;
    type Future = FallibleFuture<S::Future, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Response<R>>> {
        self.service.poll_ready(cx).map_err(&self.answer)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        FallibleFuture {
            future: self.service.call(request),
            answer: self.answer.clone(),
        }
    }
}

pin_project! {
    #[derive(Debug)]
    pub(super) struct FallibleFuture<F, A> {
        #[pin]
        future: F,
        answer: A,
    }
}

impl<F, A, R, X> Future for FallibleFuture<F, A>
where
    F: Future<Output = Result<Response<R>, X>>,
    A: Fn(X) -> Response<R>,
{
    type Output = Result<Response<R>, Response<R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = this.future.poll(cx);
        answer.map(|answer| Ok(answer.unwrap_or_else(this.answer)))
    }
}
