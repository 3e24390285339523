//! `BoxedSubset`, and `EitherSubset` for the two kinds of subset: the wrapped service, and the
//! subsets beside it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_service::Service;

type Boxed<B, R, E> = BoxCloneSyncService<Request<B>, Response<R>, SubsetError<R, E>>;

/// A boxed subset of a [`WeightedSplitLayer`](super::WeightedSplitLayer) beside the wrapped
/// service. Requests have a body `B`, responses have a body `R`, and errors have the type of the
/// wrapped service's errors, `E`.
///
/// The [builder](super::WeightedSplitLayerBuilder::subset) creates it. Its name is needed only in
/// the type of a layer, or of a layer's service.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use axum::{Router, body::Body};
/// use tower_mirror::{WeightedSplitLayer, split::{BoxedSubset, InvalidSplit}};
///
/// type Canary = WeightedSplitLayer<BoxedSubset<Body, Body, Infallible>>;
///
/// fn canary(v2: Router, weight: u32) -> Result<Canary, InvalidSplit> {
///     WeightedSplitLayer::builder("catalog").inner("v1", 100 - weight).subset("v2", weight, v2).build()
/// }
/// # canary(Router::new(), 1).unwrap();
/// ```
pub struct BoxedSubset<B, R, E> {
    service: Boxed<B, R, E>,
}

impl<B, R, E> BoxedSubset<B, R, E>
where
    B: 'static,
    R: 'static,
    E: 'static,
{
    /// Boxes a subset whose errors have the type of the wrapped service's errors.
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>, Error = E> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let service = service.map_err(SubsetError::Failed);
        Self {
            service: BoxCloneSyncService::new(service),
        }
    }

    /// Boxes a subset whose errors become responses.
    pub(super) fn with_errors<S, F>(service: S, on_error: F) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        F: Fn(S::Error) -> Response<R> + Clone + Send + Sync + 'static,
    {
        let service = HandleErrors { service, on_error };
        Self {
            service: BoxCloneSyncService::new(service.map_err(SubsetError::NotReady)),
        }
    }
}

impl<B, R, E> Service<Request<B>> for BoxedSubset<B, R, E> {
    type Response = Response<R>;
    type Error = SubsetError<R, E>;
    type Future = BoxFuture<'static, Result<Response<R>, SubsetError<R, E>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SubsetError<R, E>>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.service.call(request)
    }
}

// A derived `Clone` would require that `B`, `R` and `E` are `Clone`.
impl<B, R, E> Clone for BoxedSubset<B, R, E> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
        }
    }
}

impl<B, R, E> fmt::Debug for BoxedSubset<B, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxedSubset").finish_non_exhaustive()
    }
}

/// The error of a subset.
pub enum SubsetError<R, E> {
    /// An error of the split's own error type.
    Failed(E),
    /// The subset did not become ready. The response is for requests without a fallback.
    NotReady(Response<R>),
}

impl<R, E> From<E> for SubsetError<R, E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

/// The output contains only the status of the response.
impl<R, E: fmt::Debug> fmt::Debug for SubsetError<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Self::NotReady(answer) => f.debug_tuple("NotReady").field(&answer.status()).finish(),
        }
    }
}

/// A clone of either kind of subset.
#[derive(Clone, Debug)]
pub(super) enum EitherSubset<S, T> {
    /// The service that a layer wraps.
    Inner(S),
    /// A subset beside the wrapped service, or any subset of a split that wraps no service.
    Other(T),
}

pin_project! {
    #[project = EitherProjection]
    #[derive(Debug)]
    pub(super) enum EitherFuture<F, G> {
        Inner { #[pin] answer: F },
        Other { #[pin] answer: G },
    }
}

impl<S, T> EitherSubset<S, T> {
    pub(super) fn poll_ready<B, R, E>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SubsetError<R, E>>>
    where
        S: Service<Request<B>, Response = Response<R>, Error = E>,
        T: Service<Request<B>, Response = Response<R>, Error: Into<SubsetError<R, E>>>,
    {
        match self {
            Self::Inner(service) => service.poll_ready(cx).map_err(SubsetError::Failed),
            Self::Other(service) => service.poll_ready(cx).map_err(Into::into),
        }
    }

    pub(super) fn call<B>(&mut self, request: Request<B>) -> EitherFuture<S::Future, T::Future>
    where
        S: Service<Request<B>>,
        T: Service<Request<B>>,
    {
        match self {
            Self::Inner(service) => EitherFuture::Inner {
                answer: service.call(request),
            },
            Self::Other(service) => EitherFuture::Other {
                answer: service.call(request),
            },
        }
    }
}

impl<F, G> EitherFuture<F, G> {
    pub(super) fn poll<R, E, X>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, SubsetError<R, E>>>
    where
        F: Future<Output = Result<Response<R>, E>>,
        G: Future<Output = Result<Response<R>, X>>,
        X: Into<SubsetError<R, E>>,
    {
        match self.project() {
            EitherProjection::Inner { answer } => answer.poll(cx).map_err(SubsetError::Failed),
            EitherProjection::Other { answer } => answer.poll(cx).map_err(Into::into),
        }
    }
}

/// A service whose errors become responses: `on_error` makes a response from each error. If the
/// service does not become ready, this response is the error of `poll_ready`, so that the split can
/// use a fallback instead.
#[derive(Clone, Debug)]
struct HandleErrors<S, F> {
    service: S,
    on_error: F,
}

impl<S, F, B, R> Service<Request<B>> for HandleErrors<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    F: Fn(S::Error) -> Response<R> + Clone,
{
    type Response = Response<R>;
    type Error = Response<R>;
    type Future = HandleErrorsFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Response<R>>> {
        self.service.poll_ready(cx).map_err(&self.on_error)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        HandleErrorsFuture {
            future: self.service.call(request),
            on_error: self.on_error.clone(),
        }
    }
}

pin_project! {
    #[derive(Debug)]
    struct HandleErrorsFuture<A, F> {
        #[pin]
        future: A,
        on_error: F,
    }
}

impl<A, F, R, X> Future for HandleErrorsFuture<A, F>
where
    A: Future<Output = Result<Response<R>, X>>,
    F: Fn(X) -> Response<R>,
{
    type Output = Result<Response<R>, Response<R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = this.future.poll(cx);
        answer.map(|answer| Ok(answer.unwrap_or_else(this.on_error)))
    }
}
