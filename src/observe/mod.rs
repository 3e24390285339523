//! What became of each request: one [`Outcome`] each, counted in [`Stats`], and
//! told to an [`Observer`] with both sides in one [`Report`].
//!
//! # Example
//!
//! ```
//! use tower_mirror::observe::{Outcome, Report};
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
//! println!("{}", mirror.handle().stats());
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
