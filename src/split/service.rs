//! The `WeightedSplit` service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    future::ResponseFuture,
    handle::SplitHandle,
    served::Unavailable,
    state::SplitState,
    subset::{EitherSubset, SubsetError},
};
use crate::{
    request_head::RequestHead,
    respond::{EmptyResponse, MakeResponse},
};

/// A service with named subsets, one of which serves each request.
///
/// [`builder`](Self::builder) creates a split whose subsets all have the type `S`. A
/// [`WeightedSplitLayer`](super::WeightedSplitLayer) creates a split around a service `S`; the
/// other subsets have the type `T`, which is a [`BoxedSubset`](super::BoxedSubset) then. `U` makes
/// the responses to requests that no subset can serve.
///
/// Clones share weights, draw and counters.
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, WeightedSplit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let split: WeightedSplit<HttpTarget> = WeightedSplit::builder("catalog")
///     .subset("v1", 95, HttpTarget::new("http://127.0.0.1:9001")?)
///     .subset("v2", 5, HttpTarget::new("http://127.0.0.1:9002")?)
///     .build()?;
/// assert_eq!(split.handle().weights().generation, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WeightedSplit<S, U = EmptyResponse, T = S> {
    /// The service that a layer has wrapped, if a layer created the split.
    inner: Option<S>,
    /// `None` stands for the wrapped service.
    subsets: Arc<[Option<T>]>,
    shared: Arc<SplitState>,
    unavailable: U,
}

impl<S, U, T> WeightedSplit<S, U, T> {
    pub(super) fn new(
        inner: Option<S>,
        subsets: Arc<[Option<T>]>,
        shared: Arc<SplitState>,
        unavailable: U,
    ) -> Self {
        Self {
            inner,
            subsets,
            shared,
            unavailable,
        }
    }

    /// The handle that controls and reads this split while it runs.
    #[must_use]
    pub fn handle(&self) -> SplitHandle {
        SplitHandle::new(Arc::clone(&self.shared))
    }
}

// A derived `Clone` would require that `T` is `Clone`, although the subsets are shared.
impl<S: Clone, U: Clone, T> Clone for WeightedSplit<S, U, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            subsets: Arc::clone(&self.subsets),
            shared: Arc::clone(&self.shared),
            unavailable: self.unavailable.clone(),
        }
    }
}

impl<S, U, T, B, R, E> Service<Request<B>> for WeightedSplit<S, U, T>
where
    S: Service<Request<B>, Response = Response<R>, Error = E> + Clone,
    T: Service<Request<B>, Response = Response<R>, Error: Into<SubsetError<R, E>>> + Clone,
    U: MakeResponse<Unavailable, R> + Clone,
    B: Body,
{
    type Response = Response<R>;
    type Error = E;
    type Future = ResponseFuture<S, T, B, S::Future, T::Future, U>;

    /// Always ready. The chosen subset is polled for readiness in the response's future.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let choice = self.shared.choose(&RequestHead::of(&request));
        ResponseFuture::new(
            &self.shared,
            choice,
            request,
            self.unavailable.clone(),
            |subset| match &self.subsets[subset] {
                Some(other) => Some(EitherSubset::Other(other.clone())),
                None => self.inner.clone().map(EitherSubset::Inner),
            },
        )
    }
}
