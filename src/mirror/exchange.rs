//! `exchange`: the task of one copy, from its admission to the end of the shadow's response.

use std::{
    error::Error,
    future::{Future, poll_fn},
    mem,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::{
    task::{consume_budget, unconstrained},
    time::Instant,
};
use tower_service::Service;

use super::{
    answer::Answer,
    capturing::poll_captured,
    failure,
    framing::CopyBody,
    head,
    join::{Join, PrimaryResult},
    state::MirrorState,
    ticket::{PendingCopy, Ticket},
};
use crate::{
    BoxError,
    body::{BodyMode, CaptureOwner, ShadowBody, Watch},
    error::describe,
    guard::drop_guarded,
    observe::Outcome,
    time::{later, try_sleep_until, until, within},
};

/// Runs one copy to its outcome.
#[allow(clippy::manual_async_fn)] // an `async fn` would store the copy twice
pub(super) fn exchange<S, R>(shadow: Arc<S>, mut copy: PendingCopy) -> impl Future<Output = ()>
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
        let PendingCopy { parts, ticket, .. } = copy;
        // These are dropped before the ticket ends, so that nothing remains of a copy that has
        // ended.
        drop_guarded((parts, shadow));
        ticket.end(outcome);
    }
}

async fn run<S, R>(shadow: &Arc<S>, copy: &mut PendingCopy, shared: &MirrorState) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let watch = copy.ticket.capture.as_ref().map(CaptureOwner::watch);
    let is_live = shared.policy.body_mode == BodyMode::Streaming;
    match watch {
        Some(watch) if is_live => relay_live(shadow, copy, shared, watch).await,
        watch => send_whole(shadow, copy, shared, watch).await,
    }
}

/// Sends a copy when its body is complete, or immediately if it has no body.
async fn send_whole<S, R>(
    shadow: &Arc<S>,
    copy: &mut PendingCopy,
    shared: &MirrorState,
    watch: Option<Watch>,
) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let limits = &shared.limits;
    let waits_first = watch.is_some() || copy.offers_upgrade;
    let initial_timeout = match waits_first {
        true => limits.capture_timeout,
        false => limits.timeout,
    };
    let mut sent_at = Instant::now();
    let Some(deadline) = try_sleep_until(later(sent_at, initial_timeout)) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);

    let mut body = CopyBody::None;
    if let Some(watch) = &watch {
        let captured = poll_fn(|cx| poll_captured(watch, limits, deadline.as_mut(), cx));
        match captured.await {
            Ok(captured) => {
                copy.ticket.report.request_bytes = captured.bytes;
                body = CopyBody::Buffered(captured);
            }
            Err(outcome) => return outcome,
        }
    }
    if copy.offers_upgrade {
        let join = copy.ticket.join();
        let result = pin!(poll_fn(|cx| join.poll_primary(cx)));
        match until(result, deadline.as_mut()).await {
            None => return Outcome::TimedOut,
            Some(PrimaryResult::Answered(StatusCode::SWITCHING_PROTOCOLS)) => {
                return Outcome::Upgrade;
            }
            // Only a response with the status 101 switches the protocol.
            Some(PrimaryResult::Answered(_) | PrimaryResult::Failed | PrimaryResult::Dropped) => {}
        }
    }
    if waits_first {
        sent_at = Instant::now();
        deadline.as_mut().reset(later(sent_at, limits.timeout));
    }

    begin_side(copy);
    head::finalize_head(&mut copy.parts, &body, shared);
    let outcome = {
        let sending = pin!(send(shadow, copy, sent_at, shared));
        until(sending, deadline).await.unwrap_or(Outcome::TimedOut)
    };
    end_report(copy, outcome, watch.as_ref(), sent_at.elapsed())
}

/// Sends a copy while its body is read. The shadow may answer before the body ends.
async fn relay_live<S, R>(
    shadow: &Arc<S>,
    copy: &mut PendingCopy,
    shared: &MirrorState,
    watch: Watch,
) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let limits = &shared.limits;
    let sent_at = Instant::now();
    let Some(deadline) = try_sleep_until(later(sent_at, limits.capture_timeout)) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);
    let declared = copy
        .ticket
        .capture
        .as_ref()
        .and_then(CaptureOwner::declared);
    begin_side(copy);
    head::finalize_head(&mut copy.parts, &CopyBody::Streaming { declared }, shared);

    // A primary may read the whole body before it answers, and a live copy cannot wait for that
    // answer. So the copy is sent, and aborted if the primary switches protocols.
    let mut switching = copy.offers_upgrade.then(|| Arc::clone(copy.ticket.join()));
    let mut relaying = Some(&watch);
    let mut relayed = 0;
    let mut total = None;
    let outcome = {
        let mut sending = pin!(send(shadow, copy, sent_at, shared));
        let mut answered = None;
        poll_fn(|cx| {
            if poll_has_switched(&mut switching, cx) {
                return Poll::Ready(Outcome::Upgrade);
            }
            if let Some(watch) = relaying {
                match poll_captured(watch, limits, deadline.as_mut(), cx) {
                    Poll::Pending => {}
                    Poll::Ready(Err(Outcome::TimedOut)) => {
                        return Poll::Ready(answered.unwrap_or(Outcome::TimedOut));
                    }
                    Poll::Ready(Err(outcome)) => return Poll::Ready(outcome),
                    Poll::Ready(Ok(captured)) => {
                        relayed = captured.bytes;
                        relaying = None;
                        let timeout = later(Instant::now(), limits.timeout);
                        deadline.as_mut().reset(timeout);
                    }
                }
            }
            if answered.is_none() {
                if let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                    // If the capture of the body has failed, that is also the reason why the
                    // exchange failed.
                    let lost = relaying.and_then(Watch::lost);
                    answered = Some(lost.map_or(outcome, Outcome::from));
                    total = Some(sent_at.elapsed());
                }
            }
            match (answered, relaying) {
                // All declared bytes were sent and the shadow has answered, but trailers may still
                // follow.
                (Some(outcome), Some(watch)) if is_received(outcome) && watch.is_sent() => {
                    return Poll::Pending;
                }
                (Some(outcome), _) => return Poll::Ready(outcome),
                (None, Some(_)) => return Poll::Pending,
                (None, None) => {}
            }
            // Unconstrained, because a response that uses up tokio's budget would delay its own
            // deadline.
            let passed = pin!(unconstrained(deadline.as_mut())).poll(cx);
            passed.map(|()| Outcome::TimedOut)
        })
        .await
    };
    copy.ticket.report.request_bytes += relayed;
    // A body that ends after the response must not increase the time of the shadow.
    let total = total.unwrap_or_else(|| sent_at.elapsed());
    end_report(copy, outcome, Some(&watch), total)
}

