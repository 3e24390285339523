//! `Report`: both sides of one mirrored request.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};

use super::Outcome;

/// The result of one admitted request, on both sides. See [`observe`](crate::observe) for an
/// example.
///
/// # Example
///
/// ```
/// use tower_mirror::Report;
///
/// /// Formats a log line that contains no path, no query and no header.
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
    /// The label of the request's route: the value that
    /// [`route_label`](crate::MirrorBuilder::route_label) returned. It should be the template of
    /// the request's path. `None` without that setting. A report contains neither the path itself
    /// nor the query, because these contain data of users.
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
/// /// Returns whether the client went away or the primary failed.
/// fn is_without_response(report: &Report) -> bool {
///     report.primary.status.is_none()
/// }
/// # let _ = is_without_response;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrimaryReport {
    /// The status of the answer. `None` if the primary failed, or was dropped because its client
    /// went away.
    pub status: Option<StatusCode>,
    /// The time from the arrival of the request to the head of the answer, or to the end of the
    /// primary if it did not answer.
    pub latency: Duration,
}

/// The shadow's side of a [`Report`].
///
/// # Example
///
/// ```
/// use tower_mirror::Report;
///
/// /// Returns the shadow's latency divided by the primary's latency.
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
    /// The status of the answer, if an answer arrived. It is kept if the rest of the answer did not
    /// arrive in time.
    pub status: Option<StatusCode>,
    /// The time from the end of the request's body to the head of the answer. For requests without
    /// a body it can be compared with the primary's latency. In
    /// [`Streaming`](crate::BodyMode::Streaming), it starts at the beginning of the copy. `None`
    /// without an answer.
    pub latency: Option<Duration>,
    /// The time from the same moment to the end of the answer, or to the end of the exchange if
    /// there is no end of an answer. `None` if nothing was sent because the body was not captured
    /// completely.
    pub total: Option<Duration>,
    /// The number of bytes of the copied body. It is 0 if the body was not captured completely.
    pub request_bytes: u64,
    /// The number of bytes that were received of the answer's body.
    pub response_bytes: u64,
    /// The error of the shadow's service when it failed, together with the sources of this error,
    /// in one line.
    pub error: Option<String>,
}
