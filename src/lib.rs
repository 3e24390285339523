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
