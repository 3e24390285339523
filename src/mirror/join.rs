//! Both sides of one request, brought together.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use http::{Response, StatusCode};
use tokio::time::Instant;

use super::shared::Shared;
use crate::{
    body::PrimaryEnd,
    observe::{Outcome, PrimaryReport, Report, ShadowReport},
};

/// Reports once the second of the two sides has ended.
#[derive(Debug)]
pub(super) struct Join {
    shared: Arc<Shared>,
    route: Option<Arc<str>>,
    arrived: Instant,
    sides: Mutex<Sides>,
}

#[derive(Debug, Default)]
struct Sides {
    primary: Option<(PrimaryReport, Served)>,
    shadow: Option<(Outcome, ShadowReport)>,
    /// The exchange, where it waits for the primary.
    waiting: Option<Waker>,
}

/// How the primary has served the request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Served {
    Answered(StatusCode),
    Failed,
    /// Dropped before it has answered, because its client went away.
    Dropped,
}

impl Served {
    fn status(self) -> Option<StatusCode> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Failed | Self::Dropped => None,
        }
    }
}

impl Join {
    pub(super) fn new(shared: Arc<Shared>, route: Option<Arc<str>>) -> Self {
        Self {
            shared,
            route,
            arrived: Instant::now(),
            sides: Mutex::default(),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn shadow_ended(&self, outcome: Outcome, shadow: ShadowReport) {
        self.end(|sides| sides.shadow = Some((outcome, shadow)));
    }

    fn primary_ended(&self, served: Served) {
        let primary = PrimaryReport {
            status: served.status(),
            latency: self.arrived.elapsed(),
        };
        let mut waiting = None;
        self.end(|sides| {
            sides.primary = Some((primary, served));
            waiting = sides.waiting.take();
        });
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Waits for the primary.
    pub(super) fn poll_primary(&self, cx: &mut Context<'_>) -> Poll<Served> {
        let mut sides = self.sides();
        if let Some((_, served)) = &sides.primary {
            return Poll::Ready(*served);
        }
        let stale = sides.waiting.replace(cx.waker().clone());
        drop(sides);
        drop(stale);
        Poll::Pending
    }

    fn sides(&self) -> MutexGuard<'_, Sides> {
        self.sides.lock().unwrap_or_else(PoisonError::into_inner)
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
            route: self.route.clone(),
            primary,
            shadow,
        };
        self.shared.tell(|observer| observer.on_report(&report));
    }
}

/// The primary's half. Dropped without an end, the primary was dropped.
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

    /// The primary has answered, or failed.
    pub(super) fn ended<R>(mut self, answer: Option<&Response<R>>) {
        let Some(join) = self.join.take() else {
            return;
        };
        if let Some(body) = &self.body {
            body.answered(answer.is_some_and(is_success));
        }
        join.primary_ended(match answer {
            Some(answer) => Served::Answered(answer.status()),
            None => Served::Failed,
        });
    }
}

impl Drop for PrimarySide {
    fn drop(&mut self) {
        if let Some(join) = self.join.take() {
            if let Some(body) = &self.body {
                body.dropped();
            }
            join.primary_ended(Served::Dropped);
        }
    }
}

/// Whether the primary has accepted what it has read. gRPC says in a field of its own that it has not.
fn is_success<R>(answer: &Response<R>) -> bool {
    let status = answer.status();
    let grpc = answer.headers().get("grpc-status");
    (status.is_success() || status.is_redirection()) && grpc.is_none_or(|status| status == "0")
}
