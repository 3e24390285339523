//! Filters: functions that decide whether a request may be copied.

use http::Method;

use crate::request_head::RequestHead;

/// The type of all filters, and of the predicates that are like them.
pub(crate) type FilterFn = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

/// A filter that returns `true` for requests with one of these methods.
///
/// # Example
///
/// ```
/// use http::{Method, Request};
/// use tower_mirror::{RequestHead, sample};
///
/// let reads = sample::methods([Method::GET, Method::HEAD]);
/// let request = Request::post("/items").body(String::new()).unwrap();
/// assert!(!reads(&RequestHead::of(&request)));
/// ```
pub fn methods(
    methods: impl IntoIterator<Item = Method>,
) -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    let methods: Vec<Method> = methods.into_iter().collect();
    move |head: &RequestHead<'_>| methods.contains(head.method)
}

/// A filter that returns `true` for `GET`, `HEAD`, `OPTIONS` and `TRACE`, the methods that are safe
/// by RFC 9110, section 9.2.1. A shadow that shares a database with its primary should receive only
/// these.
pub fn safe_methods() -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    methods([Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE])
}

/// A filter that returns `true` for requests whose path is one of these or lies below one: `/items`
/// means `/items` and `/items/7`, but not `/itemsets`. Paths are case-sensitive and are not
/// decoded.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower_mirror::{RequestHead, sample};
///
/// let items = sample::paths(["/items"]);
/// let request = Request::get("/items/7?full=1").body(String::new()).unwrap();
/// assert!(items(&RequestHead::of(&request)));
/// ```
pub fn paths<P: Into<String>>(
    paths: impl IntoIterator<Item = P>,
) -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    let roots = roots(paths);
    move |head: &RequestHead<'_>| is_below(&roots, head.uri.path())
}

/// A filter that returns `true` for requests whose path neither is one of these nor lies below one,
/// as in `skip_paths(["/health", "/metrics"])`.
pub fn skip_paths<P: Into<String>>(
    paths: impl IntoIterator<Item = P>,
) -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    let roots = roots(paths);
    move |head: &RequestHead<'_>| !is_below(&roots, head.uri.path())
}

/// Removes trailing slashes, so that the rest of a path below a root begins with a slash.
fn roots<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Vec<String> {
    let trimmed = |path: P| path.into().trim_end_matches('/').to_owned();
    paths.into_iter().map(trimmed).collect()
}

fn is_below(roots: &[String], path: &str) -> bool {
    roots.iter().any(|root| {
        path.strip_prefix(root.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
