//! The shadow's side: layers that distinguish copies from other requests, and refuse copies that
//! would write.
//!
//! A copy is a real request, and a shadow that shares a store with its primary performs every write
//! a second time. A [`ReadOnlyLayer`] around the shadow's server answers the copies whose method is
//! not safe, so that the service inside it never receives them. It inserts a [`Mirrored`] into the
//! extensions of all other copies.
//!
//! **The mark is not an authentication**: every client that reaches the shadow can send it. A
//! client that forges a mark obtains only a refusal, but a write *without* the mark is performed.
//! So only the mirror and the operators should be able to reach the shadow.
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
//!         let by = request.extensions().get::<Mirrored>().map(|copy| copy.mirror().to_owned());
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
mod service;

pub use self::{
    future::ResponseFuture, layer::ReadOnlyLayer, mirrored::Mirrored, service::ReadOnly,
};
