//! `new_trace` and `remove_trace`: the rewrites of a copy's trace context.

use http::{HeaderName, HeaderValue, request};

use crate::headers::Traceparent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Begins a new trace for the copy: `traceparent` (version 00) has a random trace id and parent id.
/// The new trace is sampled if the trace of the request was sampled, so that a sampling rate that
/// the edge has decided also applies to the shadow. `tracestate` is removed, because it belongs to
/// the old trace.
///
/// If the request has no valid `traceparent`, the copy has neither of the two fields. Without this
/// rewrite, a copy keeps the fields of the request, and the shadow's spans are in the same trace as
/// the primary's spans.
///
/// Source: Trace Context, W3C Recommendation, sections 3.2 and 3.3. `baggage` and the headers of
/// other systems (`b3`, `x-amzn-trace-id`) are not changed;
/// [`remove_headers`](super::remove_headers) removes them.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower_mirror::rewrite;
///
/// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let (mut copy, ()) = Request::get("/").header("traceparent", parent).body(()).unwrap().into_parts();
///
/// rewrite::new_trace()(&mut copy);
/// assert_ne!(copy.headers["traceparent"], parent);
/// ```
pub fn new_trace() -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
    |copy: &mut request::Parts| {
        let parent = new_parent(copy);
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

/// Removes `traceparent` and `tracestate` from the copy. The shadow then decides whether it begins
/// a new trace.
pub fn remove_trace() -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
    super::remove_headers([TRACEPARENT, TRACESTATE])
}

fn new_parent(copy: &request::Parts) -> Option<HeaderValue> {
    let mut values = copy.headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let flags = u8::from(Traceparent::parse(value.as_bytes())?.is_sampled());
    // Neither id may be zero.
    let trace = fastrand::u128(1..);
    let parent = fastrand::u64(1..);
    HeaderValue::try_from(format!("00-{trace:032x}-{parent:016x}-{flags:02x}")).ok()
}
