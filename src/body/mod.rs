//! Bodies: the primary reads a [`TeeBody`], and the shadow reads a [`ShadowBody`].
//!
//! The frames of a copy belong to neither of them. They are in a queue that the exchange owns and
//! empties when the copy ends, even if the shadow's client still holds its view of the queue. This
//! is necessary because hyper keeps the body of an aborted request for as long as an HTTP/1 peer
//! does not read. The end of a copy is an explicit mark. Without this mark the view ends in an
//! error, so that an incomplete copy never looks like a shorter complete one.
//!
//! # Example
//!
//! This primary names the type of its request's body:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_mirror::{MirrorLayer, body::{ShadowBody, TeeBody}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let primary = service_fn(async |request: Request<TeeBody<Full<Bytes>>>| {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(body)))
//! });
//! let shadow = service_fn(async |request: Request<ShadowBody>| {
//!     let copy = request.into_body().collect().await?.to_bytes();
//!     assert_eq!(copy, "hello");
//!     Ok::<_, tower_mirror::BoxError>(Response::new(Full::new(Bytes::new())))
//! });
//!
//! let mirror = MirrorLayer::new(shadow);
//! let request = Request::post("/").body(Full::from("hello")).unwrap();
//! let answer = mirror.layer(primary).oneshot(request).await.unwrap();
//! assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
//!
//! mirror.handle().wait_idle().await;
//! assert_eq!(mirror.handle().stats().outcome(tower_mirror::Outcome::Completed), 1);
//! # }
//! ```
//!
//! Another [mode](BodyMode) suits a shadow that needs only the head:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, header::CONTENT_LENGTH};
//! use http_body::Body;
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_mirror::{BodyMode, BoxError, MirrorLayer, Outcome, ShadowBody, TeeBody};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let primary = service_fn(async |request: Request<TeeBody<Full<Bytes>>>| {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     Ok::<_, BoxError>(Response::new(body.len()))
//! });
//! let shadow = service_fn(async |request: Request<ShadowBody>| {
//!     assert_eq!(request.headers()[CONTENT_LENGTH], "0");
//!     assert!(request.body().is_end_stream());
//!     Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
//! });
//!
//! let mirror = MirrorLayer::builder(shadow).body_mode(BodyMode::HeadOnly).build();
//! let request = Request::put("/film").body(Full::from(vec![0; 5 << 20]))?;
//! assert_eq!(mirror.layer(primary).oneshot(request).await?.into_body(), 5 << 20);
//!
//! mirror.handle().wait_idle().await;
//! assert_eq!(mirror.handle().stats().outcome(Outcome::Completed), 1);
//! # Ok(())
//! # }
//! ```

mod announced;
mod budget;
mod capture;
mod end;
mod frames;
mod left;
mod mode;
#[cfg(all(test, tower_mirror_loom))]
mod models;
mod progress;
mod queue;
mod rest;
mod shadow;
mod tee;

pub(crate) use self::{
    announced::Announced,
    budget::{Budget, Charge},
    capture::{CaptureOwner, CaptureWriter, PrimaryEnd, Watch, begin_capture},
    end::{Captured, Lost},
    frames::{LagWindow, SHARED_FROM, least_cost},
};
pub use self::{
    mode::BodyMode,
    shadow::{ShadowBody, ShadowBodyError},
    tee::TeeBody,
};
