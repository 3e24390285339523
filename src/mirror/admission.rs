//! `Admission`: decides whether a request is copied, and begins the copy.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Version,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body::Body;
use tokio::runtime::Handle;

use super::{
    follow::{Follow, Followed, Token},
    head::{self, copy_head},
    join::{Join, PrimarySide},
    partner::Partner,
    shadow::Launch,
    span::{self, CopySpan},
    state::MirrorState,
    ticket::{PendingCopy, Ticket},
};
use crate::{
    body::{Announced, BodyMode, CaptureOwner, CaptureWriter, Charge, begin_capture, least_cost},
    guard::guarded,
    headers::tokens,
    observe::Outcome,
    request_head::RequestHead,
    sample::SampleRate,
};

/// Decides for each request whether it is copied, and begins the exchanges of the copies with the
/// shadow.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) shared: Arc<MirrorState>,
    shadow: Arc<dyn Launch>,
    /// The code that follows copies and responses, if there is any.
    pub(super) follow: Option<Arc<dyn Follow>>,
    /// Sends the second copy of a followed request.
    pub(super) partner: Option<Arc<Partner>>,
}

/// The parts of an admitted request that stay on the primary's path.
pub(super) struct Admitted {
    /// `None` means that the body is not captured.
    pub(super) writer: Option<CaptureWriter>,
    pub(super) primary: PrimarySide,
    /// For the layer around the mirror, if something follows the request.
    pub(super) token: Option<Token>,
}

impl Admission {
    pub(super) fn new(shared: MirrorState, shadow: Arc<dyn Launch>) -> Self {
        Self {
            shared: Arc::new(shared),
            shadow,
            follow: None,
            partner: None,
        }
    }

    /// Removes the loop guard's header from a request that arrives, if `strip_inbound_mark` is set.
    pub(super) fn strip_inbound_mark<B>(&self, request: &mut Request<B>) {
        let policy = &self.shared.policy;
        if policy.strip_inbound_mark {
            if let Some(mark) = &policy.mark {
                request.headers_mut().remove(mark);
            }
        }
    }

    /// Begins a copy. If the request is not copied, the reason is counted and returned.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<Admitted, Outcome>
    where
        B: Body<Data = Bytes>,
    {
        // The policies are code of the user, and the size hint of a body may be as well.
        let head = guarded(|| RequestHead::of(request));
        let is_sound = head.is_some();
        let head = head.unwrap_or_else(|| RequestHead::without_hint(request));
        let verdict = guarded(|| {
            let fields = self.decide(&head)?;
            Ok((fields, !request.body().is_end_stream()))
        });
        let outcome = match verdict {
            Some(Ok((fields, has_body))) if is_sound => {
                let announced = announced::<B>(&head, &fields);
                match self.begin(&head, &fields, announced, has_body) {
                    Ok(admitted) => return Ok(admitted),
                    Err(outcome) => outcome,
                }
            }
            Some(Err(outcome)) => outcome,
            _ => Outcome::PolicyPanicked,
        };
        self.shared.counters.skipped(outcome);
        span::skipped(&self.shared, outcome);
        self.shared
            .notify(|observer| observer.on_skip(outcome, &head));
        Err(outcome)
    }

    /// Runs the checks in the documented order. The draw advances only if all earlier checks
    /// passed.
    #[inline]
    fn decide(&self, head: &RequestHead<'_>) -> Result<NotedFields, Outcome> {
        let policy = &self.shared.policy;
        if let Some(refusal) = self.shared.gate.refusal() {
            return Err(refusal);
        }
        if !policy.filters.iter().all(|filter| filter(head)) {
            return Err(Outcome::Filtered);
        }
        // A loop over all names is cheaper than several look-ups in the map.
        let mut fields = NotedFields::default();
        for name in head.headers.keys() {
            if policy.mark.as_ref() == Some(name) {
                return Err(Outcome::Loop);
            }
            fields.note(name);
        }
        if head.method == Method::CONNECT {
            return Err(Outcome::Upgrade);
        }
        if fields.coding && policy.body_mode != BodyMode::HeadOnly && !is_chunked_only(head.headers)
        {
            return Err(Outcome::TransferCoding);
        }
        let is_sampled = match self.shared.rate() {
            // At 0 % and at 100 % the result is known without a draw.
            SampleRate::NONE => false,
            SampleRate::ALL => true,
            rate => rate.takes(policy.draw.point(head)),
        };
        if is_sampled {
            Ok(fields)
        } else {
            Err(Outcome::NotSampled)
        }
    }

