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
//! This observer implements the trait. It also observes requests that are not copied:
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
//! A table or a dashboard can be made from these counts. For metrics, the feature `metrics` exports
//! all of them:
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
//! With the feature `tracing`, each copy has a span named `shadow request`, with the target
//! `tower_mirror` and the level `INFO`. This span does not have a parent. It follows from the span
//! in which the mirror was called (a link, in OpenTelemetry), so the primary's trace ends when the
//! primary ends. The shadow's service and the [rewrites](crate::rewrite) run in the copy's span.
//! Its fields are those of OpenTelemetry's [conventions for HTTP
//! spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), which are stable since
//! version 1.23:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method` | the method; `_OTHER` if it is neither `PATCH` nor a method of RFC 9110 |
//! | `http.request.method_original` | the method, if `http.request.method` is `_OTHER` |
//! | `http.route` | the value that the mirror's [`route_label`](crate::MirrorBuilder::route_label) returned |
//! | `url.path` | the path of the request that the mirror received, before any rewrite; never the query, so there is also no field `url.full` |
//! | `server.address`, `server.port` | the host and the port of the copy's `Host`, if it has them |
//! | `http.response.status_code` | the status of the shadow's answer |
//! | `network.protocol.version` | the version of the answer: `1.1` or `2` |
//! | `error.type` | the outcome, if the shadow or a bug caused it: the outcomes at `WARN` and `ERROR` below, except `in_flight_limit` and `buffer_limit`; for `completed` and `completed_truncated`, the status, if it is 4xx or 5xx |
//! | `otel.kind`, `otel.status_code` | `client`; `ERROR` if there is an `error.type` |
//! | `mirror.name`, `mirror.outcome` | the mirror's name, the [`Outcome`] |
//!
//! Each outcome is also an event with the same target. It is recorded in the span of the copy, or
//! in the primary's span if the request is not copied. The event has the fields `mirror.name`,
//! `mirror.outcome` and `mirror.reason`, which is the [hint](Outcome::hint). For copies it also has
//! `http.response.status_code`, `latency_seconds` and `total_seconds` (as in [`ShadowReport`]), and
//! `error`, the error of the shadow's service. A request that is not sampled does not have an
//! event, and costs one comparison more than without the feature.
//!
//! | level | outcomes |
//! |---|---|
//! | `ERROR` | `panicked`, `policy_panicked`, `no_runtime`: a bug is the cause |
//! | `WARN` | `failed_connect`, `failed_transport`, `response_head_too_large`, `failed_service`, `timed_out`, `lagged`, `aborted`: the shadow is the cause; `in_flight_limit`, `buffer_limit`: the shadow is too slow, or a limit is too low |
//! | `DEBUG` | `completed`, `completed_truncated`; `too_large`, `unread`, `client_aborted`, `body_error` |
//! | `TRACE` | `filtered`, `paused`, `loop`, `upgrade`, `transfer_coding`, `draining`: the mirror works as configured |
//!
//! At `WARN` and `ERROR`, each mirror writes at most ten events of each outcome in any 60 s,
//! because a shadow that fails or is too slow may cause an event for every request, and some of
//! these events are written on the primary's path. The next event of the same outcome has the field
//! `omitted`, which contains the number of events that were omitted; it is absent if this number is
//! zero. Spans are not limited, and neither are events at `DEBUG` and `TRACE`. Exact counts are in
//! [`MirrorStats`]. An event that the subscriber does not enable does not count towards the limit.
//!
//! No headers and no bodies are recorded, except the `Host`. If a subscriber panics, only the event
//! or span concerned is lost.
//!
//! The copy's `traceparent` determines to which trace the shadow's own spans belong: see
//! [`new_trace`](crate::rewrite::new_trace). A rewrite can write the context of the current span to
//! this header. The shadow's spans then become children of the copy's span.
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
//! // The log contains the copies that failed, independently of its other filters.
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
