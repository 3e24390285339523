//! `Judge`: from three answers to what the table counts.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use super::{
    difference::DifferenceReport,
    drop_reason::DropReason,
    features::Features,
    ledger::Ledger,
    settings::Settings,
    table::{Found, Judged, PathKey},
    tape::Tape,
    triple::{CopyAnswer, CopyEnd, Job},
};
use crate::{
    body::Charge,
    compare::{Answer, Compared, Comparer, Difference, NotCompared},
    guard::drop_guarded,
};

/// Compares answers, on the comparing thread.
pub(super) struct Judge {
    comparer: Comparer,
}

impl Judge {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            comparer: Comparer::new(settings.rules.clone()),
        }
    }

    /// Compares the answers of one request, and counts what differs.
    pub(super) fn judge(&mut self, job: Job, ledger: &Ledger) -> Result<(), DropReason> {
        let facts = job.facts;
        let status = |copy: &CopyAnswer| copy.tape.as_ref().map(Tape::status);
        let statuses = [status(&job.shadow), job.baseline.as_ref().and_then(status)];
        let primary_status = job.primary.status();
        // An error that came at once is not a fast answer.
        let latency = |copy: &CopyAnswer| (copy.end == CopyEnd::Whole).then_some(copy.latency);
        let latencies = [
            latency(&job.shadow),
            job.baseline.as_ref().and_then(latency),
        ];

        // The charges are held as long as the answers.
        let (primary, _primary_charge) = job.primary.into_answer();
        let (shadow, _shadow_charge) = answer(job.shadow);
        let (baseline, _baseline_charge) = job.baseline.map(answer).unzip();
        let compared = self
            .comparer
            .compare(&primary, &shadow, baseline.as_ref())
            .map_err(reason)?;
        // The destructor of the primary's data may be a user's.
        drop_guarded((primary, shadow, baseline));

        let mut judged = self.judged(&compared, latencies);
        judged.features = job.features;
        let (route, finding) = {
            let mut table = ledger.table();
            // A reset changes both under this lock.
            if ledger.generation() != facts.generation {
                return Err(DropReason::Reset);
            }
            let at = facts.arrived.saturating_duration_since(table.began);
            let recorded = table.record(&facts.method, facts.route.as_ref(), at, &judged);
            table.look_once_in_a_block(at);
            recorded
        };
        let differs = !(judged.shadow_only.is_empty() && judged.baseline_only.is_empty());
        if differs && ledger.has_observers() {
            let report = DifferenceReport {
                mirror: Arc::clone(&ledger.mirror),
                route,
                finding,
                shadow_only: differences(&judged.shadow_only),
                baseline_only: differences(&judged.baseline_only),
                primary: primary_status,
                shadow: statuses[0],
                baseline: statuses[1],
            };
            ledger.notify(&report);
        }
        Ok(())
    }

    fn judged(&self, compared: &Compared, latencies: [Option<Duration>; 2]) -> Judged {
        let found = |keys: &[PathKey]| -> Vec<Found> {
            let found = keys.iter().map(|key| Found {
                key: *key,
                path: self.comparer.path(key.0),
            });
            found.collect()
        };
        Judged {
            is_blind: compared.is_blind,
            shadow_only: found(&compared.shadow_only),
            baseline_only: found(&compared.baseline_only),
            both: found(&compared.both),
            expected: found(&compared.expected),
            latencies,
            features: Features::default(),
        }
    }
}

fn differences(found: &[Found]) -> Vec<Difference> {
    let difference = |found: &Found| Difference {
        path: found.path.clone(),
        kind: found.key.1,
        is_expected: false,
    };
    found.iter().map(difference).collect()
}

/// The answer as it is compared, with its part of the budget.
fn answer(copy: CopyAnswer) -> (Answer, Option<Charge>) {
    let Some(tape) = copy.tape else {
        return (Answer::missing(), None);
    };
    let of_head = |answer: fn(StatusCode, http::HeaderMap) -> Answer, tape: Tape| {
        let (status, headers, charge) = tape.into_head();
        (answer(status, headers), Some(charge))
    };
    match copy.end {
        CopyEnd::Whole => {
            let (answer, charge) = tape.into_answer();
            (answer, Some(charge))
        }
        CopyEnd::Cut | CopyEnd::TimedOut => of_head(Answer::cut, tape),
        CopyEnd::TooLong => of_head(Answer::too_long, tape),
        CopyEnd::NoAnswer => (Answer::missing(), None),
    }
}

fn reason(reason: NotCompared) -> DropReason {
    match reason {
        NotCompared::Conditional => DropReason::Conditional,
        NotCompared::PrimaryRefused => DropReason::PrimaryRefused,
        NotCompared::TooCostly => DropReason::TooCostly,
        // Only complete answers of the primary reach this point.
        NotCompared::PrimaryIncomplete | NotCompared::Body(_) => DropReason::PrimaryFailed,
    }
}
