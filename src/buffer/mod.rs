//! The whole body first: [`RequestBodyBufferLayer`] reads a request's body before the service is called, and
//! gives it one that can be read again.
//!
//! What is read is a [`BufferedBody`]. A whole one can be cloned
//! ([`try_clone`](BufferedBody::try_clone), or [`try_clone_request`] with its head), which is what
//! `tower::retry` and `tower::hedge` need to send a request with a body twice.
//!
//! - A body over the cap ([`max_bytes`](RequestBodyBufferLayer::max_bytes)) is passed on all the same, what was read of it
//!   first and then the rest as a stream; it cannot be cloned. One whose declared length is over the cap is not
//!   held at all. Nothing is lost either way.
//! - A body that breaks off is passed on too, as what was read of it and then its error: the
//!   service sees a request that was aborted, as it would without the layer, never a shorter one
//!   that looks whole. If the caller goes away in between, the service is not called.
//! - A request without a body is passed on at once.
//! - What the service would have refused unread is read all the same, and a client that expects
//!   `100 Continue` gets it: authentication and limits belong in front.
//! - The service is made ready first, and stays so while the body is read. A slow upload holds up nobody
//!   but itself, for as long as the server lets it; put the server's own timeouts in front.
//!
//! # Memory
//!
//! The cap is a request's own. Frames of 128 KiB and more are shared with the connection's read buffer,
//! which may be twice as large; smaller ones are copied into larger pieces, so that a body of many tiny frames
//! costs no more. What all requests hold together is bounded by how many there are: by the
//! cap times the limit of a `tower::limit::ConcurrencyLimit` around this layer.
//!
//! # With a mirror
//!
//! A mirror *inside* copies what the service ignores, too: what is left of a buffered body is in memory, and is
//! taken for the copy when the service lets go of it. The bytes are shared between the two.
//! If requests are retried or hedged, put the mirror *around* this layer: it then copies each
//! request once, and whole, since this layer reads it whole. A mirror inside would copy every attempt.
//!
//! # Example
//!
//! Retries of a request with a body:
//!
//! ```
//! use std::{convert::Infallible, future::{Ready, ready}};
//!
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceBuilder, ServiceExt, retry::{Policy, RetryLayer}, service_fn};
//! use tower_mirror::{RequestBodyBufferLayer, BufferedBody, buffer::try_clone_request};
//!
//! type Body = BufferedBody<Full<Bytes>>;
//!
//! /// Once more after a 503.
//! #[derive(Clone)]
//! struct Once(bool);
//!
//! impl<R> Policy<Request<Body>, Response<R>, Infallible> for Once {
//!     type Future = Ready<()>;
//!
//!     fn retry(&mut self, _: &mut Request<Body>, answer: &mut Result<Response<R>, Infallible>) -> Option<Ready<()>> {
//!         let failed = matches!(answer, Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE);
//!         (failed && !std::mem::replace(&mut self.0, true)).then(|| ready(()))
//!     }
//!
//!     fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
//!         try_clone_request(request)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let attempts = std::sync::atomic::AtomicU16::new(0);
//! let flaky = service_fn(async |request: Request<Body>| {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     let status = match attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
//!         0 => StatusCode::SERVICE_UNAVAILABLE,
//!         _ => StatusCode::OK,
//!     };
//!     Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
//! });
//! let service = ServiceBuilder::new()
//!     .layer(RequestBodyBufferLayer::new())
//!     .layer(RetryLayer::new(Once(false)))
//!     .service(flaky);
//!
//! let request = Request::post("/orders").body(Full::from("one pair of glasses")).unwrap();
//! let answer = service.oneshot(request).await.unwrap();
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.into_body(), "one pair of glasses");
//! # }
//! ```
//!
//! A mirror of handlers that may ignore their body, with all of it bounded:
//!
//! ```
//! use axum::{Router, body::Body, routing::post};
//! use http::Request;
//! use tower::{ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};
//! use tower_mirror::{RequestBodyBufferLayer, MirrorLayer, Outcome};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let shadow = Router::<()>::new();
//! let mirror = MirrorLayer::new(shadow);
//! let app: Router = Router::new().route("/ping", post(async || "pong")).layer(
//!     ServiceBuilder::new()
//!         .layer(GlobalConcurrencyLimitLayer::new(64))
//!         .layer(RequestBodyBufferLayer::new().max_bytes(256 << 10))
//!         .layer(mirror.clone()),
//! );
//!
//! app.oneshot(Request::post("/ping").body(Body::from("ignored")).unwrap()).await.unwrap();
//! mirror.handle().wait_idle().await;
//! assert_eq!(mirror.handle().stats().outcome(Outcome::Completed), 1);
//! # }
//! ```

mod body;
mod collected;
mod future;
mod layer;
mod replay;
mod service;

pub use self::{
    body::BufferedBody, future::ResponseFuture, layer::RequestBodyBufferLayer,
    replay::try_clone_request, service::RequestBodyBuffer,
};
