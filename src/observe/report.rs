//! `Report`: both sides of one mirrored request.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};

use super::Outcome;

/// The result of one admitted request, on both sides. See [`observe`](crate::observe) for an example.
///
/// # Example
///
/// ```
/// use tower_mirror::Report;
///
/// /// What a log line may contain: no path, no query, no header.
/// fn line(report: &Report) -> String {
///     let route = report.route.as_deref().unwrap_or("-");
///     format!("{} {route}: {} (v1 {:?}, v2 {:?})", report.method, report.outcome, report.primary.status, report.shadow.status)
/// }
/// # let _ = line;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The mirror's name.
    pub mirror: Arc<str>,
    /// How the copy ended.
    pub outcome: Outcome,
    /// The request's method.
    pub method: Method,
    /// The label of the request's route, which should be the template of its path: what
    /// [`route_label`](crate::MirrorBuilder::route_label) returned. `None` without that setting. The path itself and the query
    /// are not in a report, because they contain data of users.
    pub route: Option<Arc<str>>,
    /// The primary's side.
    pub primary: PrimaryReport,
    /// The shadow's side.
    pub shadow: ShadowReport,
}

/// The primary's side of a [`Report`].
///
/// # Example
///
/// ```
/// use tower_mirror::Report;
///
/// /// Whether the client went away, or the primary failed.
/// fn is_without_response(report: &Report) -> bool {
///     report.primary.status.is_none()
/// }
/// # let _ = is_without_response;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrimaryReport {
    /// The answer's status; `None` where the primary failed, or was dropped
    /// because its client went away.
    pub status: Option<StatusCode>,
    /// From the request's arrival to the head of the answer, or to the end without one.
    pub latency: Duration,
}

/// The shadow's side of a [`Report`].
///
/// # Example
///
/// ```
/// use tower_mirror::Report;
///
/// /// How many times as long as the primary the shadow took.
/// fn slowdown(report: &Report) -> Option<f64> {
///     let shadow = report.shadow.latency?;
///     Some(shadow.as_secs_f64() / report.primary.latency.as_secs_f64())
/// }
/// # let _ = slowdown;
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ShadowReport {
    /// Whether the copy was handed to the shadow's service.
    pub sent: bool,
    /// The answer's status, if one came. It is kept where the rest of the answer
    /// did not come in time.
    pub status: Option<StatusCode>,
    /// From the end of the request's body to the head of the answer: what compares
    /// with the primary's latency for requests without a body. In
    /// [`Streaming`](crate::BodyMode::Streaming), from the beginning of the copy. `None` without an answer.
    pub latency: Option<Duration>,
    /// From the same moment to the end of the answer, or of the exchange if that has none. `None` where nothing was sent
    /// because the body was not captured whole.
    pub total: Option<Duration>,
    /// Bytes of the copied body; 0 where it was not captured whole.
    pub request_bytes: u64,
    /// Bytes received of the answer's body.
    pub response_bytes: u64,
    /// What the shadow's service said when it failed: its error and that error's
    /// sources, in one line.
    pub error: Option<String>,
}
