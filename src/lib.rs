//! Traffic mirroring and weighted splits for tower services.
//!
//! A [`MirrorLayer`] wraps a service, the **primary**, which answers every request. A sampled share of the requests is copied, body
//! included, to a **shadow**, whose answers are received and dropped. So a new version runs on real traffic while users only ever see the
//! stable one. Two promises come first: the primary and its clients never notice the copy, and a copy is exact, or it is not sent.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_mirror::{HttpTarget, MirrorLayer, SampleRate, sample};
//!
//! fn mirrored() -> Result<Router, Box<dyn std::error::Error>> {
//!     let shadow = HttpTarget::new("http://127.0.0.1:9002")?;
//!     let mirror = MirrorLayer::builder(shadow)
//!         .sample_rate(SampleRate::percent(10.0)?)
//!         .filter(sample::safe_methods())
//!         .build();
//!     println!("{mirror}");
//!     Ok(Router::new().route("/items", get(async || "[]")).layer(mirror))
//! }
//! ```
//!
//! [`MirrorLayer::new`] copies **every** request of **every** method, with its credentials. A shadow performs the writes that it receives:
//! the chapter on [safe writes](guide::safe_writes) says what to do about it.
//!
//! # What is where
//!
//! | module | contains |
//! |---|---|
//! | [`mirror`] | [`MirrorLayer`], its builder with all options, the [`MirrorHandle`] that controls it; what is copied, and where in a stack it belongs |
//! | [`sample`] | which requests are copied: [`SampleRate`], [`Draw`], [`Key`], filters |
//! | [`rewrite`] | what differs on the copy: [`HostRewrite`], headers, credentials |
//! | [`body`] | [`BodyMode`]: whole bodies, live bodies, no bodies |
//! | [`observe`] | the [`Outcome`] of each request, [`MirrorStats`], [`Report`] and observers |
//! | [`split`] | [`WeightedSplit`] and [`WeightedSplitLayer`]: named versions that share the traffic, with sticky users and fallbacks |
//! | [`client`] | [`HttpTarget`]: one HTTP server with a pool of connections, as a shadow, as a subset, or behind a proxy |
//! | [`buffer`] | [`RequestBodyBufferLayer`]: the body is read before the service is called, so that it can be sent again |
//! | [`receive`] | [`ReadOnlyLayer`], for the shadow: refuses copies that would write |
//! | `compare` (feature) | the answers of primary, shadow and a baseline side by side, and a verdict with an error rate: `compare::Compare` |
//! | [`guide`] | nine chapters: how to decide what the reference describes |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `client` | yes | [`HttpTarget`], with hyper and hyper-util |
//! | `rustls` | no | `https` targets, by rustls with ring |
//! | `tracing` | no | a span for each copy, linked to the span of its primary, and an event for each outcome; see [`observe`] |
//! | `compare` | no | the module `compare`, without dependencies |
//! | `metrics` | no | counters, gauges and histograms through the `metrics` facade |
//! | `serde` | no | `Serialize` for statistics, outcomes and weights |
//!
//! Without features the shadow is any `tower::Service` that you provide, and the dependencies are small ones that a tower service has
//! anyway. The minimum Rust version is 1.85, which tokio and hyper-util need. There is no `unsafe` code.
//!
//! With `panic = "abort"` a panic in a filter, key or observer ends the process. Otherwise it is caught, and the primary gets its request.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod body;
pub mod buffer;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "compare")]
pub mod compare;
mod detached;
mod error;
mod guard;
pub mod guide;
mod headers;
mod marker;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod mirror;
pub mod observe;
pub mod receive;
mod request_head;
mod respond;
pub mod rewrite;
pub mod sample;
pub mod split;
mod stream_end;
mod sync;
mod time;

#[cfg(feature = "client")]
pub use self::client::HttpTarget;
pub use self::{
    body::{BodyMode, ShadowBody, TeeBody},
    buffer::{BufferedBody, RequestBodyBufferLayer},
    error::BoxError,
    mirror::{Mirror, MirrorBuilder, MirrorHandle, MirrorLayer, Shadow},
    observe::{MirrorStats, Outcome, Report, StatusClass},
    receive::{Mirrored, ReadOnlyLayer},
    request_head::RequestHead,
    respond::{EmptyResponse, MakeResponse},
    rewrite::HostRewrite,
    sample::{Draw, Key, SampleRate},
    split::{Force, ServedBy, SplitHandle, WeightedSplit, WeightedSplitLayer},
};

/// The code of README.md, which is compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
