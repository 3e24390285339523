//! Calling the shadow, and receiving its answer.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::Arc,
};

use http::{Request, Response};
use http_body::Body;
use tokio::{task::consume_budget, time::Instant};
use tower_service::Service;

use super::{answer::Answer, exchange::Copy, failure, head, shared::Shared, ticket::Ticket};
use crate::{BoxError, body::ShadowBody, chain::describe, observe::Outcome};

/// Calls the shadow and receives its answer.
#[allow(clippy::manual_async_fn)] // which would hold its arguments twice
pub(super) fn send<S, R>(
    shadow: &Arc<S>,
    copy: &mut Copy,
    sent: Instant,
    shared: &Shared,
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
            call(&mut shadow, copy)
        };
        let ticket = &mut copy.ticket;
        let answer = match answering.await {
            Ok(answer) => answer,
            Err(error) => return failed(error, failure::of_call, ticket),
        };
        ticket.head_charge = None;
        let max_bytes = shared.limits.max_response_bytes;
        let (mut answer, body) =
            Answer::begin(answer, &mut ticket.report, &ticket.span, sent, max_bytes);
        let mut body = pin!(body);
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
}

/// Apart, so that the request is in nobody's future but the shadow's.
fn call<S>(shadow: &mut S, copy: &mut Copy) -> S::Future
where
    S: Service<Request<ShadowBody>>,
{
    let Copy { parts, ticket, .. } = copy;
    let body = ticket
        .recording
        .as_ref()
        .map_or_else(ShadowBody::empty, ShadowBody::of);
    ticket.span.sending(parts);
    let parts = mem::replace(parts, head::empty());
    let answering = shadow.call(Request::from_parts(parts, body));
    ticket.report.sent = true;
    answering
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
