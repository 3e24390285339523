//! Two mirrors for bodies of two sizes.

use http::header::CONTENT_LENGTH;
use tower_mirror::{BodyMode, MirrorLayer, RequestHead, Shadow};

/// Whether the declared length of the body is 1 MiB or more, or no length is declared.
fn is_large(head: &RequestHead<'_>) -> bool {
    const LARGE: u64 = 1 << 20;
    let length = head.headers.get(CONTENT_LENGTH);
    match length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()) {
        Some(length) => length >= LARGE,
        None => head.headers.contains_key("transfer-encoding"),
    }
}

/// The shadow has its own store, so that it may receive writes.
fn mirrors<R>(shadow: impl Shadow<R> + Clone) -> (MirrorLayer, MirrorLayer) {
    let complete = MirrorLayer::builder(shadow.clone())
        .name("v2-complete")
        .filter(|head| !is_large(head))
        .build();
    let live = MirrorLayer::builder(shadow)
        .name("v2-live")
        .filter(is_large)
        .body_mode(BodyMode::Streaming)
        .build();
    (complete, live)
}

mod tests {
    use axum::Router;
    use http::Request;
    use tower_mirror::RequestHead;

    use super::{is_large, mirrors};

    fn with_length(length: &str) -> Request<String> {
        let request = Request::post("/").header("content-length", length);
        request.body(String::new()).unwrap()
    }

    #[test]
    fn a_length_decides_which_mirror_copies() {
        assert!(is_large(&RequestHead::of(&with_length("5000000"))));
        assert!(!is_large(&RequestHead::of(&with_length("5"))));
        let chunked = Request::post("/").header("transfer-encoding", "chunked");
        assert!(is_large(&RequestHead::of(
            &chunked.body(String::new()).unwrap()
        )));
        let (complete, live) = mirrors(Router::<()>::new());
        assert_eq!(
            (complete.handle().name(), live.handle().name()),
            ("v2-complete", "v2-live")
        );
    }
}
