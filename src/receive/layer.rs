//! The `ReadOnlyLayer`, which is also its own builder.

use std::{fmt, sync::Arc};

use http::{StatusCode, header::IntoHeaderName};
use tower_layer::Layer;

use super::service::{ReadOnly, Rule};
use crate::{
    headers::header_name, marker::MARK, request_head::RequestHead, respond::EmptyResponse,
    sample::safe_methods,
};

/// 2 MiB, which is also the largest body that a mirror copies by default.
const MAX_BODY_BYTES: u64 = 2 * 1024 * 1024;

/// Refuses copies that would write. See the [module](crate::receive) for an example.
///
/// The layer forwards requests without the mark unchanged. It also forwards copies with a [safe
/// method](safe_methods) (RFC 9110, section 9.2.1), and copies that [`allow`](Self::allow) accepts.
/// A `GET` that writes is also forwarded, because only the service can know that it writes. If a
/// service obeys `x-http-method-override`, this layer must be inside the part that obeys it. All
/// gRPC requests are `POST`: allow the methods that only read.
///
/// A refused copy is answered with `403 Forbidden` by default. In the mirror's statistics, this
/// status distinguishes refused writes from writes that the shadow has performed. With a 2xx
/// status, refused writes would look like performed writes there.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_mirror::ReadOnlyLayer;
///
/// let layer = ReadOnlyLayer::new().allow(|head| head.uri.path() == "/search");
/// let app: Router = Router::new().route("/search", post(async || "[]")).layer(layer);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct ReadOnlyLayer<A = EmptyResponse> {
    rule: Rule,
    refusal: A,
}

impl ReadOnlyLayer {
    /// Creates a layer for the mark `x-mirrored-by` that answers refused copies with `403
    /// Forbidden`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rule: Rule {
                mark: MARK.clone(),
                allowed: Arc::new([Arc::new(safe_methods())]),
                max_body_bytes: MAX_BODY_BYTES,
            },
            refusal: EmptyResponse(StatusCode::FORBIDDEN),
        }
    }

    /// Answers refused copies with another status than `403 Forbidden`, without a body.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.refusal = EmptyResponse(status);
        self
    }
}

impl<A> ReadOnlyLayer<A> {
    /// The name of the header that marks copies. It must be the name that
    /// [`MirrorBuilder::mark`](crate::MirrorBuilder::mark) has configured. Default:
    /// `x-mirrored-by`.
    ///
    /// # Panics
    ///
    /// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
    #[must_use]
    pub fn mark(mut self, name: impl IntoHeaderName) -> Self {
        self.rule.mark = header_name(name);
        self
    }

    /// Also forwards copies of any method for which `filter` returns `true`, as in `|head|
    /// head.uri.path() == "/search"`. This method may be called several times; one filter that
    /// returns `true` is sufficient. A panic in a filter is not caught, and the copy then has no
    /// response.
    #[must_use]
    pub fn allow<F>(mut self, filter: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    {
        let allowed = self.rule.allowed.iter().cloned();
        self.rule.allowed = allowed.chain([Arc::new(filter) as _]).collect();
        self
    }

    /// The number of bytes of a refused copy's body that are read before the copy is answered, so
    /// that its connection can be used again. The rest of a longer body is not read, and over
    /// HTTP/1 its connection is closed. Default: 2 MiB.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.rule.max_body_bytes = bytes;
        self
    }

    /// Configures the responses to refused copies. `refusal` is a closure `Fn(&request::Parts) ->
    /// Response<R>` or another [`MakeResponse`](crate::MakeResponse). Default: an empty `403
    /// Forbidden`.
    #[must_use]
    pub fn refusal<N>(self, refusal: N) -> ReadOnlyLayer<N> {
        ReadOnlyLayer {
            rule: self.rule,
            refusal,
        }
    }
}

impl Default for ReadOnlyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, A: Clone> Layer<S> for ReadOnlyLayer<A> {
    type Service = ReadOnly<S, A>;

    fn layer(&self, inner: S) -> ReadOnly<S, A> {
        ReadOnly::new(inner, self.rule.clone(), self.refusal.clone())
    }
}

impl<A> fmt::Debug for ReadOnlyLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadOnlyLayer").field(&self.rule).finish()
    }
}
