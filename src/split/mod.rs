//! The split: named subsets of a service, each of which serves its share of requests.
//!
//! [`WeightedSplit`] has any number of subsets of one type. [`WeightedSplitLayer`] wraps a service,
//! which becomes one of the subsets and keeps its type. Each request is served by one subset, which
//! is chosen when the request arrives: by a name in a trusted request ([`Force`]), else by the
//! request's key ([`Draw::key`](crate::Draw::key)), else evenly by weight. Only the chosen subset
//! is polled for readiness, so a subset that is slow or down does not disturb the others. Until the
//! subset is ready, the request has not been sent and can be moved to a declared fallback.
//! [`ServedBy`], in the extensions of the request and of the response, names the subset and the
//! reason.
//!
//! Weights change while requests run; see [`SplitHandle`].
//!
//! Even selection is exact: over 100 000 requests at 90/10, the count of each subset differs from
//! its share by at most 8, and every window of 100 requests contains 7 to 13 requests for the
//! smaller subset. When weights change, keyed selection moves only the users that must move. For
//! example, if only the weight of `v2` is increased, no user moves from `v2` to another subset. See
//! [`SplitHandle::preview`].
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
//! Two HTTP servers with users that stay with their subset, and a canary that may be down:
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
//! A split is always ready. The chosen subset is polled for readiness in the future of the
//! response, separately for each request. So no backpressure passes through a split: put `LoadShed`
//! and a `ConcurrencyLimit` around it. A fallback depends on the subset's `poll_ready`: the
//! requests of a bounded subset (`ConcurrencyLimit`, or [`HttpTarget`](crate::HttpTarget), which
//! connects in `poll_ready`) are moved when the subset has no capacity; the requests of a subset
//! that is always ready (`LoadShed`, a `Buffer` that is not full, a hyper-util client) are never
//! moved. A request that was sent to a subset is not moved. One gap remains: a pooled connection
//! can close after it was found ready and before the request is written. An `HttpTarget` then opens
//! a new connection. If that fails, its error [is a connect
//! error](crate::client::Error::is_connect), and nothing was sent. A `tower::retry` around the
//! split can then send the request again, if the request can be cloned.
//!
//! tower's `Steer` is ready only when all its services are ready, and it fails if one of them fails. A
//! split polls only the selected subset.

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
