//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{future::ResponseFuture, shared::Shared};
use crate::body::{InMemory, TeeBody};

/// Answers as the primary `S` does, and sends copies to a shadow.
///
/// Made by [`MirrorLayer`](super::MirrorLayer). Response, error and readiness are
/// the primary's own; only the body that it reads is wrapped, in [`TeeBody`]: called with a
/// `Request<B>`, where `B` is any body whose data is [`Bytes`] and that is `Send + 'static`, as those of hyper, axum and
/// tonic are, it calls `S` with a `Request<TeeBody<B>>`.
#[derive(Clone, Debug)]
pub struct Mirror<S> {
    primary: S,
    shared: Arc<Shared>,
}

impl<S> Mirror<S> {
    pub(super) fn new(primary: S, shared: Arc<Shared>) -> Self {
        Self { primary, shared }
    }

    /// The primary.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.primary
    }

    /// The primary.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.primary
    }

    /// The primary.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.primary
    }
}

impl<S, B, R> Service<Request<B>> for Mirror<S>
where
    S: Service<Request<TeeBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.primary.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.shared.strip_inbound_mark(&mut request);
        match self.shared.admit(&request) {
            None => {
                let request = request.map(TeeBody::plain);
                ResponseFuture::new(self.primary.call(request), None)
            }
            Some(admitted) => {
                let in_memory = request.extensions().get::<InMemory>().copied();
                let request = request.map(|body| match admitted.capture {
                    None => TeeBody::plain(body),
                    Some(capture) => match in_memory {
                        Some(in_memory) => TeeBody::copied_from_memory(body, capture, in_memory),
                        None => TeeBody::copied(body, capture),
                    },
                });
                ResponseFuture::new(self.primary.call(request), Some(admitted.primary))
            }
        }
    }
}
