//! The mirror: a [`MirrorLayer`] wraps a service in a [`Mirror`], which answers as
//! the service does and sends copies of the requests to a shadow.
//!
//! The path of a request, with the file of each step:
//! `service` calls `admission` for a decision. An admitted request has its head
//! copied (`head`) and its body teed ([`TeeBody`](crate::body::TeeBody)), and an
//! `exchange` begins on a task of its own, which waits for the body's end, calls the
//! shadow, and gives every part of its answer to `answer`. However it ends, its
//! `ticket` counts one outcome and notifies `join`, which makes the report once the primary
//! has ended too.
//!
//! # Example
//!
//! Around an axum application, with the defaults:
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_mirror::{HttpTarget, MirrorLayer, SampleRate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mirror = MirrorLayer::new(HttpTarget::new("http://127.0.0.1:9002")?);
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
