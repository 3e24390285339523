//! Buffering of request bodies: [`RequestBodyBufferLayer`] reads a request's body before the
//! service is called, and replaces it with one that can be read again.
//!
//! The service receives a [`BufferedBody`]. A complete one can be cloned
//! ([`try_clone`](BufferedBody::try_clone), or [`try_clone_request`] together with its head).
//! `tower::retry` and `tower::hedge` need this to send a request with a body twice.
//!
//! - A body that exceeds the cap ([`max_bytes`](RequestBodyBufferLayer::max_bytes)) is forwarded
//!   too: first the part that was read, and then the rest as a stream. It cannot be cloned. A body
//!   whose declared length exceeds the cap is not held at all. No data is lost in either case.
//! - A body that breaks off is forwarded too: first the part that was read, and then its error. The
//!   service sees an aborted request, as it would without the layer, never a shorter one that looks
//!   complete. If the caller goes away in between, the service is not called.
//! - A request without a body is forwarded at once.
//! - The layer also reads a body that the service would have refused unread, and a client that
//!   waits for `100 Continue` receives this answer. Therefore put authentication and limits in
//!   front of this layer.
//! - The service is polled to readiness first, and stays ready while the body is read. A slow
//!   upload delays only its own request, for as long as the server permits. Put the server's own
//!   timeouts in front of this layer.
//!
//! # Memory
//!
//! The cap applies to each request. Frames of 128 KiB and more are shared with the connection's
//! read buffer, which may be twice as large. Smaller ones are copied into larger pieces, so that a
//! body of many tiny frames does not cost more. The memory of all requests together is limited by
//! their number: it is at most the cap times the limit of a `tower::limit::ConcurrencyLimit` around
//! this layer.
//!
//! # With a mirror
//!
//! A mirror *inside* this layer also copies a body that the service ignores: the rest of a buffered
//! body is in memory, and is copied when the service drops it. The service and the copy share the
//! bytes. If requests are retried or hedged, put the mirror *around* this layer. It then copies
//! each request once and completely, because this layer reads the whole body. A mirror inside would
//! copy every attempt.
//!
//! # Example
//!
//! This service retries a request with a body:
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
//! /// Retries a request once after a 503.
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
//! This mirror copies the bodies of handlers that may ignore them, and all memory is limited:
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
