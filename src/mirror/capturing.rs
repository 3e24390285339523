//! `poll_captured`: waits for the end of a request's body, within its deadlines.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep},
};

use super::settings::Limits;
use crate::{
    body::{Captured, Lost, Watch},
    observe::Outcome,
};

/// Waits until the body has ended for any reason, or until the deadline of the exchange. Each frame
/// of a live body moves the deadline. The deadline becomes earlier if the primary has left the body
/// unfinished.
pub(super) fn poll_captured(
    watch: &Watch,
    limits: &Limits,
    mut deadline: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Result<Captured, Outcome>> {
    loop {
        if let Poll::Ready(captured) = watch.poll_captured(cx) {
            return Poll::Ready(captured.map_err(Outcome::from));
        }
        let own = watch.deadline(limits.capture_timeout);
        if let Some(earlier) = own.filter(|own| *own < deadline.deadline()) {
            deadline.as_mut().reset(earlier);
        }
        // Unconstrained, because work that uses up tokio's budget would delay its own deadline.
        ready!(pin!(unconstrained(deadline.as_mut())).poll(cx));
        match watch.deadline(limits.capture_timeout) {
            Some(later) if later > Instant::now() => deadline.as_mut().reset(later),
            _ if watch.expire() => {}
            _ => return Poll::Ready(Err(Outcome::TimedOut)),
        }
    }
}

impl From<Lost> for Outcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unread => Self::Unread,
            Lost::ClientAborted => Self::ClientAborted,
            Lost::BodyError => Self::BodyError,
            Lost::TooLarge => Self::TooLarge,
            Lost::BufferLimit => Self::BufferLimit,
            Lost::Lagged => Self::Lagged,
        }
    }
}
