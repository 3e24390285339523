//! The `RequestBodyBuffer` service.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use tower_service::Service;

use super::{body::BufferedBody, collected::Held, future::ResponseFuture};
use crate::body::Announced;

/// Calls the service `S` once the request's body has arrived.
///
/// [`RequestBodyBufferLayer`](super::RequestBodyBufferLayer) creates it. Response, error and
/// readiness are those of `S`. Only the request's body changes: it becomes a [`BufferedBody`].
///
/// A request body that is not [`Unpin`] must be boxed before it reaches this service. The bodies of
/// hyper, axum and tonic are `Unpin`.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower::Layer;
/// use tower_mirror::{RequestBodyBufferLayer, buffer::RequestBodyBuffer};
///
/// let server: RequestBodyBuffer<Router> = RequestBodyBufferLayer::new().layer(Router::new());
/// assert!(!server.get_ref().has_routes());
/// ```
#[derive(Clone, Debug)]
pub struct RequestBodyBuffer<S> {
    inner: S,
    max_bytes: u64,
}

impl<S> RequestBodyBuffer<S> {
    pub(super) fn new(inner: S, max_bytes: u64) -> Self {
        Self { inner, max_bytes }
    }

    /// The inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for RequestBodyBuffer<S>
where
    S: Service<Request<BufferedBody<B>>> + Clone,
    B: Body<Data = Bytes> + Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let body = request.body();
        let length = body.size_hint();
        let announced = Announced::of::<B>(request.version(), request.headers(), &length);
        if body.is_end_stream() {
            let is_whole = announced.is_whole(0);
            let request = request.map(|_| match is_whole {
                true => BufferedBody::whole(Held::default()),
                false => BufferedBody::cut(Held::default()),
            });
            return ResponseFuture::calling(self.inner.call(request));
        }
        if announced.length.unwrap_or_default().max(length.lower()) > self.max_bytes {
            let request = request.map(BufferedBody::unread);
            return ResponseFuture::calling(self.inner.call(request));
        }
        // The instance that was polled to readiness must be the one that is called once the body
        // has arrived. A clone, which has not been polled to readiness, takes its place.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::reading(ready, request, announced, self.max_bytes)
    }
}
