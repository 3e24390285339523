//! Calling the shadow, and receiving its answer.

use std::{future::poll_fn, mem, pin::pin, sync::Arc};

use http::{Request, Response};
use http_body::Body;
use tokio::{task::consume_budget, time::Instant};
use tower_service::Service;

use super::{
    answer::Answer,
    exchange::Copy,
    failure,
    head::{self, CopyBody},
    shared::Shared,
    ticket::Ticket,
};
use crate::{BoxError, body::ShadowBody, chain::describe, observe::Outcome};

/// Calls the shadow and receives its answer.
pub(super) async fn send<S, R>(
    shadow: &Arc<S>,
    copy: &mut Copy,
    body: CopyBody,
    sent: Instant,
    shared: &Shared,
) -> Outcome
where
    S: Service<Request<ShadowBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let Copy { parts, ticket } = copy;
    head::finish(parts, &body, shared);
    let body = ticket
        .recording
        .as_ref()
        .map_or_else(ShadowBody::empty, ShadowBody::of);

    let mut shadow = S::clone(shadow);
    if let Err(error) = poll_fn(|cx| shadow.poll_ready(cx)).await {
        return failed(error, failure::of_readiness, ticket);
    }
    let parts = mem::replace(parts, head::empty());
    ticket.span.sending(&parts);
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
    ticket.span.answered(&head);
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
