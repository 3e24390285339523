//! What became of each request: one [`Outcome`] each, counted in [`Stats`], and
//! told to an [`Observer`] with both sides in one [`Report`].
//!
//! # Example
//!
//! ```
//! use tower_mirror::observe::{Outcome, Report, StatusClass};
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use bytes::Bytes;
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use tower_mirror::{MirrorLayer, body::{ShadowBody, TeeBody}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let shadow = service_fn(async |_: Request<ShadowBody>| Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default())));
//! # let primary = service_fn(async |_: Request<TeeBody<Full<Bytes>>>| Ok::<_, std::io::Error>(Response::new(())));
//!
//! let mirror = MirrorLayer::builder(shadow)
//!     .name("catalog-v2")
//!     .observer(|report: &Report| {
//!         if report.outcome == Outcome::Completed && report.primary.status != report.shadow.status {
//!             println!("{} differs on {:?}", report.mirror, report.route);
//!         }
//!     })
//!     .build();
//! # mirror.layer(primary).oneshot(Request::new(Full::default())).await.unwrap();
//! # mirror.handle().idle().await;
//!
//! let stats = mirror.handle().stats();
//! println!("{stats}");
//! assert_eq!(stats.statuses(StatusClass::Success, StatusClass::Success), 1);
//! # }
//! ```
//!
//! An observer of its own kind, told of skipped requests too:
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
//!
//! use axum::{Router, body::Body};
//! use http::Request;
//! use tower::ServiceExt;
//! use tower_mirror::{MirrorLayer, Outcome, Report, RequestHead, observe::Observer, sample};
//!
//! #[derive(Clone, Default)]
//! struct Writes(Arc<AtomicU64>);
//!
//! impl Observer for Writes {
//!     fn on_report(&self, _: &Report) {}
//!
//!     fn on_skip(&self, outcome: Outcome, head: &RequestHead<'_>) {
//!         if outcome == Outcome::Filtered && !head.method.is_safe() {
//!             self.0.fetch_add(1, Relaxed);
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let shadow = Router::<()>::new();
//! let writes = Writes::default();
//! let mirror = MirrorLayer::builder(shadow)
//!     .filter(sample::safe_methods())
//!     .observer(writes.clone())
//!     .build();
//! let app: Router = Router::new().layer(mirror);
//!
//! app.oneshot(Request::post("/items").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(writes.0.load(Relaxed), 1);
//! # }
//! ```
//!
//! What a table, a metric or a dashboard is made of:
//!
//! ```
//! # use tower_mirror::observe::Stats;
//! fn to_metrics(stats: &Stats) -> Vec<(&'static str, u64)> {
//!     stats.outcomes().map(|(outcome, count)| (outcome.as_str(), count)).collect()
//! }
//! ```

mod counters;
mod observer;
mod outcome;
mod report;
mod sharded;
mod stats;
mod table;

pub(crate) use self::{counters::Counters, sharded::Sharded};
pub use self::{
    observer::Observer,
    outcome::Outcome,
    report::{PrimaryReport, Report, ShadowReport},
    stats::{Stats, StatusClass},
};
