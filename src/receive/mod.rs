//! The shadow's side: telling copies from requests of its own, and refusing their writes.
//!
//! A copy is a real request, and a shadow that shares a store with its primary performs every write a
//! second time. [`ReadOnlyLayer`] around the shadow's server answers copies whose method is
//! not safe, so that the service behind it never sees them, and tells that service of the others
//! with a [`Mirrored`] among the request's extensions.
//!
//! **The mark is no authentication**: whoever reaches the shadow can send it. All that a
//! forged one gains is a refusal, while a write *without* the mark is served: keep the shadow's
//! address to the mirror and its operators.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_mirror::receive::{Mirrored, ReadOnlyLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Infallible> {
//! let server = ServiceBuilder::new().layer(ReadOnlyLayer::new()).service(service_fn(
//!     async |request: Request<String>| {
//!         let by = request.extensions().get::<Mirrored>().map(|copy| copy.by().to_owned());
//!         Ok::<_, Infallible>(Response::new(by.unwrap_or_default()))
//!     },
//! ));
//! let copy = |method| Request::builder().method(method).header("x-mirrored-by", "v2").body(String::new()).unwrap();
//!
//! assert_eq!(server.clone().oneshot(copy("GET")).await?.body(), "v2");
//! assert_eq!(server.clone().oneshot(copy("POST")).await?.status(), StatusCode::FORBIDDEN);
//!
//! let own = Request::post("/").body(String::new()).unwrap();
//! assert_eq!(server.oneshot(own).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod mirrored;
mod refusal;
mod service;

pub use self::{
    future::ResponseFuture,
    layer::ReadOnlyLayer,
    mirrored::Mirrored,
    refusal::{Empty, Refusal},
    service::ReadOnly,
};
