//! One copy, from its admission to the end of the shadow's answer, on a task of its own.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use http::{Request, Response, request::Parts};
use http_body::Body;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::{head::CopyBody, send::send, shared::Shared, ticket::Ticket};
use crate::{
    BoxError,
    body::{BodyMode, Lost, ShadowBody, Watch},
    clock::{restart, try_sleep, until},
    observe::Outcome,
};

/// An admitted copy.
pub(super) struct Copy {
    pub(super) parts: Parts,
    pub(super) ticket: Ticket,
}

/// Runs one copy to its one outcome.
#[allow(clippy::manual_async_fn)] // which would hold the copy twice
pub(super) fn exchange<S, R>(shadow: Arc<S>, mut copy: Copy) -> impl Future<Output = ()>
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    async move {
        let shared = Arc::clone(copy.ticket.shared());
        let outcome = {
            let aborted = pin!(shared.gate.aborted());
            // The shadow, the rewrites and the timers are code that may panic.
            let work = pin!(AssertUnwindSafe(run(&shadow, &mut copy, &shared)).catch_unwind());
            match until(work, aborted).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_panic)) => Outcome::Panicked,
                None => Outcome::Aborted,
            }
        };
        copy.ticket.end(outcome);
    }
}

async fn run<S, R>(shadow: &Arc<S>, copy: &mut Copy, shared: &Shared) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let limits = &shared.limits;
    let is_live = shared.policy.body == BodyMode::Stream;
    let first = match &copy.ticket.recording {
        Some(_) if is_live => Duration::MAX,
        Some(_) => limits.capture_timeout,
        None => limits.timeout,
    };
    let Some(deadline) = try_sleep(first) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);

    let (body, capture) = match &copy.ticket.recording {
        None => (CopyBody::None, None),
        Some(recording) if is_live => {
            let declared = recording.declared();
            (CopyBody::Live { declared }, Some(recording.watch()))
        }
        Some(recording) => {
            let captured = pin!(poll_fn(|cx| recording.poll_captured(cx)));
            let captured = match until(captured, deadline.as_mut()).await {
                Some(Ok(captured)) => captured,
                Some(Err(lost)) => return lost.into(),
                None => return Outcome::TimedOut,
            };
            restart(deadline.as_mut(), limits.timeout);
            copy.ticket.report.request_bytes = captured.bytes;
            (CopyBody::Whole(captured), None)
        }
    };

    let sent = Instant::now();
    let mut relayed = 0;
    let outcome = {
        let sending = pin!(send(shadow, copy, body, sent, shared));
        match capture {
            None => until(sending, deadline).await.unwrap_or(Outcome::TimedOut),
            Some(capture) => relay(sending, &capture, &mut relayed, deadline, limits.timeout).await,
        }
    };
    copy.ticket.report.request_bytes += relayed;
    copy.ticket.report.total = Some(sent.elapsed());
    outcome
}

/// Sends a body that is still being captured: its loss ends the copy, its end starts the deadline.
async fn relay(
    mut sending: Pin<&mut impl Future<Output = Outcome>>,
    capture: &Watch,
    relayed: &mut u64,
    mut deadline: Pin<&mut Sleep>,
    timeout: Duration,
) -> Outcome {
    let captured = pin!(poll_fn(|cx| capture.poll_captured(cx)));
    match select(captured, sending.as_mut()).await {
        Either::Left((Err(lost), _)) => lost.into(),
        Either::Left((Ok(captured), _)) => {
            *relayed = captured.bytes;
            restart(deadline.as_mut(), timeout);
            until(sending, deadline).await.unwrap_or(Outcome::TimedOut)
        }
        // It failed because the body did, where that is lost.
        Either::Right((outcome, _)) => capture.lost().map_or(outcome, Outcome::from),
    }
}

impl From<Lost> for Outcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unread => Self::Unread,
            Lost::ClientAborted => Self::ClientAborted,
            Lost::BodyError => Self::BodyError,
            Lost::TooLarge => Self::TooLarge,
            Lost::NoBytes => Self::NoBytes,
            Lost::Lagged => Self::Lagged,
        }
    }
}
