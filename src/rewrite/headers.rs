//! Edits of the copied head.

use std::fmt;

use http::{HeaderName, HeaderValue, request};

/// Has the last word on the copy's head.
///
/// Implemented for closures `Fn(&mut request::Parts)`; ready made:
/// [`set_header`], [`remove_headers`], [`strip_credentials`](super::strip_credentials),
/// [`only`](super::only), [`TraceContext`](super::TraceContext). It runs on the copy's own task, after everything else was
/// decided, and only where a copy is sent; what it leaves is what the shadow gets. The
/// one exception is the mirror's mark: a copy without it could be mirrored in turn without
/// end, so it is put back where it was removed. A panic in it ends the copy as `panicked`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot rewrite copies",
    label = "neither a `Rewrite` nor a closure `|copy: &mut http::request::Parts| {{ .. }}`",
    note = "ready made are `rewrite::set_header`, `remove_headers`, `strip_credentials` and `only`"
)]
pub trait Rewrite: Send + Sync + 'static {
    /// Edits the head of the copy.
    fn rewrite(&self, copy: &mut request::Parts);
}

impl<F> Rewrite for F
where
    F: Fn(&mut request::Parts) + Send + Sync + 'static,
{
    fn rewrite(&self, copy: &mut request::Parts) {
        self(copy);
    }
}

/// Sets a header of the copy, in place of all that had its name.
#[must_use]
pub fn set_header(name: HeaderName, value: HeaderValue) -> SetHeader {
    SetHeader { name, value }
}

/// Removes these headers from the copy, as in `remove_headers([AUTHORIZATION, COOKIE])`.
pub fn remove_headers(names: impl IntoIterator<Item = HeaderName>) -> RemoveHeaders {
    RemoveHeaders {
        names: names.into_iter().collect(),
    }
}

/// See [`set_header`].
#[derive(Clone)]
pub struct SetHeader {
    name: HeaderName,
    value: HeaderValue,
}

/// The name alone: the value may be the shadow's own credential.
impl fmt::Debug for SetHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetHeader").field(&self.name).finish()
    }
}

impl Rewrite for SetHeader {
    fn rewrite(&self, copy: &mut request::Parts) {
        copy.headers.insert(self.name.clone(), self.value.clone());
    }
}

/// See [`remove_headers`].
#[derive(Clone, Debug)]
pub struct RemoveHeaders {
    names: Vec<HeaderName>,
}

impl Rewrite for RemoveHeaders {
    fn rewrite(&self, copy: &mut request::Parts) {
        for name in &self.names {
            copy.headers.remove(name);
        }
    }
}
