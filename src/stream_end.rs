//! Whether a body reports the end of its HTTP/2 stream, which distinguishes an end from a reset.

use std::any::type_name;

/// The body of servers. hyper reports a stream that its client reset with `NO_ERROR` as an ordinary end, and only
/// `is_end_stream`, which then stays false, shows the difference.
const OF_HYPER: &str = "hyper::body::incoming::Incoming";

/// Boxes of servers, which mostly contain that body and pass on what it says.
const BOXES: [&str; 2] = ["axum_core::body::Body", "tonic::body::Body"];

/// Bodies around another that pass on what it says.
const AROUND: [&str; 5] = [
    "http_body_util::limited::Limited<",
    "http_body_util::combinators::map_err::MapErr<",
    "http_body_util::combinators::map_frame::MapFrame<",
    "tower_mirror::body::tee::TeeBody<",
    "tower_mirror::buffer::body::BufferedBody<",
];

/// Whether bodies of this type report the end of an HTTP/2 stream by `is_end_stream`. `Body` lets others always say
/// `false`, so that nothing follows from it where the type is unknown.
#[cfg(feature = "client")]
pub(crate) fn says_end<B>() -> bool {
    innermost::<B>().starts_with(OF_HYPER)
}

/// Whether they may be expected to. A box can contain a body that always says `false`, as that of a layer around the
/// server's: enough to do without a copy, and not enough to refuse a request.
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
