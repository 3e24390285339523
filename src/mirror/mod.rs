//! The mirror: a [`MirrorLayer`] wraps a service in a [`Mirror`], which answers as the service does
//! and sends copies of the requests to a shadow.
//!
//! The path of a request, with the file of each step: `service` calls `admission` for a decision.
//! An admitted request has its head copied (`head`) and its body is teed
//! ([`TeeBody`](crate::body::TeeBody)). An `exchange` then begins on a separate task: it waits for
//! the end of the body, calls the shadow, and passes every part of the response to `answer`. When
//! the exchange ends, for any reason, its `ticket` counts one outcome and notifies `join`, which
//! makes the report once the primary has ended too.
//!
//! # Example
//!
//! Around an axum application. Only safe methods are copied, so that the shadow performs no writes:
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_mirror::{HttpTarget, MirrorLayer, SampleRate, sample};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shadow = HttpTarget::new("http://127.0.0.1:9002")?;
//! let mirror = MirrorLayer::builder(shadow).filter(sample::safe_methods()).build();
//! let app: Router = Router::new()
//!     .route("/items", get(async || "[]"))
//!     .layer(mirror.clone());
//! assert_eq!(mirror.handle().sample_rate(), SampleRate::ALL);
//! # Ok(())
//! # }
//! ```
//!
//! With all settings:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::header::AUTHORIZATION;
//! use tower_mirror::{
//!     BodyMode, Draw, HostRewrite, HttpTarget, Key, MirrorLayer, SampleRate, sample,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mirror = MirrorLayer::builder(HttpTarget::new("http://127.0.0.1:9002")?)
//!     .name("catalog-v2")
//!     .sample_rate(SampleRate::percent(10.0)?)
//!     .draw(Draw::key(Key::header("x-user").or(Key::trace_id())))
//!     .filter(sample::safe_methods())
//!     .filter(sample::skip_paths(["/health", "/metrics"]))
//!     .host_rewrite(HostRewrite::suffix("-shadow"))
//!     .rewrite(|copy| {
//!         copy.headers.remove(AUTHORIZATION);
//!     })
//!     .body_mode(BodyMode::Buffered)
//!     .max_body_bytes(2 << 20)
//!     .max_buffered_bytes(16 << 20)
//!     .max_in_flight(128)
//!     .capture_timeout(Duration::from_secs(30))
//!     .timeout(Duration::from_secs(5))
//!     .max_response_bytes(1 << 20)
//!     .observer(|report| println!("{report:?}"))
//!     .build();
//!
//! let handle = mirror.handle();
//! handle.set_sample_rate(SampleRate::percent(50.0)?);
//! handle.pause();
//! assert_eq!((handle.name(), handle.is_paused()), ("catalog-v2", true));
//! # Ok(())
//! # }
//! ```
//!
//! # What is copied
//!
//! The request as the layer receives it: method, path, query, headers, body and trailers. These things differ on the copy:
//!
//! - `Host` has the suffix `-shadow` before its port, unless it is an IP address or [`HostRewrite`](crate::HostRewrite) says otherwise. Behind a sidecar or a router
//!   that *routes* by host, use `HostRewrite::literal`: no route exists for the name with the suffix.
//! - `x-mirrored-by: <name>` is added. A request that carries this header is not copied again.
//! - Hop-by-hop headers and `Expect` are removed. The framing headers are those of the body that is sent. The target is in origin form, so that
//!   no client can make the shadow's client connect to an address that the client chose.
//! - The copy has none of the request's extensions, except those of [`copy_extension`](MirrorBuilder::copy_extension).
//! - A request that offers an upgrade (`Upgrade: h2c`, which Java's client and `curl --http2` send with every request) is copied without the
//!   offer, after the primary has answered; in [`BodyMode::Streaming`](crate::BodyMode::Streaming) its body is relayed at once.
//!
//! These requests have no copy: `CONNECT`, requests that the primary answers with `101`, and requests whose body has a transfer coding
//! other than `chunked`.
//!
//! The body is copied while the primary reads it, and the copy is sent when the body has ended; the primary waits for nothing. A body that ends
//! before its declared length was aborted by its client, and is never sent as a shorter body that looks complete. If the primary answers
//! without reading the body (an early `401`), the request has no copy: `unread`. See [`BodyMode`](crate::BodyMode) for the other modes.
//!
//! # The shadow
//!
//! Any [`Shadow`]: an [`HttpTarget`](crate::HttpTarget), an axum `Router` in the same process (with its state), a hyper-util
//! `Client<_, ShadowBody>`, a `service_fn`, or a stack of tower layers around one of them. A service with another type of request body is
//! adapted by `map_request`:
//!
//! ```
//! use axum::body::Body;
//! use http::{Request, Response};
//! use tower::{BoxError, ServiceBuilder, service_fn};
//! use tower_mirror::{MirrorLayer, ShadowBody};
//!
//! let v2 = service_fn(async |request: Request<Body>| Ok::<_, BoxError>(Response::new(request.into_body())));
//! let shadow = ServiceBuilder::new()
//!     .map_request(|copy: Request<ShadowBody>| copy.map(Body::new))
//!     .service(v2);
//! let mirror = MirrorLayer::builder(shadow).build();
//! ```
//!
//! # Where in a stack it belongs
//!
//! **Inside** layers that refuse requests (authentication, rate limits, load shedding): otherwise the shadow receives traffic that the primary
//! never has to serve. **Outside** layers that change or decompress bodies: otherwise the changed body is copied. In `ServiceBuilder` the first
//! layer is the outermost one. In axum, `Router::layer` wraps each route. Wrapping the entire `Router` costs less, and the mirror then receives
//! requests before they are routed: `Router::new().fallback_service(mirror.layer(router))`.
//!
//! In a nested axum router the layer sees a shortened path. This restores the complete one:
//!
//! ```
//! use axum::extract::OriginalUri;
//! use http::request;
//! use tower_mirror::{HttpTarget, MirrorLayer};
//!
//! fn complete_paths(shadow: HttpTarget) -> MirrorLayer {
//!     MirrorLayer::builder(shadow)
//!         .copy_extension::<OriginalUri>()
//!         .rewrite(|copy| {
//!             if let Some(OriginalUri(uri)) = copy.extensions.remove() {
//!                 copy.uri = uri;
//!             }
//!         })
//!         .build()
//! }
//! ```
//!
//! # Several mirrors
//!
//! Several shadows, as Istio's `mirrors` list has them, are several layers. Each has its own rate, limits, counters and outcomes, and none of them
//! receives the copies of another:
//!
//! ```
//! use axum::Router;
//! use tower::ServiceBuilder;
//! use tower_mirror::{Draw, HttpTarget, Key, MirrorLayer, SampleRate, sample::InvalidRate};
//!
//! fn mirror(name: &str, percent: f64, shadow: HttpTarget) -> Result<MirrorLayer, InvalidRate> {
//!     Ok(MirrorLayer::builder(shadow)
//!         .name(name)
//!         .sample_rate(SampleRate::percent(percent)?)
//!         .draw(Draw::key(Key::header("x-user")))
//!         .build())
//! }
//!
//! fn mirrored(app: Router, [v2, v3]: [HttpTarget; 2]) -> Result<Router, InvalidRate> {
//!     let mirrors = ServiceBuilder::new().layer(mirror("v2", 50.0, v2)?).layer(mirror("v3", 10.0, v3)?);
//!     Ok(app.layer(mirrors))
//! }
//! ```
//!
//! With one key their samples are nested: a user who is in the 10 % is also in the 50 %. [`Key::salt`](crate::Key::salt) makes a mirror
//! independent of the others.

mod admission;
mod answer;
mod builder;
mod capturing;
mod exchange;
mod failure;
#[cfg_attr(not(feature = "compare"), allow(dead_code))]
mod follow;
mod framing;
mod gate;
#[cfg(all(test, tower_mirror_loom))]
mod gate_models;
mod handle;
mod head;
mod join;
mod layer;
#[cfg(feature = "tracing")]
mod lines;
#[cfg_attr(not(feature = "compare"), allow(dead_code))]
mod partner;
mod service;
mod settings;
mod shadow;
mod span;
mod state;
mod summary;
mod ticket;

pub use self::{
    builder::MirrorBuilder,
    handle::{DrainReport, MirrorHandle},
    layer::MirrorLayer,
    service::{Mirror, Mirroring, ResponseFuture},
    shadow::Shadow,
};
#[cfg(feature = "compare")]
pub(crate) use self::{
    follow::{Follow, Followed, Side},
    shadow::AnyShadow,
};
