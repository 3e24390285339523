//! What a write that is refused is answered with.

use http::{Response, StatusCode, request};

/// The answer to a copy that is refused. Implemented for closures `Fn(&request::Parts) -> Response<R>`,
/// and for the default, [`Empty`].
pub trait Refusal<R> {
    /// The answer.
    fn answer(&self, copy: &request::Parts) -> Response<R>;
}

impl<F, R> Refusal<R> for F
where
    F: Fn(&request::Parts) -> Response<R>,
{
    fn answer(&self, copy: &request::Parts) -> Response<R> {
        self(copy)
    }
}

/// A status without a body. The default is `403 Forbidden`, which the mirror counts
/// apart from what a shadow that performed the write would say; with a 2xx instead, refused writes
/// look performed in its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty(pub StatusCode);

impl Default for Empty {
    fn default() -> Self {
        Self(StatusCode::FORBIDDEN)
    }
}

impl<R: Default> Refusal<R> for Empty {
    fn answer(&self, _: &request::Parts) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = self.0;
        response
    }
}