/// Prepares the code that follows the copy, if there is any, and sends the second copy. This runs
/// before the head is finalized, and after the capture of a body that is sent whole.
fn begin_side(copy: &mut PendingCopy) {
    let Some(side) = &mut copy.ticket.side else {
        return;
    };
    side.prepare(&mut copy.parts);
    let second = side.second();
    if let (Some(partner), Some(second)) = (&copy.ticket.partner, second) {
        partner.send_second(copy, second);
    }
}

/// Whether the primary has switched protocols. If the primary has ended in another way, it is not
/// polled again.
fn poll_has_switched(switching: &mut Option<Arc<Join>>, cx: &mut Context<'_>) -> bool {
    let Some(join) = switching else {
        return false;
    };
    match join.poll_primary(cx) {
        Poll::Pending => false,
        Poll::Ready(PrimaryResult::Answered(StatusCode::SWITCHING_PROTOCOLS)) => true,
        Poll::Ready(_) => {
            *switching = None;
            false
        }
    }
}

/// Completes the report, and corrects the outcome of a copy whose trailers were not sent.
fn end_report(
    copy: &mut PendingCopy,
    outcome: Outcome,
    watch: Option<&Watch>,
    total: Duration,
) -> Outcome {
    let report = &mut copy.ticket.report;
    report.total = Some(total);
    if is_received(outcome) && watch.is_some_and(Watch::left_trailers) {
        report.error =
            Some("the shadow's client did not send the trailers of the request".to_owned());
        return Outcome::FailedTransport;
    }
    outcome
}

fn is_received(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Completed | Outcome::CompletedTruncated)
}

/// Calls the shadow and receives its response.
#[allow(clippy::manual_async_fn)] // an `async fn` would store its arguments twice
fn send<S, R>(
    shadow: &Arc<S>,
    copy: &mut PendingCopy,
    sent_at: Instant,
    shared: &MirrorState,
) -> impl Future<Output = Outcome>
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    async move {
        let answering = {
            let mut shadow = S::clone(shadow);
            if let Err(error) = poll_fn(|cx| shadow.poll_ready(cx)).await {
                return failed(error, failure::of_readiness, &mut copy.ticket);
            }
            if let Some(side) = &mut copy.ticket.side {
                let turn = poll_fn(|cx| side.poll_turn(cx));
                // Boxed, so that it does not enlarge the copies that nothing follows.
                let _ = Box::pin(within(LONGEST_TURN, turn)).await;
            }
            call(&mut shadow, copy)
        };
        let ticket = &mut copy.ticket;
        let answer = match answering.await {
            Ok(answer) => answer,
            Err(error) => return failed(error, failure::of_call, ticket),
        };
        ticket.head_charge = None;
        let max_bytes = shared.limits.max_response_bytes;
        let (mut answer, body) = Answer::begin(
            answer,
            &mut ticket.report,
            ticket.side.as_mut(),
            &ticket.span,
            sent_at,
            max_bytes,
        );
        let mut body = pin!(body);
        loop {
            match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                None => return answer.end(),
                Some(Err(error)) => return failed(error, |_| Outcome::FailedTransport, ticket),
                Some(Ok(frame)) => {
                    if let Err(outcome) = answer.frame(frame) {
                        return outcome;
                    }
                }
            }
            // A response that never ends and is always ready must not block the thread.
            consume_budget().await;
        }
    }
}

/// How long a copy waits for the other copy of its request, whose service may never become ready.
const LONGEST_TURN: Duration = Duration::from_millis(100);

/// Calls the shadow. This is a separate function, so that only the shadow's future contains the
/// request.
fn call<S>(shadow: &mut S, copy: &mut PendingCopy) -> S::Future
where
    S: Service<Request<ShadowBody>>,
{
    let PendingCopy { parts, ticket, .. } = copy;
    let body = ticket
        .capture
        .as_ref()
        .map_or_else(ShadowBody::empty, ShadowBody::of);
    ticket.span.sending(parts);
    let parts = mem::replace(parts, head::empty());
    let answering = shadow.call(Request::from_parts(parts, body));
    ticket.report.sent = true;
    if let Some(side) = &mut ticket.side {
        side.called();
    }
    answering
}

fn failed(
    error: impl Into<BoxError>,
    outcome: impl FnOnce(&(dyn Error + 'static)) -> Outcome,
    ticket: &mut Ticket,
) -> Outcome {
    let error: BoxError = error.into();
    ticket.report.error = Some(describe(&*error));
    outcome(&*error)
}
