//! Both sides of one request, brought together.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use tokio::time::Instant;

use super::shared::Shared;
use crate::{
    body::PrimaryDropped,
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
    primary: Option<PrimaryReport>,
    shadow: Option<(Outcome, ShadowReport)>,
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

    fn primary_ended(&self, status: Option<StatusCode>) {
        let primary = PrimaryReport {
            status,
            latency: self.arrived.elapsed(),
        };
        self.end(|sides| sides.primary = Some(primary));
    }

    fn end(&self, set: impl FnOnce(&mut Sides)) {
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        set(&mut sides);
        let Sides {
            primary: Some(_),
            shadow: Some(_),
        } = *sides
        else {
            return;
        };
        let both = std::mem::take(&mut *sides);
        drop(sides);
        if let (Some(primary), Some((outcome, shadow))) = (both.primary, both.shadow) {
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
    body: Option<PrimaryDropped>,
}

impl PrimarySide {
    pub(super) fn new(join: Arc<Join>, body: Option<PrimaryDropped>) -> Self {
        Self {
            join: Some(join),
            body,
        }
    }

    /// The primary has answered, or failed.
    pub(super) fn ended(mut self, status: Option<StatusCode>) {
        if let Some(join) = self.join.take() {
            join.primary_ended(status);
        }
    }
}

impl Drop for PrimarySide {
    fn drop(&mut self) {
        if let Some(join) = self.join.take() {
            if let Some(body) = &self.body {
                body.tell();
            }
            join.primary_ended(None);
        }
    }
}
