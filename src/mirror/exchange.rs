//! One copy, from its admission to the end of the shadow's answer, on a task of its own.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use tokio::{task::unconstrained, time::Instant};
use tower_service::Service;

use super::{
    capturing::poll_captured, framing::CopyBody, head, join::Served, send::send, shared::Shared,
    ticket::Ticket,
};
use crate::{
    BoxError,
    body::{BodyMode, Recording, ShadowBody, Watch},
    clock::{later, try_sleep_until, until},
    observe::Outcome,
};

/// An admitted copy.
pub(super) struct Copy {
    pub(super) parts: Parts,
    pub(super) ticket: Ticket,
    /// The primary may switch protocols, which its answer shows.
    pub(super) offers_upgrade: bool,
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
        let Copy { parts, ticket, .. } = copy;
        // Before the ticket, so that nothing of an ended copy is left. A destructor may be a user's, and panic.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(move || drop((parts, shadow))));
        ticket.end(outcome);
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
    let watch = copy.ticket.recording.as_ref().map(Recording::watch);
    let is_relayed = is_live && watch.is_some();
    let first = match (&watch, copy.offers_upgrade) {
        (None, false) => limits.timeout,
        _ => limits.capture_timeout,
    };
    // A primary that reads the body may answer after it only, for which a live copy cannot wait.
    let mut switching = (copy.offers_upgrade && is_relayed).then(|| Arc::clone(copy.ticket.join()));
    let mut sent = Instant::now();
    let Some(deadline) = try_sleep_until(later(sent, first)) else {
        return Outcome::NoRuntime;
    };
    let mut deadline = pin!(deadline);

    let mut body = match &copy.ticket.recording {
        Some(recording) if is_live => CopyBody::Live {
            declared: recording.declared(),
        },
        _ => CopyBody::None,
    };
    if let Some(watch) = watch.as_ref().filter(|_| !is_live) {
        let captured = poll_fn(|cx| poll_captured(watch, limits, deadline.as_mut(), cx));
        match captured.await {
            Ok(captured) => {
                copy.ticket.report.request_bytes = captured.bytes;
                body = CopyBody::Whole(captured);
            }
            Err(outcome) => return outcome,
        }
    }
    if copy.offers_upgrade && !is_relayed {
        let join = copy.ticket.join();
        let served = pin!(poll_fn(|cx| join.poll_primary(cx)));
        match until(served, deadline.as_mut()).await {
            None => return Outcome::TimedOut,
            Some(Served::Answered(StatusCode::SWITCHING_PROTOCOLS)) => return Outcome::Upgrade,
            // Without an answer, the protocol is the same as before.
            Some(Served::Answered(_) | Served::Failed | Served::Dropped) => {}
        }
    }
    if watch.is_some() || copy.offers_upgrade {
        sent = Instant::now();
        let next = match is_relayed {
            true => limits.capture_timeout,
            false => limits.timeout,
        };
        deadline.as_mut().reset(later(sent, next));
    }
    head::finish(&mut copy.parts, &body, shared);

    let mut relaying = watch.as_ref().filter(|_| is_live);
    let mut relayed = 0;
    let mut total = None;
    let mut outcome = {
        let mut sending = pin!(send(shadow, copy, sent, shared));
        let mut answered = None;
        poll_fn(|cx| {
            if let Some(join) = &switching {
                match join.poll_primary(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Served::Answered(StatusCode::SWITCHING_PROTOCOLS)) => {
                        return Poll::Ready(Outcome::Upgrade);
                    }
                    Poll::Ready(_) => switching = None,
                }
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
                    // It failed because the body did, where that is lost.
                    let lost = relaying.and_then(Watch::lost);
                    answered = Some(lost.map_or(outcome, Outcome::from));
                    total = Some(sent.elapsed());
                }
            }
            match (answered, relaying) {
                // Trailers may follow what was declared and has been answered.
                (Some(outcome), Some(watch)) if is_received(outcome) && watch.is_sent() => {
                    return Poll::Pending;
                }
                (Some(outcome), _) => return Poll::Ready(outcome),
                (None, Some(_)) => return Poll::Pending,
                (None, None) => {}
            }
            // Unconstrained, or an answer that uses up tokio's budget would hold off its own deadline.
            let passed = pin!(unconstrained(deadline.as_mut())).poll(cx);
            passed.map(|()| Outcome::TimedOut)
        })
        .await
    };
    let report = &mut copy.ticket.report;
    if is_received(outcome) && watch.as_ref().is_some_and(Watch::left_trailers) {
        outcome = Outcome::FailedTransport;
        report.error =
            Some("the shadow's client did not send the trailers of the request".to_owned());
    }
    report.request_bytes += relayed;
    // A body that ends after the answer does not make the shadow slower.
    report.total = total.or_else(|| Some(sent.elapsed()));
    outcome
}

fn is_received(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Completed | Outcome::CompletedTruncated)
}
