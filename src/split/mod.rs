//! The split: named subsets of a service, each of which serves its share of requests.
//!
//! [`WeightedSplit`] has any number of subsets of one type; [`WeightedSplitLayer`] wraps a
//! service, which becomes one of the subsets and keeps its type. One subset serves each
//! request, chosen when it arrives: by a name in a trusted request ([`Force`]), else
//! by its key ([`Draw::key`](crate::Draw::key)), else by weight, evenly. Only the chosen one is made
//! ready, so a subset that is slow or dead does not disturb the others. While it is not ready, the
//! request has not been sent and can be moved to a declared fallback. [`ServedBy`], in the extensions of the request and of the
//! response, names the subset and the reason.
//!
//! Weights change while requests run; see [`SplitHandle`].
//!
//! Even selection is exact: over 100 000 requests at 90/10 each subset's count is within 8 of its share,
//! and a window of 100 holds 7 to 13 of the tenth. Keyed selection moves, when
//! weights change, those users that must move, and none back: see [`SplitHandle::preview`].
//!
//! # Example
//!
//! Around an axum application, with a canary application beside it:
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use tower::{Layer, ServiceExt};
//! use tower_mirror::{ServedBy, WeightedSplitLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let v1 = Router::<()>::new().route("/", get(async || "stable"));
//! let v2 = Router::<()>::new().route("/", get(async || "canary"));
//!
//! let split = WeightedSplitLayer::builder("catalog").inner("v1", 90).subset("v2", 10, v2).build()?;
//! let handle = split.handle();
//! let app = split.layer(v1);
//!
//! handle.set_weights([("v1", 0), ("v2", 100)])?;
//! let answer = app.oneshot(Request::new(Body::empty())).await?;
//! assert_eq!(&*answer.extensions().get::<ServedBy>().unwrap().subset, "v2");
//! # Ok(())
//! # }
//! ```
//!
//! Two HTTP servers, users that stay where they are, and a canary that may die:
//!
//! ```
//! use tower_mirror::{Draw, Force, HttpTarget, Key, WeightedSplit};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let split = WeightedSplit::builder("catalog")
//!     .subset("v1", 95, HttpTarget::new("http://127.0.0.1:9001")?)
//!     .subset("v2", 5, HttpTarget::new("http://127.0.0.1:9002")?)
//!     .fallback("v2", "v1")
//!     .draw(Draw::key(Key::cookie("uid")))
//!     .force(Force::header("x-version").when(|head| {
//!         head.headers.contains_key("x-internal")
//!     }))
//!     .build()?;
//!
//! let preview = split.handle().preview([("v1", 50), ("v2", 50)])?;
//! assert!((0.44..0.46).contains(&preview.moved));
//! # let _: WeightedSplit<HttpTarget> = split;
//! # Ok(())
//! # }
//! ```
//!
//! Subsets of different types, boxed into one:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{BoxError, ServiceBuilder, service_fn, util::BoxCloneSyncService};
//! use tower_mirror::WeightedSplit;
//!
//! type Body = Full<Bytes>;
//! type Subset = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = service_fn(async |request: Request<Body>| {
//!     Ok::<_, BoxError>(Response::new(request.into_body()))
//! });
//! let limited = ServiceBuilder::new().load_shed().concurrency_limit(8).service(echo);
//!
//! let split: WeightedSplit<Subset> = WeightedSplit::builder("echo")
//!     .subset("v1", 9, BoxCloneSyncService::new(echo))
//!     .subset("v2", 1, BoxCloneSyncService::new(limited))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Readiness and backpressure
//!
//! A split is always ready; its subsets are made ready one request at a time, in the response's future.
//! So no backpressure passes through it: put `LoadShed` and a `ConcurrencyLimit`
//! around it. A fallback sees what a subset's `poll_ready` says: a bounded one (`ConcurrencyLimit`, or
//! [`HttpTarget`](crate::HttpTarget), which connects in `poll_ready`) moves its requests when it has no room; one that is
//! always ready (`LoadShed`, a `Buffer` with room, a hyper-util client) never does. What was handed to a subset is not
//! moved. That leaves one gap: a pooled connection can die between being found ready and being written to. An
//! `HttpTarget` then tries a fresh one, and fails with an error that
//! [is a connect error](crate::client::Error::is_connect) where there is none to be had: nothing was sent, and a
//! `tower::retry` around the split, for requests that can be cloned, sends it where it should go.
//!
//! `Steer` of tower is ready only when all its services are ready, and it fails if one of them fails. A split asks only the selected subset.

mod builder;
mod counters;
mod error;
mod force;
mod future;
mod handle;
mod layer;
mod plan;
mod rendezvous;
mod served;
mod service;
mod state;
mod stats;
mod subset;
mod weights;

pub use self::{
    builder::{WeightedSplitBuilder, WeightedSplitLayerBuilder},
    error::{InvalidSplit, InvalidWeights},
    force::{Force, ForceSource},
    future::ResponseFuture,
    handle::{Preview, SplitHandle, WeightTable},
    layer::WeightedSplitLayer,
    served::{Reason, ServedBy, Unavailable, bad_gateway, not_served_by},
    service::WeightedSplit,
    stats::{SplitStats, SubsetStats},
    subset::BoxedSubset,
};
