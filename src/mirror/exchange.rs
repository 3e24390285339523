//! One copy, from its admission to the end of the shadow's answer, on a task of its own.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tokio::{task::unconstrained, time::Instant};
use tower_service::Service;

use super::{framing::CopyBody, head, send::send, shared::Shared, ticket::Ticket};
use crate::{
    BoxError,
    body::{BodyMode, Lost, ShadowBody, Watch},
    clock::{later, try_sleep_until, until},
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
    let mut sent = Instant::now();
    let Some(deadline) = try_sleep_until(later(sent, first)) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);

    // Of a body that is sent while it is captured.
    let mut capture = None;
    match &copy.ticket.recording {
        None => head::finish(&mut copy.parts, &CopyBody::None, shared),
        Some(recording) if is_live => {
            let declared = recording.declared();
            head::finish(&mut copy.parts, &CopyBody::Live { declared }, shared);
            capture = Some(recording.watch());
        }
        Some(recording) => {
            let captured = pin!(poll_fn(|cx| recording.poll_captured(cx)));
            let captured = match until(captured, deadline.as_mut()).await {
                Some(Ok(captured)) => captured,
                Some(Err(lost)) => return lost.into(),
                None => return Outcome::TimedOut,
            };
            sent = Instant::now();
            deadline.as_mut().reset(later(sent, limits.timeout));
            copy.ticket.report.request_bytes = captured.bytes;
            head::finish(&mut copy.parts, &CopyBody::Whole(captured), shared);
        }
    }

    let mut relayed = 0;
    let outcome = {
        let mut sending = pin!(send(shadow, copy, sent, shared));
        poll_fn(|cx| {
            match capture.as_ref().map(|capture| capture.poll_captured(cx)) {
                Some(Poll::Ready(Err(lost))) => return Poll::Ready(lost.into()),
                Some(Poll::Ready(Ok(captured))) => {
                    relayed = captured.bytes;
                    deadline
                        .as_mut()
                        .reset(later(Instant::now(), limits.timeout));
                    capture = None;
                }
                Some(Poll::Pending) | None => {}
            }
            if let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                // It failed because the body did, where that is lost.
                let lost = capture.as_ref().and_then(Watch::lost);
                return Poll::Ready(lost.map_or(outcome, Outcome::from));
            }
            if capture.is_some() {
                return Poll::Pending;
            }
            // Unconstrained, or an answer that uses up tokio's budget would hold off its own deadline.
            let passed = pin!(unconstrained(deadline.as_mut())).poll(cx);
            passed.map(|()| Outcome::TimedOut)
        })
        .await
    };
    copy.ticket.report.request_bytes += relayed;
    copy.ticket.report.total = Some(sent.elapsed());
    outcome
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
