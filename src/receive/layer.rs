//! The layer, which is its own builder.

use std::{fmt, sync::Arc};

use http::{HeaderName, StatusCode};
use tower_layer::Layer;

use super::{
    refusal::Empty,
    service::{ReadOnly, Rule},
};
use crate::{
    mark::MARK,
    sample::{Filter, safe_methods},
};

/// 2 MiB, what a mirror copies at most by default.
const MAX_BODY_BYTES: u64 = 2 * 1024 * 1024;

/// Refuses copies that would write. See the [room](super).
///
/// What passes: requests without the mark, untouched; and copies with a
/// [safe method](safe_methods) (RFC 9110, section 9.2.1), or that [`also`](Self::also) names. A
/// `GET` that writes passes: only the service can know. A service that heeds
/// `x-http-method-override` needs this layer inside of what heeds it. All of gRPC
/// is `POST`: name the methods that read.
#[derive(Clone)]
pub struct ReadOnlyLayer<A = Empty> {
    rule: Rule,
    refusal: A,
}

impl ReadOnlyLayer {
    /// For the mark `x-mirrored-by`, answering `403 Forbidden`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rule: Rule {
                mark: MARK.clone(),
                passes: Arc::new([Arc::new(safe_methods())]),
                max_body_bytes: MAX_BODY_BYTES,
            },
            refusal: Empty::default(),
        }
    }

    /// Another status than `403 Forbidden`, as [`Empty`] has it.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.refusal = Empty(status);
        self
    }
}

impl<A> ReadOnlyLayer<A> {
    /// The header that marks copies, as the mirror was told with
    /// [`MirrorBuilder::mark`](crate::MirrorBuilder::mark). Default: `x-mirrored-by`.
    #[must_use]
    pub fn mark(mut self, name: HeaderName) -> Self {
        self.rule.mark = name;
        self
    }

    /// Lets these copies pass as well, whatever their method: searches by `POST`, say. May be
    /// given several times. A panic in it is the request's own, which is then not served.
    #[must_use]
    pub fn also(mut self, filter: impl Filter) -> Self {
        let passes = self.rule.passes.iter().cloned();
        self.rule.passes = passes
            .chain([Arc::new(filter) as Arc<dyn Filter>])
            .collect();
        self
    }

    /// How many bytes of a refused copy's body are read before it is answered, so that its connection can be used
    /// again; of a longer one the rest is let go of, and over HTTP/1 its connection with it. Default: 2 MiB.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.rule.max_body_bytes = bytes;
        self
    }

    /// What refused copies are answered with: closures `Fn(&request::Parts) -> Response<R>`.
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
