//! Is v2 right? Answers of the primary and the shadow side by side, and a verdict with an error rate that holds at every look.
//!
//! Three services answer the same request: the *primary* (what the client received), the *shadow* (v2), and a *baseline*
//! (a second v1). What differs between primary and shadow and also between primary and baseline is noise of the
//! request and is cancelled. A request where only the shadow differs counts against the shadow, and a request where only the baseline
//! differs counts against the baseline. If v2 behaves like v1, each of these requests is a toss of a fair coin.
//!
//! This module contains the pure part: from counts to a verdict. It has no clock, no state that is shared and no I/O.
//!
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
mod mask;
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
    judge::{RouteEvidence, judge},
    latency::{LatencyHistogram, LatencyTest, Quantile},
    mask::NoiseMask,
    rows::{PathCounts, RouteCounts},
    tally::Tally,
    verdict::{Reason, Verdict, VerdictLatch, Why},
    weights::{ln_e_any_path, ln_e_any_route, path_weight, route_weight},
};
