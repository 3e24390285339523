//! `CopySpan`: the span of a copy and the events of outcomes. Without the feature `tracing`, the
//! functions do nothing.

#[cfg(not(feature = "tracing"))]
pub(super) use self::off::{CopySpan, skipped};
#[cfg(feature = "tracing")]
pub(super) use self::on::{CopySpan, skipped};

#[cfg(feature = "tracing")]
mod on {
    //! The functions that create the span and emit the events.

    use std::future::Future;

    use http::{Method, Uri, Version, header::HOST, request, response, uri::Authority};
    use tracing::{Instrument, Level, Span, event, field::Empty, info_span};

    use crate::mirror::state::MirrorState;
    use crate::{
        guard::guarded,
        observe::{Outcome, ShadowReport},
    };

    /// The target of all spans and events, so that filters do not depend on the names of files.
    macro_rules! target {
        () => {
            "tower_mirror"
        };
    }

    /// Emits one event at the level of its outcome. There is one callsite for each level, so that
    /// each can be disabled separately. The numbers of errors and warnings are limited, because
    /// most programs log them.
    macro_rules! emit {
        ($shared:expr, $outcome:expr, [$($to:tt)*], $($fields:tt)*) => {
            match level($outcome) {
                Level::ERROR => emit!(limited $shared, $outcome, Level::ERROR, [$($to)*], $($fields)*),
                Level::WARN => emit!(limited $shared, $outcome, Level::WARN, [$($to)*], $($fields)*),
                Level::DEBUG => event!(target: target!(), $($to)* Level::DEBUG, $($fields)*),
                _ => event!(target: target!(), $($to)* Level::TRACE, $($fields)*),
            }
        };
        (limited $shared:expr, $outcome:expr, $level:expr, [$($to:tt)*], $($fields:tt)*) => {
            if let Some(line) = $shared.lines.line($level, $outcome) {
                event!(target: target!(), $($to)* $level, omitted = line.omitted(), $($fields)*);
            }
        };
    }

    /// The span of one copy, from its admission to its outcome.
    #[derive(Debug)]
    pub(in crate::mirror) struct CopySpan(Span);

    /// A clone calls the subscriber, which may panic, and this is the primary's path. So a panic is
    /// caught.
    impl Clone for CopySpan {
        fn clone(&self) -> Self {
            Self(guarded(|| self.0.clone()).unwrap_or_else(Span::none))
        }
    }

    impl CopySpan {
        /// Begins the span. It follows from the primary's span and is not its child: a child would
        /// delay the end of the primary's span.
        pub(in crate::mirror) fn begin(
            mirror: &str,
            method: &Method,
            target: &Uri,
            route: Option<&str>,
        ) -> Self {
            let begin = || {
                let known = known(method);
                let original = known.is_none().then(|| method.as_str());
                let span = info_span!(
                    target: target!(),
                    parent: None,
                    "shadow request",
                    otel.kind = "client",
                    otel.status_code = Empty,
                    http.request.method = known.unwrap_or("_OTHER"),
                    http.request.method_original = original,
                    http.route = route,
                    url.path = target.path(),
                    server.address = Empty,
                    server.port = Empty,
                    http.response.status_code = Empty,
                    network.protocol.version = Empty,
                    error.r#type = Empty,
                    mirror.name = mirror,
                    mirror.outcome = Empty,
                );
                if !span.is_disabled() {
                    span.follows_from(Span::current().id());
                }
                span
            };
            Self(guarded(begin).unwrap_or_else(Span::none))
        }

        /// Runs the whole exchange inside the span.
        pub(in crate::mirror) fn around<F: Future>(
            self,
            exchange: F,
        ) -> impl Future<Output = F::Output> {
            exchange.instrument(self.0)
        }

        /// Records the host and the port of a copy that is about to be sent.
        pub(in crate::mirror) fn sending(&self, copy: &request::Parts) {
            if self.0.is_disabled() {
                return;
            }
            let host = copy.headers.get(HOST);
            if let Some(host) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) {
                let address = host.host().trim_matches(['[', ']']);
                self.0.record("server.address", address);
                self.0.record("server.port", host.port_u16());
            }
        }

        /// Records the head of the shadow's response.
        pub(in crate::mirror) fn answered(&self, answer: &response::Parts) {
            if self.0.is_disabled() {
                return;
            }
            let status = answer.status.as_u16();
            self.0.record("http.response.status_code", status);
            self.0
                .record("network.protocol.version", version(answer.version));
        }

        fn record_end(&self, outcome: Outcome, report: &ShadowReport) {
            if self.0.is_disabled() {
                return;
            }
            self.0.record("mirror.outcome", outcome.as_str());
            let error = match (outcome, &report.status) {
                (Outcome::Completed | Outcome::CompletedTruncated, Some(status)) => {
                    let is_error = status.is_client_error() || status.is_server_error();
                    is_error.then(|| status.as_str())
                }
                _ => is_failure(outcome).then(|| outcome.as_str()),
            };
            if let Some(error) = error {
                self.0.record("error.type", error);
                self.0.record("otel.status_code", "ERROR");
            }
        }

