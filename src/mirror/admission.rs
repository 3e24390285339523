//! The verdict on one request.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Version,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use http_body::Body;
use tokio::runtime::Handle;

use super::{
    exchange::Copy,
    head::{self, copy_head},
    join::{Join, PrimarySide},
    shared::Shared,
    span::{self, CopySpan},
    ticket::Ticket,
};
use crate::{
    body::{Announced, BodyMode, Capture, Charge, least_cost, record},
    head::RequestHead,
    observe::Outcome,
    sample::SampleRate,
    tokens::tokens,
};

/// What the primary's path keeps of an admitted request.
pub(super) struct Admitted {
    pub(super) capture: Option<Capture>,
    pub(super) primary: PrimarySide,
}

impl Shared {
    /// At an edge that trusts nobody, a mark from outside means nothing.
    pub(super) fn strip_inbound_mark<B>(&self, request: &mut Request<B>) {
        if self.policy.strip_inbound_mark {
            if let Some(mark) = &self.policy.mark {
                request.headers_mut().remove(mark);
            }
        }
    }

    /// Begins a copy, or counts why there is none.
    pub(super) fn admit<B>(self: &Arc<Self>, request: &Request<B>) -> Option<Admitted>
    where
        B: Body<Data = Bytes>,
    {
        // What a body says of itself may be a user's code, and so are the policies.
        let head = catch_unwind(AssertUnwindSafe(|| RequestHead::of(request)));
        let is_sound = head.is_ok();
        let head = head.unwrap_or_else(|_| RequestHead::without_hint(request));
        let verdict = catch_unwind(AssertUnwindSafe(|| {
            let seen = self.decide(&head)?;
            Ok((seen, !request.body().is_end_stream()))
        }));
        let outcome = match verdict {
            Ok(Ok((seen, has_body))) if is_sound => {
                let announced = announced::<B>(&head, &seen);
                match self.begin(&head, &seen, announced, has_body) {
                    Ok(admitted) => return Some(admitted),
                    Err(outcome) => outcome,
                }
            }
            Ok(Err(outcome)) => outcome,
            _ => Outcome::PolicyPanicked,
        };
        self.counters.skipped(outcome);
        span::skipped(self, outcome);
        self.tell(|observer| observer.on_skip(outcome, &head));
        None
    }

    /// In this order; only the draw advances the draw.
    #[inline]
    fn decide(&self, head: &RequestHead<'_>) -> Result<Seen, Outcome> {
        let policy = &self.policy;
        if let Some(refusal) = self.gate.refusal() {
            return Err(refusal);
        }
        if !policy.filters.iter().all(|filter| filter.passes(head)) {
            return Err(Outcome::Filtered);
        }
        // One look at each name, which is cheaper than looking some of them up.
        let mut seen = Seen::default();
        for name in head.headers.keys() {
            if policy.mark.as_ref() == Some(name) {
                return Err(Outcome::Loop);
            }
            seen.note(name);
        }
        if head.method == Method::CONNECT {
            return Err(Outcome::Upgrade);
        }
        if seen.coding && policy.body != BodyMode::Omit && !is_chunked_only(head.headers) {
            return Err(Outcome::TransferCoding);
        }
        let is_taken = match self.rate() {
            // At both ends there is nothing to draw.
            SampleRate::NONE => false,
            SampleRate::ALL => true,
            rate => rate.takes(policy.draw.point(head)),
        };
        if is_taken {
            Ok(seen)
        } else {
            Err(Outcome::NotSampled)
        }
    }

    /// Off the path of requests that are not sampled.
    #[inline(never)]
    fn begin(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        seen: &Seen,
        announced: Announced,
        has_body: bool,
    ) -> Result<Admitted, Outcome> {
        let runtime = Handle::try_current().map_err(|_| Outcome::NoRuntime)?;
        let is_taken = has_body && self.policy.body != BodyMode::Omit;
        let is_live = self.policy.body == BodyMode::Stream;
        if !has_body && self.policy.body != BodyMode::Omit && !announced.is_whole(0) {
            return Err(Outcome::ClientAborted);
        }
        // What must be held until it is whole.
        let held = if is_taken && !is_live {
            announced.length.unwrap_or_default().max(head.body.lower())
        } else {
            0
        };
        if held > self.limits.max_body_bytes {
            return Err(Outcome::TooLarge);
        }
        self.gate.enter()?;
        // From here on the ticket's end, or this function's, leaves again.
        let (head_charge, parts, route) =
            self.take(head, held).inspect_err(|_| self.gate.leave())?;

        let (capture, recording) = match is_taken {
            false => (None, None),
            true => {
                let live = is_live.then(|| self.limits.live(announced.live_length()));
                let max_bytes = if is_live {
                    u64::MAX
                } else {
                    self.limits.max_body_bytes
                };
                let (capture, recording) = record(&self.budget, announced, max_bytes, live);
                (Some(capture), Some(recording))
            }
        };
        self.counters.started();
        let span = CopySpan::begin(&self.name, head, route.as_deref());
        let join = Arc::new(Join::new(Arc::clone(self), route));
        let body = recording.as_ref().map(|recording| recording.primary());
        let primary = PrimarySide::new(Arc::clone(&join), body);
        let ticket = Ticket::new(join, recording, head_charge, span);
        let copy = Copy {
            // HTTP/2 has no such field.
            offers_upgrade: seen.upgrade && head.version < Version::HTTP_2,
            parts,
            ticket,
        };
        self.shadow.launch(&runtime, copy);
        Ok(Admitted { capture, primary })
    }

    fn take(
        &self,
        head: &RequestHead<'_>,
        held: u64,
    ) -> Result<(Charge, http::request::Parts, Option<Arc<str>>), Outcome> {
        let charge = Charge::take(&self.budget, head::cost(head)).ok_or(Outcome::NoBytes)?;
        if held > 0 && !self.budget.has(least_cost(held)) {
            return Err(Outcome::NoBytes);
        }
        catch_unwind(AssertUnwindSafe(|| {
            let route = self.policy.route.as_ref().and_then(|label| label(head));
            (charge, copy_head(head, &self.policy.carries), route)
        }))
        .map_err(|_| Outcome::PolicyPanicked)
    }
}

/// Fields that the head has, which decide on a copy.
#[derive(Clone, Copy, Default)]
struct Seen {
    coding: bool,
    upgrade: bool,
    length: bool,
    trailer: bool,
}

impl Seen {
    #[inline]
    fn note(&mut self, name: &HeaderName) {
        match *name {
            TRANSFER_ENCODING => self.coding = true,
            UPGRADE => self.upgrade = true,
            CONTENT_LENGTH => self.length = true,
            TRAILER => self.trailer = true,
            _ => {}
        }
    }
}

fn announced<B>(head: &RequestHead<'_>, seen: &Seen) -> Announced {
    // Most requests have none of these fields.
    match seen.length || seen.trailer {
        true => Announced::of::<B>(head.version, head.headers, &head.body),
        false => Announced::without_fields::<B>(head.version, &head.body),
    }
}

/// Whether the body is framed by `chunked` and by no coding that the copy would lose (RFC 9112, section 6.1).
fn is_chunked_only(headers: &HeaderMap) -> bool {
    let mut codings = tokens(headers, &TRANSFER_ENCODING).filter(|coding| !coding.is_empty());
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}
