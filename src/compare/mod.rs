//! Is v2 right? Answers of the primary and the shadow side by side, and a verdict with an error rate that holds at every look.
//!
//! Three services answer the same request: the *primary* (what the client received), the *shadow* (v2), and a *baseline*
//! (a second v1). What differs between primary and shadow and also between primary and baseline is noise of the
//! request and is cancelled. A request where only the shadow differs counts against the shadow, and a request where only the baseline
//! differs counts against the baseline. If v2 behaves like v1, each of these requests is a toss of a fair coin.
//!
//! [`Compare`] is where to begin: [`Compare::with_baseline`] and [`Compare::layer`] make a [`CompareLayer`], which takes the place of a
//! [`MirrorLayer`](crate::MirrorLayer). Its [`CompareHandle`] gives the [`CompareReport`] and the [`Verdict`], and a
//! [`VerdictService`] serves them.
//!
//! # Example
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use http_body_util::BodyExt;
//! use tower::{Layer, ServiceExt};
//! use tower_mirror::{MirrorLayer, compare::{Accept, Compare}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two versions of an application; in use, the second v1 and v2 are usually an `HttpTarget` each.
//! let app = |body: &'static str| Router::new().route("/items", get(async move || body));
//! let (v1, second_v1, v2) = (app("[1, 2]"), app("[1, 2]"), app("[1, 3]"));
//!
//! let layer = Compare::with_baseline(second_v1)
//!     .accept(Accept::excess(0.01)?)
//!     .warm_up(0)
//!     .layer(MirrorLayer::builder(v2).name("catalog-v2").route_label(|_| Some("/items")))?;
//! let request = Request::get("/items").body(Body::empty())?;
//! let answer = layer.layer(v1).oneshot(request).await?;
//! assert_eq!(answer.into_body().collect().await?.to_bytes(), "[1, 2]");
//!
//! layer.handle().wait_idle().await;
//! let report = layer.handle().report();
//! assert_eq!(report.routes[0].tally.requests().shadow_only(), 1);
//! // One request is not evidence.
//! assert_eq!(report.verdict.as_str(), "inconclusive");
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! From answers to differences, and from counts to a verdict, everything is pure: it has no clock, no state that is shared and no I/O.
//!
//! - [`Comparer`] turns the three [`Answer`]s to a request into differences by path and [`Kind`], by the [`Rules`]; [`differences`] compares one pair.
//! - [`BlockCounter`] counts [`Finding`]s, and its [`Tally`] is seven integers.
//! - [`judge`] turns the tallies of all routes ([`RouteCounts`]) into a [`Verdict`], by what is [`Accept`]ed.
//! - [`Counts`] is the arithmetic below it: evidence, interval, and how many requests are missing.
//! - [`LatencyTest`] makes findings of latencies, and [`NoiseMask`] learns which paths are noise.
//!
//! # What a verdict says
//!
//! The error rate holds *however often anybody looks*: if v2 is not worse than tolerated, the probability that FAIL ever
//! appears is at most alpha, 5 % by default; if it is worse than tolerated on some route, the probability that PASS ever appears is
//! at most alpha.
//! The only assumption for FAIL is that the shadow and the baseline could be swapped if they were equally right: they are
//! asked at the same time, in the same way, and they see the same data. It needs no constant rate of noise, no independence
//! between requests and no random sample. [`Tally`] explains how one process that is noisy for some time is treated.
//!
//! The number of requests that a verdict needs, without noise and with the default of 0.1 % and 95 %: PASS needs 3 644 on each route.
//! `cargo run --release --example evidence` measures the error rates and the number of requests under many kinds of noise.
//!
//! # Sources
//!
//! J. Ville, "Étude critique de la notion de collectif", 1939, for the bound at all times; I. Waudby-Smith and A. Ramdas,
//! arXiv 2010.09686, for the bets; S. Howard and others, arXiv 1810.08240, for confidence sequences; V. Vovk and R. Wang,
//! arXiv 1912.06116, for averages of e-values; M. Lindon and A. Malek, arXiv 2011.03567, for counts under rates that change.

mod accept;
mod answers;
mod blocks;
mod counts;
mod evidence;
mod interval;
mod judge;
mod latency;
mod live;
mod mask;
mod route;
mod rows;
mod tally;
mod verdict;
mod weights;

pub use self::{
    accept::{Accept, Confidence, InvalidAccept, LatencyLimit},
    answers::{
        Answer, Compared, Comparer, Difference, InvalidRules, Json, Kind, NotCompared, NotJudged,
        PathId, Rules, RulesBuilder, UnknownKind, differences,
    },
    blocks::{BlockCounter, Finding},
    counts::{Counts, InvalidCounts},
    interval::Interval,
    judge::judge,
    latency::{LatencyHistogram, LatencyTest, Quantile},
    live::{
        BaselineKind, Compare, CompareError, CompareFuture, CompareHandle, CompareLayer,
        CompareReport, CompareService, ComparedBody, DifferenceReport, DropReason, InCommon,
        NoisyPath, PathReport, RouteReport, VerdictBody, VerdictFuture, VerdictService,
    },
    mask::NoiseMask,
    route::RouteEvidence,
    rows::{PathCounts, RouteCounts},
    tally::Tally,
    verdict::{Reason, Verdict, VerdictLatch, Why},
    weights::{ln_e_any_path, ln_e_any_route, path_weight, route_weight},
};
