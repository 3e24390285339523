//! `Ticket`: the resources of an admitted copy, which are released when the copy ends for any
//! reason.

use std::{fmt, mem, sync::Arc, thread};

use http::request::Parts;

use super::{follow::Side, join::Join, span::CopySpan, state::MirrorState};
use crate::{
    body::{CaptureOwner, Charge},
    guard::guarded,
    observe::{Outcome, ShadowReport},
};

/// An admitted copy that has not been sent.
pub(super) struct PendingCopy {
    pub(super) parts: Parts,
    pub(super) ticket: Ticket,
    /// Whether the request offers an upgrade. The primary's response then shows whether the
    /// protocol is switched.
    pub(super) offers_upgrade: bool,
}

/// One slot inside the gate, and the duty to count one outcome.
#[derive(Debug)]
pub(super) struct Ticket {
    join: Arc<Join>,
    /// `None` means that the copy has no body.
    pub(super) capture: Option<CaptureOwner>,
    /// The charge for the head. The shadow's client may keep the head in memory until it has a
    /// response.
    pub(super) head_charge: Option<Charge>,
    pub(super) report: ShadowReport,
    pub(super) span: CopySpan,
    /// The code that follows the copy, if there is any.
    pub(super) side: Option<Box<dyn Side>>,
    /// Sends the second copy of a followed request.
    pub(super) partner: Option<Arc<dyn SendSecond>>,
    outcome: Option<Outcome>,
}

/// Sends a second copy of a request, to another shadow.
pub(super) trait SendSecond: fmt::Debug + Send + Sync {
    /// Sends the same request as `copy`, which is about to be sent. The second copy has its own slot,
    /// charge and outcome. Its body was captured already, so both copies begin at the same moment.
    fn send_second(&self, copy: &PendingCopy, side: Box<dyn Side>);
}

impl Ticket {
    /// Takes ownership of one slot inside the gate. Dropping the ticket releases it.
    pub(super) fn new(
        join: Arc<Join>,
        capture: Option<CaptureOwner>,
        head_charge: Charge,
        span: CopySpan,
    ) -> Self {
        Self {
            join,
            capture,
            head_charge: Some(head_charge),
            report: ShadowReport::default(),
            span,
            side: None,
            partner: None,
            outcome: None,
        }
    }

    pub(super) fn join(&self) -> &Arc<Join> {
        &self.join
    }

    pub(super) fn shared(&self) -> &Arc<MirrorState> {
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
        // The destructor of a frame may be code of the user, and may panic.
        let _ = guarded(|| self.capture = None);
        self.head_charge = None;
        if let Some(side) = self.side.take() {
            side.ended(outcome);
        }
        self.span.ended(shared, outcome, &self.report);
        self.join.shadow_ended(outcome, mem::take(&mut self.report));
        // This step is the last, so that a drain counts each aborted copy once and finds no remains
        // of a copy that has ended.
        if outcome == Outcome::Aborted {
            shared.gate.aborted_one();
        }
        shared.gate.leave();
    }
}
