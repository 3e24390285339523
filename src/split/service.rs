//! The split of subsets of one type.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    builder::{SplitBuilder, Subsets},
    future::ResponseFuture,
    handle::SplitHandle,
    served::{Empty503, Refuse},
    shared::Shared,
};
use crate::head::RequestHead;

/// Named subsets of one type, one of which serves each request.
///
/// Clones share weights, draw and counters. See the [module](crate::split) for examples.
#[derive(Debug)]
pub struct WeightedSplit<S, U = Empty503> {
    subsets: Arc<[S]>,
    shared: Arc<Shared>,
    refuse: U,
}

impl<S> WeightedSplit<S> {
    /// Begins a split of this name, which is the salt of its keys and part of
    /// [`Served`](super::Served).
    pub fn builder(name: impl Into<Arc<str>>) -> SplitBuilder<Subsets<S>> {
        SplitBuilder::new(name.into(), Subsets(Vec::new()))
    }
}

impl<S, U> WeightedSplit<S, U> {
    pub(super) fn new(subsets: Arc<[S]>, shared: Arc<Shared>, refuse: U) -> Self {
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

// By hand, since subsets are shared and need not be `Clone` for it.
impl<S, U: Clone> Clone for WeightedSplit<S, U> {
    fn clone(&self) -> Self {
        Self {
            subsets: Arc::clone(&self.subsets),
            shared: Arc::clone(&self.shared),
            refuse: self.refuse.clone(),
        }
    }
}

impl<S, U, B, R> Service<Request<B>> for WeightedSplit<S, U>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    U: Refuse<R> + Clone,
    B: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future, U>;

    /// Always: a subset is made ready for the request that is its.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let choice = self.shared.choose(&RequestHead::of(&request));
        ResponseFuture::new(
            &self.shared,
            choice,
            request,
            self.refuse.clone(),
            |subset| self.subsets[subset].clone(),
        )
    }
}
