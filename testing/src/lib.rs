//! Code that the tests, the benches and the examples of this workspace share. This crate is not
//! published.
//!
//! The root contains the parts of most tests: bodies that follow a script, and primaries and
//! shadows whose behaviour is configurable and which record their requests.

#![allow(
    missing_debug_implementations,
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    reason = "only tests use it"
)]

mod body;
pub mod by_hand;
pub mod cases;
pub mod frames;
pub mod net;
mod primary;
pub mod server;
mod shadow;
pub mod split;
pub mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_mirror::{
    BoxError, MirrorHandle, MirrorLayer, MirrorStats, Outcome, Report, RequestHead,
    observe::Observer,
};

pub use self::{
    body::{
        Broken, DataThatPanics, End, Feed, Piece, Script, Step, Stream, pattern, read, trailers,
    },
    primary::{Primary, Reads, Then},
    shadow::{Act, Copy, Fault, Place, Reply, TestShadow},
};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a request without a body.
pub fn get() -> Request<Script> {
    request(Method::GET, Script::default().knowing_end())
}

pub fn post(body: Script) -> Request<Script> {
    request(Method::POST, body)
}

fn request(method: Method, body: Script) -> Request<Script> {
    let request = Request::builder().method(method).uri("/").body(body);
    request.expect("a request")
}

/// Sends one request through the mirror, and waits only for the primary's response.
pub async fn serve<B>(
    mirror: &MirrorLayer,
    primary: &Primary,
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, BoxError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    mirror.layer(primary.clone()).oneshot(request).await
}

/// Waits until no copy is in flight, and returns the counters. They must count this many requests
/// and no buffered bytes.
pub async fn settled(handle: &MirrorHandle, requests: u64) -> MirrorStats {
    handle.wait_idle().await;
    let stats = handle.stats();
    assert_adds_up(&stats, requests);
    assert_eq!(stats.in_flight(), 0, "{stats}");
    assert_eq!(stats.buffered_bytes(), 0, "{stats}");
    stats
}

/// Asserts promise M4: each request has exactly one outcome, or its copy is in flight.
pub fn assert_adds_up(stats: &MirrorStats, requests: u64) {
    let outcomes: u64 = stats.outcomes().map(|(_, count)| count).sum();
    assert_eq!(outcomes + stats.in_flight(), requests, "{stats}");
    assert_eq!(stats.requests(), requests, "{stats}");
}

/// Asserts that exactly one request was counted, with this outcome.
#[track_caller]
pub fn assert_only(stats: &MirrorStats, expected: Outcome) {
    let found: Vec<_> = stats.outcomes().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found, [(expected, 1)], "{stats}");
}

/// An observer that records all its calls.
#[derive(Clone, Debug, Default)]
pub struct RecordingObserver {
    reports: Arc<Mutex<Vec<Report>>>,
    skips: Arc<Mutex<Vec<(Outcome, String)>>>,
}

impl RecordingObserver {
    pub fn reports(&self) -> Vec<Report> {
        lock(&self.reports).clone()
    }

    /// Returns the only report so far.
    pub fn report(&self) -> Report {
        let reports = self.reports();
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports[0].clone()
    }

    pub fn skips(&self) -> Vec<(Outcome, String)> {
        lock(&self.skips).clone()
    }
}

impl Observer for RecordingObserver {
    fn on_report(&self, report: &Report) {
        lock(&self.reports).push(report.clone());
    }

    fn on_skip(&self, outcome: Outcome, head: &RequestHead<'_>) {
        lock(&self.skips).push((outcome, head.uri.path().to_owned()));
    }
}
