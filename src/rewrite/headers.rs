//! `set_header`, `remove_headers` and `keep_headers`: the rewrites of a copy's headers.

use http::{
    HeaderName, HeaderValue,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, IntoHeaderName, TE, TRAILER,
        TRANSFER_ENCODING,
    },
    request,
};

use crate::headers::header_name;

/// Sets a header of the copy. All old values of the header are replaced.
///
/// The name is a `HeaderName` or a `&'static str`, as for
/// [`HeaderMap::insert`](http::HeaderMap::insert).
///
/// # Panics
///
/// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
///
/// # Example
///
/// ```
/// use http::{HeaderValue, Request};
/// use tower_mirror::rewrite;
///
/// let (mut copy, ()) = Request::get("/").body(()).unwrap().into_parts();
/// rewrite::set_header("x-environment", HeaderValue::from_static("shadow"))(&mut copy);
/// assert_eq!(copy.headers["x-environment"], "shadow");
/// ```
pub fn set_header(
    name: impl IntoHeaderName,
    value: HeaderValue,
) -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
    let name = header_name(name);
    move |copy: &mut request::Parts| {
        copy.headers.insert(name.clone(), value.clone());
    }
}

/// Removes these headers from the copy, as in `remove_headers([AUTHORIZATION, COOKIE])` or
/// `remove_headers(["x-internal"])`.
///
/// # Panics
///
/// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
pub fn remove_headers<N: IntoHeaderName>(
    names: impl IntoIterator<Item = N>,
) -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
    let names: Vec<HeaderName> = names.into_iter().map(header_name).collect();
    move |copy: &mut request::Parts| {
        for name in &names {
            copy.headers.remove(name);
        }
    }
}

/// Keeps these headers of the copy and removes all others. It also keeps the headers that the copy
/// needs for its body and its host: `host`, `content-length`, `transfer-encoding`, `trailer`, `te`,
/// `content-type` and `content-encoding`. The mirror's mark also stays.
/// `keep_headers::<HeaderName>([])` keeps only these.
///
/// It also removes headers that earlier rewrites have set. Headers that later rewrites set are not
/// removed.
///
/// # Panics
///
/// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
///
/// # Example
///
/// ```
/// use http::{Request, header::ACCEPT};
/// use tower_mirror::rewrite;
///
/// let request = Request::get("/").header("accept", "*/*").header("x-own-secret", "b");
/// let (mut copy, ()) = request.body(()).unwrap().into_parts();
/// rewrite::keep_headers([ACCEPT])(&mut copy);
/// assert!(copy.headers.contains_key("accept") && !copy.headers.contains_key("x-own-secret"));
/// ```
pub fn keep_headers<N: IntoHeaderName>(
    names: impl IntoIterator<Item = N>,
) -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
    let names = names.into_iter().map(header_name);
    let names: Vec<HeaderName> = names.chain(ALWAYS_KEPT.iter().cloned()).collect();
    move |copy: &mut request::Parts| {
        let others: Vec<HeaderName> = copy.headers.keys().cloned().collect();
        for name in others.iter().filter(|name| !names.contains(name)) {
            copy.headers.remove(name);
        }
    }
}

static ALWAYS_KEPT: [HeaderName; 7] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    TRAILER,
    TE,
    CONTENT_TYPE,
    CONTENT_ENCODING,
];
