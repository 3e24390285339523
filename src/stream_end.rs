//! Functions that decide whether a body reports the end of its HTTP/2 stream, which distinguishes
//! an end from a reset.

use std::any::type_name;

/// The body of requests in hyper's servers. If a client resets a stream with `NO_ERROR`, hyper
/// reports this as an ordinary end. Only `is_end_stream` shows the difference: it stays `false`.
const OF_HYPER: &str = "hyper::body::incoming::Incoming";

/// Boxes that servers use. They usually contain hyper's body and return its `is_end_stream`.
const BOXES: [&str; 2] = ["axum_core::body::Body", "tonic::body::Body"];

/// Bodies that wrap another body and return its `is_end_stream`.
const AROUND: [&str; 5] = [
    "http_body_util::limited::Limited<",
    "http_body_util::combinators::map_err::MapErr<",
    "http_body_util::combinators::map_frame::MapFrame<",
    "tower_mirror::body::tee::TeeBody<",
    "tower_mirror::buffer::body::BufferedBody<",
];

/// Whether bodies of this type report the end of an HTTP/2 stream by `is_end_stream`. The trait
/// `Body` permits that this method always returns `false`, so `false` means nothing if the type is
/// unknown.
#[cfg(feature = "client")]
pub(crate) fn says_end<B>() -> bool {
    innermost::<B>().starts_with(OF_HYPER)
}

/// Whether bodies of this type usually report the end. A box can also contain a body of a layer,
/// which may always return `false`. So the answer is reliable enough to omit a copy, but not to
/// refuse a request.
pub(crate) fn should_say_end<B>() -> bool {
    let name = innermost::<B>();
    name.starts_with(OF_HYPER) || BOXES.iter().any(|known| name.starts_with(known))
}

fn innermost<B>() -> &'static str {
    let mut name = type_name::<B>();
    while let Some(inner) = AROUND.iter().find_map(|around| name.strip_prefix(around)) {
        name = inner;
    }
    name
}
