//! The split around a service, which is one of its subsets.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    branch::{Branch, BranchFuture, SubsetError},
    builder::{Layered, SplitBuilder},
    future::ResponseFuture,
    handle::SplitHandle,
    served::{Empty503, Refuse},
    shared::Shared,
};
use crate::head::RequestHead;

/// A subset beside the wrapped service, boxed.
pub type Beside<B, R, E> = BoxCloneSyncService<Request<B>, Response<R>, SubsetError<R, E>>;

/// Wraps a service, which keeps its type and is one of the subsets; those beside it are
/// boxed. All services it wraps share weights, draw and counters.
///
/// See the [module](crate::split) for an example.
#[derive(Debug)]
pub struct WeightedSplitLayer<T, U = Empty503> {
    /// `None`: the wrapped service.
    subsets: Arc<[Option<T>]>,
    shared: Arc<Shared>,
    refuse: U,
}

impl<B, R, E> WeightedSplitLayer<Beside<B, R, E>> {
    /// Begins a split of this name, which is the salt of its keys and part of
    /// [`Served`](super::Served).
    pub fn builder(name: impl Into<Arc<str>>) -> SplitBuilder<Layered<Beside<B, R, E>>> {
        SplitBuilder::new(name.into(), Layered(Vec::new()))
    }
}

impl<T, U> WeightedSplitLayer<T, U> {
    pub(super) fn new(subsets: Arc<[Option<T>]>, shared: Arc<Shared>, refuse: U) -> Self {
        Self {
            subsets,
            shared,
            refuse,
        }
    }

    /// What steers and reads this split while it runs.
    #[must_use]
    pub fn handle(&self) -> SplitHandle {
        SplitHandle::new(Arc::clone(&self.shared))
    }
}

impl<T, U: Clone> Clone for WeightedSplitLayer<T, U> {
    fn clone(&self) -> Self {
        Self::new(
            Arc::clone(&self.subsets),
            Arc::clone(&self.shared),
            self.refuse.clone(),
        )
    }
}

impl<S, T, U: Clone> Layer<S> for WeightedSplitLayer<T, U> {
    type Service = LayeredSplit<S, T, U>;

    fn layer(&self, inner: S) -> Self::Service {
        LayeredSplit {
            inner,
            split: self.clone(),
        }
    }
}

/// The split that a [`WeightedSplitLayer`] makes.
#[derive(Clone, Debug)]
pub struct LayeredSplit<S, T, U = Empty503> {
    inner: S,
    split: WeightedSplitLayer<T, U>,
}

impl<S, T, U, B, R, E> Service<Request<B>> for LayeredSplit<S, T, U>
where
    S: Service<Request<B>, Response = Response<R>, Error = E> + Clone,
    T: Service<Request<B>, Response = Response<R>, Error = SubsetError<R, E>> + Clone,
    U: Refuse<R> + Clone,
    B: Body,
{
    type Response = Response<R>;
    type Error = E;
    type Future = LayeredFuture<S, T, B, S::Future, T::Future, U>;

    /// Always: a subset is made ready for the request that is its.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let WeightedSplitLayer {
            subsets,
            shared,
            refuse,
        } = &self.split;
        let choice = shared.choose(&RequestHead::of(&request));
        let future =
            ResponseFuture::new(
                shared,
                choice,
                request,
                refuse.clone(),
                |subset| match &subsets[subset] {
                    None => Branch::Inner(self.inner.clone()),
                    Some(beside) => Branch::Beside(beside.clone()),
                },
            );
        LayeredFuture { future }
    }
}

pin_project! {
    /// The response of a [`LayeredSplit`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LayeredFuture<S, T, B, F, G, U> {
        #[pin]
        future: ResponseFuture<Branch<S, T>, B, BranchFuture<F, G>, U>,
    }
}

impl<S, T, B, F, G, U> fmt::Debug for LayeredFuture<S, T, B, F, G, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LayeredFuture").field(&self.future).finish()
    }
}

impl<S, T, B, R, E, U> Future for LayeredFuture<S, T, B, S::Future, T::Future, U>
where
    S: Service<Request<B>, Response = Response<R>, Error = E>,
    T: Service<Request<B>, Response = Response<R>, Error = SubsetError<R, E>>,
    U: Refuse<R>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        Poll::Ready(match ready!(this.future.as_mut().poll(cx)) {
            Ok(answer) => Ok(answer),
            Err(SubsetError::Unready(mut answer)) => {
                answer.extensions_mut().insert(this.future.not_ready());
                Ok(answer)
            }
            Err(SubsetError::Own(error)) => Err(error),
        })
    }
}
