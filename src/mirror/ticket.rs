//! What an admitted copy holds, and gives back however it ends.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use super::{join::Join, shared::Shared, span::CopySpan};
use crate::{
    body::{Charge, Recording},
    observe::{Outcome, ShadowReport},
};

/// One place inside the gate, and the duty to count one outcome.
#[derive(Debug)]
pub(super) struct Ticket {
    join: Arc<Join>,
    /// `None`: the copy has no body.
    pub(super) recording: Option<Recording>,
    /// For the head, which the shadow's client may hold until it has an answer.
    pub(super) head_charge: Option<Charge>,
    pub(super) report: ShadowReport,
    pub(super) span: CopySpan,
    outcome: Option<Outcome>,
}

impl Ticket {
    /// Takes over a place that was entered.
    pub(super) fn new(
        join: Arc<Join>,
        recording: Option<Recording>,
        head_charge: Charge,
        span: CopySpan,
    ) -> Self {
        Self {
            join,
            recording,
            head_charge: Some(head_charge),
            report: ShadowReport::default(),
            span,
            outcome: None,
        }
    }

    pub(super) fn join(&self) -> &Arc<Join> {
        &self.join
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        self.join.shared()
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(if thread::panicking() {
            Outcome::Panicked
        } else {
            Outcome::Aborted // the task was dropped with its runtime
        });
        let shared = self.join.shared();
        shared.counters.ended(outcome);
        // The destructor of a frame may be a user's, and panic.
        let _ = catch_unwind(AssertUnwindSafe(|| self.recording = None));
        self.head_charge = None;
        self.span.ended(shared, outcome, &self.report);
        self.join.shadow_ended(outcome, mem::take(&mut self.report));
        // Last, so that a drain counts an aborted copy in one way only, and finds nothing left of those that have ended.
        if outcome == Outcome::Aborted {
            shared.gate.aborted_one();
        }
        shared.gate.leave();
    }
}
