//! One copy, from its admission to the end of the shadow's answer, on a task of its own.

use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures_util::FutureExt;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tokio::{task::consume_budget, time::Instant};
use tower_service::Service;

use super::{answer::Answer, failure, head, shared::Shared, ticket::Ticket};
use crate::{
    BoxError,
    body::{Captured, Lost, ShadowBody},
    chain::describe,
    clock::{restart, try_sleep, until},
    observe::Outcome,
};

/// An admitted copy.
pub(super) struct Copy {
    pub(super) parts: Parts,
    pub(super) ticket: Ticket,
}

/// Runs one copy to its one outcome.
pub(super) async fn exchange<S, R>(shadow: Arc<S>, copy: Copy)
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let Copy { parts, mut ticket } = copy;
    let shared = Arc::clone(ticket.shared());
    let aborted = pin!(shared.gate.aborted());
    // The shadow, the rewrites and the timers are code that may panic.
    let work = AssertUnwindSafe(run(&shadow, parts, &mut ticket, &shared)).catch_unwind();
    let outcome = match until(work, aborted).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_panic)) => Outcome::Panicked,
        None => Outcome::Aborted,
    };
    ticket.end(outcome);
}

async fn run<S, R>(shadow: &Arc<S>, parts: Parts, ticket: &mut Ticket, shared: &Shared) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let limits = &shared.limits;
    let first = match &ticket.recording {
        Some(_) => limits.capture_timeout,
        None => limits.timeout,
    };
    let Some(deadline) = try_sleep(first) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);

    let captured = match &ticket.recording {
        None => None,
        Some(recording) => {
            let captured = poll_fn(|cx| recording.poll_captured(cx));
            match until(captured, deadline.as_mut()).await {
                Some(Ok(captured)) => Some(captured),
                Some(Err(lost)) => return lost.into(),
                None => return Outcome::TimedOut,
            }
        }
    };
    if captured.is_some() {
        restart(deadline.as_mut(), limits.timeout);
    }

    let sent = Instant::now();
    let sending = send(shadow, parts, captured, sent, ticket, shared);
    let outcome = until(sending, deadline).await.unwrap_or(Outcome::TimedOut);
    ticket.report.total = Some(sent.elapsed());
    outcome
}

/// Calls the shadow and receives its answer.
async fn send<S, R>(
    shadow: &Arc<S>,
    mut parts: Parts,
    captured: Option<Captured>,
    sent: Instant,
    ticket: &mut Ticket,
    shared: &Shared,
) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    head::finish(&mut parts, captured.as_ref(), shared);
    ticket.report.request_bytes = captured.as_ref().map_or(0, |captured| captured.bytes);
    let body = ticket
        .recording
        .as_ref()
        .map_or_else(ShadowBody::empty, ShadowBody::of);

    let mut shadow = S::clone(shadow);
    if let Err(error) = poll_fn(|cx| shadow.poll_ready(cx)).await {
        return failed(error, failure::of_readiness, ticket);
    }
    let answering = shadow.call(Request::from_parts(parts, body));
    ticket.report.sent = true;
    ticket.head_charge = None;
    let answer = match answering.await {
        Ok(answer) => answer,
        Err(error) => return failed(error, failure::of_call, ticket),
    };

    let (head, body) = answer.into_parts();
    let mut body = pin!(body);
    let mut answer = Answer::new(&mut ticket.report, sent, shared.limits.max_response_bytes);
    answer.head(&head);
    loop {
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => return answer.end(),
            Some(Err(error)) => return failed(error, |_| Outcome::FailedTransport, ticket),
            Some(Ok(frame)) => {
                if let Err(outcome) = answer.frame(&frame) {
                    return outcome;
                }
            }
        }
        // An answer without end that is always ready must not hold the thread.
        consume_budget().await;
    }
}

fn failed(
    error: impl Into<BoxError>,
    outcome: impl FnOnce(&(dyn std::error::Error + 'static)) -> Outcome,
    ticket: &mut Ticket,
) -> Outcome {
    let error: BoxError = error.into();
    ticket.report.error = Some(describe(&*error));
    outcome(&*error)
}

impl From<Lost> for Outcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unread => Self::Unread,
            Lost::ClientAborted => Self::ClientAborted,
            Lost::BodyError => Self::BodyError,
            Lost::TooLarge => Self::TooLarge,
            Lost::NoBytes => Self::NoBytes,
        }
    }
}
