//! `Join`: waits for both sides of a request, the primary and the shadow, and then makes the
//! report.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use http::{Method, Response, StatusCode};
use tokio::time::Instant;

use super::state::MirrorState;
use crate::{
    body::PrimaryEnd,
    guard::unpoisoned,
    observe::{Outcome, PrimaryReport, Report, ShadowReport},
};

/// Makes the report when the second of the two sides has ended.
#[derive(Debug)]
pub(super) struct Join {
    shared: Arc<MirrorState>,
    method: Method,
    route: Option<Arc<str>>,
    arrived: Instant,
    sides: Mutex<Sides>,
}

#[derive(Debug, Default)]
struct Sides {
    primary: Option<(PrimaryReport, PrimaryResult)>,
    shadow: Option<(Outcome, ShadowReport)>,
    /// The waker of the exchange, while the exchange waits for the primary.
    waiting: Option<Waker>,
}

/// How the primary has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PrimaryResult {
    Answered(StatusCode),
    Failed,
    /// The future of the primary was dropped before it had answered, because the client has
    /// disconnected.
    Dropped,
}

impl PrimaryResult {
    fn status(self) -> Option<StatusCode> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Failed | Self::Dropped => None,
        }
    }
}

impl Join {
    pub(super) fn new(shared: Arc<MirrorState>, method: Method, route: Option<Arc<str>>) -> Self {
        Self {
            shared,
            method,
            route,
            arrived: Instant::now(),
            sides: Mutex::default(),
        }
    }

    pub(super) fn route(&self) -> Option<Arc<str>> {
        self.route.clone()
    }

    pub(super) fn shared(&self) -> &Arc<MirrorState> {
        &self.shared
    }

    pub(super) fn shadow_ended(&self, outcome: Outcome, shadow: ShadowReport) {
        self.end(|sides| sides.shadow = Some((outcome, shadow)));
    }

    fn primary_ended(&self, result: PrimaryResult) {
        let primary = PrimaryReport {
            status: result.status(),
            latency: self.arrived.elapsed(),
        };
        let mut waiting = None;
        self.end(|sides| {
            sides.primary = Some((primary, result));
            waiting = sides.waiting.take();
        });
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Waits until the primary has ended.
    pub(super) fn poll_primary(&self, cx: &mut Context<'_>) -> Poll<PrimaryResult> {
        let mut sides = self.sides();
        if let Some((_, result)) = &sides.primary {
            return Poll::Ready(*result);
        }
        let stale = sides.waiting.replace(cx.waker().clone());
        drop(sides);
        drop(stale);
        Poll::Pending
    }

    fn sides(&self) -> MutexGuard<'_, Sides> {
        unpoisoned(self.sides.lock())
    }

    fn end(&self, set: impl FnOnce(&mut Sides)) {
        let mut sides = self.sides();
        set(&mut sides);
        let Sides {
            primary: Some(_),
            shadow: Some(_),
            ..
        } = *sides
        else {
            return;
        };
        let both = std::mem::take(&mut *sides);
        drop(sides);
        if let (Some((primary, _)), Some((outcome, shadow))) = (both.primary, both.shadow) {
            self.report(outcome, primary, shadow);
        }
    }

    fn report(&self, outcome: Outcome, primary: PrimaryReport, shadow: ShadowReport) {
        self.shared.counters.statuses(primary.status, shadow.status);
        if self.shared.policy.observers.is_empty() {
            return;
        }
        let report = Report {
            mirror: Arc::clone(&self.shared.name),
            outcome,
            method: self.method.clone(),
            route: self.route.clone(),
            primary,
            shadow,
        };
        self.shared.notify(|observer| observer.on_report(&report));
    }
}

/// The primary's side of a [`Join`]. If it is dropped before `ended` is called, the primary was
/// dropped.
#[derive(Debug)]
pub(super) struct PrimarySide {
    join: Option<Arc<Join>>,
    body: Option<PrimaryEnd>,
}

impl PrimarySide {
    pub(super) fn new(join: Arc<Join>, body: Option<PrimaryEnd>) -> Self {
        Self {
            join: Some(join),
            body,
        }
    }

    /// Records that the primary has answered or failed.
    pub(super) fn ended<R>(mut self, answer: Option<&Response<R>>) {
        let Some(join) = self.join.take() else {
            return;
        };
        if let Some(body) = &self.body {
            body.answered(answer.is_some_and(is_success));
        }
        join.primary_ended(match answer {
            Some(answer) => PrimaryResult::Answered(answer.status()),
            None => PrimaryResult::Failed,
        });
    }
}

impl Drop for PrimarySide {
    fn drop(&mut self) {
        if let Some(join) = self.join.take() {
            if let Some(body) = &self.body {
                body.dropped();
            }
            join.primary_ended(PrimaryResult::Dropped);
        }
    }
}

/// Whether the primary has accepted what it has read. gRPC reports a failure in a separate field,
/// `grpc-status`.
fn is_success<R>(answer: &Response<R>) -> bool {
    let status = answer.status();
    let grpc = answer.headers().get("grpc-status");
    (status.is_success() || status.is_redirection()) && grpc.is_none_or(|status| status == "0")
}
