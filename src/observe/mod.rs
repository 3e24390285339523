//! The result of each request: it has one [`Outcome`], which is counted in [`MirrorStats`], and an
//! [`Observer`] receives both sides in one [`Report`].
//!
//! # Example
//!
//! ```
//! use tower_mirror::observe::{Outcome, StatusClass};
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
//!     .observer(|report| {
//!         if report.outcome == Outcome::Completed && report.primary.status != report.shadow.status {
//!             println!("{}: {} {:?} differs", report.mirror, report.method, report.route);
//!         }
//!     })
//!     .build();
//! # mirror.layer(primary).oneshot(Request::new(Full::default())).await.unwrap();
//! # mirror.handle().wait_idle().await;
//!
//! let stats = mirror.handle().stats();
//! println!("{stats}");
//! assert_eq!(stats.statuses(StatusClass::Success, StatusClass::Success), 1);
//! # }
//! ```
//!
//! An observer that implements the trait and also observes requests that are not copied:
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
//!     .observe_with(writes.clone())
//!     .build();
//! let app: Router = Router::new().layer(mirror);
//!
//! app.oneshot(Request::post("/items").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(writes.0.load(Relaxed), 1);
//! # }
//! ```
//!
//! What a table or a dashboard is made of (for metrics there is a feature of that name, which exports all of it):
//!
//! ```
//! # use tower_mirror::observe::MirrorStats;
//! fn to_table(stats: &MirrorStats) -> Vec<(&'static str, u64)> {
//!     stats.outcomes().map(|(outcome, count)| (outcome.as_str(), count)).collect()
//! }
//! ```
//!
//! # Tracing
//!
//! With the feature `tracing`, each copy has a span: `shadow request`, of the target `tower_mirror`, at `INFO`. It has
//! no parent but follows from the span in which the mirror was called (a link, in OpenTelemetry), so the
//! primary's trace ends when the primary does. The shadow's service and the [rewrites](crate::rewrite) run in it.
//! Its fields are those of OpenTelemetry's [conventions for HTTP
//! spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), stable since their version 1.23:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method` | the method; `_OTHER` if it is none of RFC 9110 or `PATCH` |
//! | `http.request.method_original` | what `_OTHER` is |
//! | `http.route` | what the mirror's [`route_label`](crate::MirrorBuilder::route_label) returned |
//! | `url.path` | the path that the mirror was called with, before any rewrite; never the query, and so no `url.full` |
//! | `server.address`, `server.port` | the copy's `Host`, as far as it has them |
//! | `http.response.status_code` | the status of the shadow's answer |
//! | `network.protocol.version` | the version of the answer: `1.1` or `2` |
//! | `error.type` | the outcome, if the shadow or a bug is to blame for it: those at `WARN` and `ERROR` below, without `in_flight_limit` and `buffer_limit`; of `completed` and `completed_truncated` the status, if 4xx or 5xx |
//! | `otel.kind`, `otel.status_code` | `client`; `ERROR` where there is an `error.type` |
//! | `mirror.name`, `mirror.outcome` | the mirror's name, the [`Outcome`] |
//!
//! And each outcome is an event of the same target: in the span of the copy, or, where there is none, in that of the primary.
//! It has `mirror.name`, `mirror.outcome` and `mirror.reason`, that is the [hint](Outcome::hint); of copies also
//! `http.response.status_code`, `latency_seconds` and `total_seconds` (as in [`ShadowReport`]), and
//! `error`, what the shadow's service said. A request that is not sampled has no event, and costs a comparison more than without the feature.
//!
//! | level | outcomes |
//! |---|---|
//! | `ERROR` | `panicked`, `policy_panicked`, `no_runtime`: bugs |
//! | `WARN` | `failed_connect`, `failed_transport`, `response_head_too_large`, `failed_service`, `timed_out`, `lagged`, `aborted`: the shadow's; `in_flight_limit`, `buffer_limit`: the shadow is too slow, or a limit too low |
//! | `DEBUG` | `completed`, `completed_truncated`; `too_large`, `unread`, `client_aborted`, `body_error` |
//! | `TRACE` | `filtered`, `paused`, `loop`, `upgrade`, `transfer_coding`, `draining`: as configured |
//!
//! At `WARN` and `ERROR` each mirror writes at most ten events of each outcome in any 60 s, since a shadow that fails or is too slow
//! may do so with every request, and some of these events are written on the primary's path. The next event of the same outcome
//! says how many were left out, in the field `omitted`, which is absent if there were none. Spans are not limited, nor are events at `DEBUG`
//! and `TRACE`; exact counts are in [`MirrorStats`]. An event that the subscriber does not enable uses nothing up.
//!
//! Neither headers nor bodies are recorded anywhere, except the `Host`. A subscriber that panics loses the event in question and
//! disturbs nothing else.
//!
//! Which trace the shadow's own spans belong to is what the copy's `traceparent` says: see
//! [`new_trace`](crate::rewrite::new_trace). A rewrite that writes the context of the current span there makes them children of the copy's.
//!
//! ```
//! use tower_mirror::MirrorLayer;
//! use tracing::{Instrument, info_span, level_filters::LevelFilter};
//! use tracing_subscriber::{filter::Targets, prelude::*};
//! # use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use bytes::Bytes;
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use tower_mirror::{ShadowBody, TeeBody};
//! # #[derive(Clone, Default)]
//! # struct Logs(Arc<AtomicUsize>);
//! # impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Logs {
//! #     fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
//! #         assert_eq!(*event.metadata().level(), tracing::Level::WARN);
//! #         self.0.fetch_add(1, Relaxed);
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let logs = Logs::default();
//! # let counted = logs.0.clone();
//! # let shadow = service_fn(async |_: Request<ShadowBody>| Err::<Response<String>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
//! # let primary = service_fn(async |_: Request<TeeBody<Full<Bytes>>>| Ok::<_, std::io::Error>(Response::new(())));
//!
//! // The copies that failed in the log, whatever else is in it.
//! let filter = Targets::new().with_target("tower_mirror", LevelFilter::WARN);
//! let subscriber = tracing_subscriber::registry().with(logs.with_filter(filter));
//! # let guard = tracing::subscriber::set_default(subscriber);
//! # #[cfg(any())]
//! tracing::subscriber::set_global_default(subscriber)?;
//!
//! let mirror = MirrorLayer::new(shadow);
//! let answer = mirror.layer(primary).oneshot(Request::new(Full::default()));
//! answer.instrument(info_span!("request")).await.unwrap();
//! # mirror.handle().wait_idle().await;
//! # assert_eq!(counted.load(Relaxed), 1);
//! # }
//! ```

mod counters;
mod observer;
mod outcome;
mod report;
#[cfg(feature = "serde")]
mod serialize;
mod sharded;
mod stats;
mod status_class;

pub(crate) use self::{counters::Counters, sharded::Sharded};
pub use self::{
    observer::Observer,
    outcome::Outcome,
    report::{PrimaryReport, Report, ShadowReport},
    stats::MirrorStats,
    status_class::StatusClass,
};
