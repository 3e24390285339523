//! Which trace the copy belongs to.

use http::{HeaderName, HeaderValue, request};

use super::Rewrite;
use crate::traceparent::Traceparent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Which trace the shadow takes the copy for a part of: what becomes of `traceparent` and `tracestate`.
///
/// A [`Rewrite`]: `.rewrite(TraceContext::New)`. Without any, copies keep what the request had.
/// Source: Trace Context, W3C Recommendation, sections 3.2 and 3.3. `baggage` and the headers of other
/// systems (`b3`, `x-amzn-trace-id`) are left alone; [`remove_headers`](super::remove_headers) removes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TraceContext {
    /// Both stay as they are: the shadow's spans hang in the primary's trace, beside the primary's own.
    #[default]
    Keep,
    /// A trace of the copy's own: a random trace and parent in version 00, sampled if the request's was, so
    /// that a share which was decided at the edge holds for shadows too. `tracestate` is removed, as it
    /// belongs to the old one. A request without a valid `traceparent` leaves a copy without any.
    New,
    /// Both are removed: the shadow begins a trace, or none, as it decides itself.
    Drop,
}

impl Rewrite for TraceContext {
    fn rewrite(&self, copy: &mut request::Parts) {
        let parent = match self {
            Self::Keep => return,
            Self::New => new(copy),
            Self::Drop => None,
        };
        copy.headers.remove(TRACESTATE);
        match parent {
            Some(parent) => {
                copy.headers.insert(TRACEPARENT, parent);
            }
            None => {
                copy.headers.remove(TRACEPARENT);
            }
        }
    }
}

fn new(copy: &request::Parts) -> Option<HeaderValue> {
    let mut values = copy.headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let flags = u8::from(Traceparent::of(value.as_bytes())?.is_sampled());
    // Neither may be zero.
    let trace = fastrand::u128(1..);
    let parent = fastrand::u64(1..);
    HeaderValue::try_from(format!("00-{trace:032x}-{parent:016x}-{flags:02x}")).ok()
}