        /// Records the outcome of the copy, and emits its event. This may run in a destructor.
        pub(in crate::mirror) fn ended(
            &self,
            shared: &MirrorState,
            outcome: Outcome,
            report: &ShadowReport,
        ) {
            let _ = guarded(|| {
                self.record_end(outcome, report);
                emit!(
                    shared,
                    outcome,
                    [parent: &self.0,],
                    mirror.name = &*shared.name,
                    mirror.outcome = outcome.as_str(),
                    mirror.reason = outcome.hint(),
                    http.response.status_code = report.status.map(|status| status.as_u16()),
                    latency_seconds = report.latency.map(|latency| latency.as_secs_f64()),
                    total_seconds = report.total.map(|total| total.as_secs_f64()),
                    error = report.error.as_deref(),
                    "copy ended"
                );
            });
        }
    }

    /// Emits the event of a request that is not copied. `NotSampled` is the most frequent outcome
    /// and has no event, so it costs nothing.
    pub(in crate::mirror) fn skipped(shared: &MirrorState, outcome: Outcome) {
        if outcome == Outcome::NotSampled {
            return;
        }
        let _ = guarded(|| {
            emit!(
                shared,
                outcome,
                [],
                mirror.name = &*shared.name,
                mirror.outcome = outcome.as_str(),
                mirror.reason = outcome.hint(),
                "not copied"
            );
        });
    }

    /// An outcome is a warning if an operator of the shadow can do something about it. Some
    /// warnings are written on the primary's path; the [lines](crate::mirror::lines) limit their
    /// number.
    fn level(outcome: Outcome) -> Level {
        match outcome {
            Outcome::NotSampled
            | Outcome::Filtered
            | Outcome::Paused
            | Outcome::Loop
            | Outcome::Upgrade
            | Outcome::TransferCoding
            | Outcome::Draining => Level::TRACE,
            Outcome::TooLarge
            | Outcome::Unread
            | Outcome::ClientAborted
            | Outcome::BodyError
            | Outcome::Completed
            | Outcome::CompletedTruncated => Level::DEBUG,
            Outcome::InFlightLimit
            | Outcome::BufferLimit
            | Outcome::FailedConnect
            | Outcome::FailedTransport
            | Outcome::ResponseHeadTooLarge
            | Outcome::FailedService
            | Outcome::TimedOut
            | Outcome::Lagged
            | Outcome::Aborted => Level::WARN,
            Outcome::NoRuntime | Outcome::PolicyPanicked | Outcome::Panicked => Level::ERROR,
        }
    }

    /// Whether the shadow has failed, or some code has a bug. A copy that is not sent because of
    /// the primary, its client or a limit is not an error: errors in a trace cause alerts.
    fn is_failure(outcome: Outcome) -> bool {
        matches!(
            outcome,
            Outcome::FailedConnect
                | Outcome::FailedTransport
                | Outcome::ResponseHeadTooLarge
                | Outcome::FailedService
                | Outcome::TimedOut
                | Outcome::Lagged
                | Outcome::Aborted
                | Outcome::NoRuntime
                | Outcome::PolicyPanicked
                | Outcome::Panicked
        )
    }

    /// Returns the name of the method if it is a standard one. A label must have few values.
    fn known(method: &Method) -> Option<&str> {
        let name = method.as_str();
        let known = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
        ];
        known.contains(&name).then_some(name)
    }

    /// Returns the version as text, without the name of the protocol.
    fn version(version: Version) -> Option<&'static str> {
        Some(match version {
            Version::HTTP_09 => "0.9",
            Version::HTTP_10 => "1.0",
            Version::HTTP_11 => "1.1",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => return None,
        })
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    //! The same functions, which do nothing.

    use std::future::Future;

    use http::{Method, Uri, request, response};

    use crate::mirror::state::MirrorState;
    use crate::observe::{Outcome, ShadowReport};

    #[derive(Clone, Debug)]
    pub(in crate::mirror) struct CopySpan;

    impl CopySpan {
        pub(in crate::mirror) fn begin(_: &str, _: &Method, _: &Uri, _: Option<&str>) -> Self {
            Self
        }

        pub(in crate::mirror) fn around<F: Future>(self, exchange: F) -> F {
            exchange
        }

        pub(in crate::mirror) fn sending(&self, _: &request::Parts) {}

        pub(in crate::mirror) fn answered(&self, _: &response::Parts) {}

        pub(in crate::mirror) fn ended(&self, _: &MirrorState, _: Outcome, _: &ShadowReport) {}
    }

    pub(in crate::mirror) fn skipped(_: &MirrorState, _: Outcome) {}
}
