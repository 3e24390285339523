//! `Partner`: sends the second copy of a request to another shadow.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{
    follow::Side,
    join::Join,
    shadow::Launch,
    span::{self, CopySpan},
    state::MirrorState,
    ticket::{PendingCopy, SendSecond, Ticket},
};
use crate::{
    body::{CaptureOwner, Charge},
    observe::Outcome,
};

/// A second shadow with its own limits and counters. It has the policy of the mirror.
#[derive(Debug)]
pub(super) struct Partner {
    pub(super) shared: Arc<MirrorState>,
    shadow: Arc<dyn Launch>,
}

impl Partner {
    pub(super) fn new(shared: MirrorState, shadow: Arc<dyn Launch>) -> Self {
        Self {
            shared: Arc::new(shared),
            shadow,
        }
    }

    fn try_send(
        &self,
        copy: &PendingCopy,
        side: Box<dyn Side>,
    ) -> Result<(), (Outcome, Box<dyn Side>)> {
        let shared = &self.shared;
        let Ok(runtime) = Handle::try_current() else {
            return Err((Outcome::NoRuntime, side));
        };
        if let Err(outcome) = self.enter() {
            return Err((outcome, side));
        }
        // From here on the slot is released by the ticket, or by this function if it fails.
        let Some((head_charge, capture)) = self.prepare(copy) else {
            shared.gate.leave();
            return Err((Outcome::BufferLimit, side));
        };
        shared.counters.started();
        let route = copy.ticket.join().route();
        let parts = copy.parts.clone();
        let span = CopySpan::begin(&shared.name, &parts.method, &parts.uri, route.as_deref());
        let join = Arc::new(Join::new(Arc::clone(shared), parts.method.clone(), route));
        let mut ticket = Ticket::new(join, capture, head_charge, span);
        ticket.side = Some(side);
        let copy = PendingCopy {
            offers_upgrade: false,
            parts,
            ticket,
        };
        self.shadow.launch(&runtime, copy);
        Ok(())
    }

    fn enter(&self) -> Result<(), Outcome> {
        match self.shared.gate.refusal() {
            Some(refusal) => Err(refusal),
            None => self.shared.gate.enter(),
        }
    }

    /// Charges the head, and takes the body that the first copy has captured.
    fn prepare(&self, copy: &PendingCopy) -> Option<(Charge, Option<CaptureOwner>)> {
        let budget = &self.shared.budget;
        let bytes = copy.ticket.head_charge.as_ref().map_or(0, Charge::bytes);
        let charge = Charge::take(budget, bytes)?;
        let capture = match &copy.ticket.capture {
            None => None,
            Some(capture) => Some(capture.twin(budget)?),
        };
        Some((charge, capture))
    }
}

impl SendSecond for Partner {
    fn send_second(&self, copy: &PendingCopy, side: Box<dyn Side>) {
        if let Err((outcome, side)) = self.try_send(copy, side) {
            self.shared.counters.skipped(outcome);
            span::skipped(&self.shared, outcome);
            side.ended(outcome);
        }
    }
}
