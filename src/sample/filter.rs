//! Which requests may be taken at all.

use http::Method;

use crate::head::RequestHead;

/// Whether a request may be copied, decided before any draw.
///
/// Implemented for closures `Fn(&RequestHead<'_>) -> bool`; ready made:
/// [`methods`], [`safe_methods`], [`paths`], [`skip_paths`].
///
/// It runs on the primary's path, for every request: it must not block. A panic
/// in it is caught and counted as `policy_panicked`; the primary gets its request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a filter",
    label = "neither a `Filter` nor a closure `|head: &RequestHead<'_>| -> bool`",
    note = "ready made are `sample::methods`, `safe_methods`, `paths` and `skip_paths`"
)]
pub trait Filter: Send + Sync + 'static {
    /// Whether the request passes.
    fn passes(&self, head: &RequestHead<'_>) -> bool;
}

impl<F> Filter for F
where
    F: Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
{
    fn passes(&self, head: &RequestHead<'_>) -> bool {
        self(head)
    }
}

/// Passes requests with one of these methods.
pub fn methods(methods: impl IntoIterator<Item = Method>) -> Methods {
    Methods {
        methods: methods.into_iter().collect(),
    }
}

/// Passes `GET`, `HEAD`, `OPTIONS` and `TRACE`, the methods that are safe by
/// RFC 9110, section 9.2.1: what a shadow that shares a database with its
/// primary should be limited to.
#[must_use]
pub fn safe_methods() -> Methods {
    methods([Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE])
}

/// Passes requests whose path is, or lies below, one of these: `/items` takes
/// `/items` and `/items/7`, not `/itemsets`. Case-sensitive, not decoded.
pub fn paths<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Paths {
    Paths::new(paths, true)
}

/// Passes requests whose path neither is nor lies below one of these, as in
/// `skip_paths(["/health", "/metrics"])`.
pub fn skip_paths<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Paths {
    Paths::new(paths, false)
}

/// See [`methods`] and [`safe_methods`].
#[derive(Clone, Debug)]
pub struct Methods {
    methods: Vec<Method>,
}

impl Filter for Methods {
    fn passes(&self, head: &RequestHead<'_>) -> bool {
        self.methods.contains(head.method)
    }
}

/// See [`paths`] and [`skip_paths`].
#[derive(Clone, Debug)]
pub struct Paths {
    /// Without trailing slashes, so that what follows must begin with one.
    roots: Vec<String>,
    pass_when_below: bool,
}

impl Paths {
    fn new<P: Into<String>>(paths: impl IntoIterator<Item = P>, pass_when_below: bool) -> Self {
        let trimmed = |path: P| path.into().trim_end_matches('/').to_owned();
        Self {
            roots: paths.into_iter().map(trimmed).collect(),
            pass_when_below,
        }
    }

    fn is_below(&self, path: &str) -> bool {
        self.roots.iter().any(|root| {
            path.strip_prefix(root.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

impl Filter for Paths {
    fn passes(&self, head: &RequestHead<'_>) -> bool {
        self.is_below(head.uri.path()) == self.pass_when_below
    }
}
