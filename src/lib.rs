//! [conformance]: https://docs.rs/crate/tower-mirror/latest/source/docs/conformance.md
//! [comparison]: https://docs.rs/crate/tower-mirror/latest/source/docs/comparison.md
//! [from a mesh]: guide::from_a_mesh
//! [ARCHITECTURE.md]: https://docs.rs/crate/tower-mirror/latest/source/ARCHITECTURE.md
//! [CHANGELOG.md]: https://docs.rs/crate/tower-mirror/latest/source/CHANGELOG.md
//! [SECURITY.md]: https://docs.rs/crate/tower-mirror/latest/source/SECURITY.md
//! [benches/peers]: https://docs.rs/crate/tower-mirror/latest/source/benches/peers/README.md
//! [docs/conformance.md]: https://docs.rs/crate/tower-mirror/latest/source/docs/conformance.md
//! [docs/dependencies.md]: https://docs.rs/crate/tower-mirror/latest/source/docs/dependencies.md
//!
#![doc = include_str!("../README.md")]
//!
//! The [`guide`] has what a reference does not: which body mode, how to roll out a version, how large the limits, in which
//! order to shut down.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod body;
pub mod buffer;
mod chain;
#[cfg(feature = "client")]
pub mod client;
mod clock;
mod detached;
mod exact;
pub mod guide;
mod head;
mod mark;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod mirror;
pub mod observe;
mod oversized;
pub mod receive;
pub mod rewrite;
pub mod sample;
pub mod split;
mod stream_end;
mod sync;
mod tokens;
mod traceparent;

#[cfg(feature = "client")]
pub use self::client::HttpTarget;
pub use self::{
    body::{BodyMode, ShadowBody, TeeBody},
    buffer::{BufferLayer, BufferedBody},
    head::RequestHead,
    mirror::{Mirror, MirrorBuilder, MirrorHandle, MirrorLayer, Shadow},
    observe::{Outcome, Report, Stats, StatusClass},
    receive::{Mirrored, ReadOnlyLayer},
    rewrite::HostRewrite,
    sample::{Draw, Key, SampleRate},
    split::{Force, Served, SplitHandle, WeightedSplit, WeightedSplitLayer},
};

/// Any error, as tower and hyper have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