    /// Begins a copy. Requests that are not sampled do not reach this function.
    #[inline(never)]
    fn begin(
        &self,
        head: &RequestHead<'_>,
        fields: &NotedFields,
        announced: Announced,
        has_body: bool,
    ) -> Result<Admitted, Outcome> {
        let shared = &self.shared;
        let (mode, limits) = (shared.policy.body_mode, &shared.limits);
        let runtime = Handle::try_current().map_err(|_| Outcome::NoRuntime)?;
        let is_captured = has_body && mode != BodyMode::HeadOnly;
        let is_live = mode == BodyMode::Streaming;
        if !has_body && mode != BodyMode::HeadOnly && !announced.is_whole(0) {
            return Err(Outcome::ClientAborted);
        }
        // The bytes that must stay in memory until the body is complete, as far as their number is
        // known.
        let held = if is_captured && !is_live {
            announced.length.unwrap_or_default().max(head.body.lower())
        } else {
            0
        };
        if held > limits.max_body_bytes {
            return Err(Outcome::TooLarge);
        }
        shared.gate.enter()?;
        // From here on the ticket releases the slot. If `prepare` fails, this function releases it.
        let (head_charge, parts, route) = self
            .prepare(head, held)
            .inspect_err(|_| shared.gate.leave())?;

        let (writer, capture) = match is_captured {
            false => (None, None),
            true => {
                let live = is_live.then(|| limits.lag_window(announced.live_length()));
                let max_bytes = if is_live {
                    u64::MAX
                } else {
                    limits.max_body_bytes
                };
                let (writer, capture) = begin_capture(&shared.budget, announced, max_bytes, live);
                (Some(writer), Some(capture))
            }
        };
        shared.counters.started();
        let span = CopySpan::begin(&shared.name, head.method, head.uri, route.as_deref());
        let followed = self
            .follow
            .as_ref()
            .and_then(|follow| follow.begin(head, route.as_ref()));
        let join = Arc::new(Join::new(Arc::clone(shared), head.method.clone(), route));
        let body = capture.as_ref().map(CaptureOwner::primary);
        let primary = PrimarySide::new(Arc::clone(&join), body);
        let mut ticket = Ticket::new(join, capture, head_charge, span);
        let token = followed.map(|Followed { token, side }| {
            ticket.side = Some(side);
            ticket.partner = self.partner.clone().map(|partner| partner as _);
            token
        });
        let copy = PendingCopy {
            // HTTP/2 does not have the field `Upgrade`.
            offers_upgrade: fields.upgrade && head.version < Version::HTTP_2,
            parts,
            ticket,
        };
        self.shadow.launch(&runtime, copy);
        Ok(Admitted {
            writer,
            primary,
            token,
        })
    }

    /// Charges the budget for the head, copies the head, and obtains the label of the route.
    fn prepare(
        &self,
        head: &RequestHead<'_>,
        held: u64,
    ) -> Result<(Charge, Parts, Option<Arc<str>>), Outcome> {
        let MirrorState { budget, policy, .. } = &*self.shared;
        let charge = Charge::take(budget, head::cost(head)).ok_or(Outcome::BufferLimit)?;
        if held > 0 && !budget.has(least_cost(held)) {
            return Err(Outcome::BufferLimit);
        }
        guarded(|| {
            let route = policy.route_label.as_ref().and_then(|label| label(head));
            (charge, copy_head(head, &policy.copied_extensions), route)
        })
        .ok_or(Outcome::PolicyPanicked)
    }
}

/// Which of the fields that influence the decision a head has.
#[derive(Clone, Copy, Default)]
struct NotedFields {
    coding: bool,
    upgrade: bool,
    length: bool,
    trailer: bool,
}

impl NotedFields {
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

fn announced<B>(head: &RequestHead<'_>, fields: &NotedFields) -> Announced {
    // Most requests have neither of these fields.
    match fields.length || fields.trailer {
        true => Announced::of::<B>(head.version, head.headers, &head.body),
        false => Announced::without_fields::<B>(head.version, &head.body),
    }
}

/// Whether `chunked` is the only transfer coding of the body. A copy would lose any other coding
/// (RFC 9112, section 6.1).
fn is_chunked_only(headers: &HeaderMap) -> bool {
    let mut codings = tokens(headers, &TRANSFER_ENCODING).filter(|coding| !coding.is_empty());
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}
