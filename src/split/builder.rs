//! Everything that can be decided about a split.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Request, Response};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_service::Service;

use super::{
    branch::{Fallible, SubsetError},
    error::InvalidSplit,
    force::Force,
    layer::{Beside, WeightedSplitLayer},
    plan::Plan,
    served::Empty503,
    service::WeightedSplit,
};
use crate::sample::Draw;

/// Decides how a split behaves; what does not fit together is a typed error of `build`. Begun by
/// [`WeightedSplit::builder`] and [`WeightedSplitLayer::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SplitBuilder<K, U = Empty503> {
    kind: K,
    plan: Plan,
    refuse: U,
}

/// The subsets of a [`WeightedSplit`].
#[derive(Debug)]
pub struct Subsets<S>(pub(super) Vec<S>);

/// The subsets of a [`WeightedSplitLayer`].
#[derive(Debug)]
pub struct Layered<T>(pub(super) Vec<Option<T>>);

impl<K> SplitBuilder<K> {
    pub(super) fn new(name: Arc<str>, kind: K) -> Self {
        Self {
            kind,
            plan: Plan::new(name),
            refuse: Empty503,
        }
    }
}

impl<K, U> SplitBuilder<K, U> {
    /// Where `from` is not ready, in time or at all, its requests, still unsent, go to `to`, which may
    /// have weight 0. Followed once. Without one, nothing is ever moved. Default: none.
    pub fn fallback(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.plan.fallbacks.push((from.into(), to.into()));
        self
    }

    /// How requests are shared out. A [`Draw::key`] keeps users with their subset; its default salt is
    /// this split's name, so that different splits meet different users. Default: [`Draw::even`].
    pub fn draw(mut self, draw: Draw) -> Self {
        self.plan.policy.draw = draw;
        self
    }

    /// Lets trusted requests name their subset. Default: none can.
    pub fn force(mut self, force: Force) -> Self {
        self.plan.policy.force = Some(force);
        self
    }

    /// How long a subset may take to become ready. Default: 1 s.
    pub fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.plan.policy.ready_timeout = timeout;
        self
    }

    /// Names the subset in this header of each response. Default: none.
    pub fn response_header(mut self, name: HeaderName) -> Self {
        self.plan.policy.response_header = Some(name);
        self
    }

    /// Leaves [`Served`](super::Served) out of the extensions of requests and responses, which takes up to six
    /// allocations a request: more than all the rest of a split. Counters and
    /// [`response_header`](Self::response_header) remain; [`not_served_by`](super::not_served_by) passes everything then.
    /// Default: it is there.
    pub fn without_served(mut self) -> Self {
        self.plan.policy.is_told = false;
        self
    }

    /// What to answer where no subset can: all weights are zero, or the chosen one is not ready in
    /// time and has no fallback. Default: an empty `503`, where the body has a `Default`.
    pub fn unavailable<V>(self, refuse: V) -> SplitBuilder<K, V> {
        SplitBuilder {
            kind: self.kind,
            plan: self.plan,
            refuse,
        }
    }

    fn declare(&mut self, name: impl Into<String>, weight: u32) {
        self.plan.declared.push((name.into(), weight));
    }
}

impl<S, U> SplitBuilder<Subsets<S>, U> {
    /// A subset of this name and weight. Weights are relative: 9 and 1 are 90 % and
    /// 10 %. One of weight 0 is never chosen by weight or key. All are of one type; the
    /// [module](crate::split) shows how different ones are boxed into one.
    pub fn subset(mut self, name: impl Into<String>, weight: u32, service: S) -> Self {
        self.declare(name, weight);
        self.kind.0.push(service);
        self
    }

    /// The split.
    ///
    /// # Errors
    ///
    /// [`InvalidSplit`] for no subset, bad or duplicate names, and fallbacks that are unknown or cyclic.
    pub fn build(self) -> Result<WeightedSplit<S, U>, InvalidSplit> {
        let shared = self.plan.shared()?;
        Ok(WeightedSplit::new(self.kind.0.into(), shared, self.refuse))
    }
}

impl<B, R, E, U> SplitBuilder<Layered<Beside<B, R, E>>, U>
where
    B: 'static,
    R: 'static,
    E: 'static,
{
    /// The wrapped service is the subset of this name and weight.
    pub fn inner(mut self, name: impl Into<String>, weight: u32) -> Self {
        self.declare(name, weight);
        self.kind.0.push(None);
        self
    }

    /// A subset beside the wrapped service, of this name and weight; see
    /// [`inner`](Self::inner). It answers with the same body and fails with the same error;
    /// an `HttpTarget` around an axum service does neither: see [`fallible_subset`](Self::fallible_subset).
    pub fn subset<S>(mut self, name: impl Into<String>, weight: u32, service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>, Error = E> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.declare(name, weight);
        let service = service.map_err(SubsetError::Own);
        self.kind.0.push(Some(BoxCloneSyncService::new(service)));
        self
    }

    /// A subset that fails with errors of its own, of which `answer` makes responses:
    /// [`bad_gateway`](super::bad_gateway), say. A fallback still sees that it is not ready.
    ///
    /// So an `HttpTarget` becomes the canary of an axum application, whose services never fail:
    ///
    /// ```
    /// use axum::{Router, body::Body};
    /// use http::Response;
    /// use tower::{Layer, ServiceBuilder};
    /// use tower_mirror::{HttpTarget, WeightedSplitLayer, client, split};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let canary = ServiceBuilder::new()
    ///     .map_response(|answer: Response<client::ResponseBody>| answer.map(Body::new))
    ///     .service(HttpTarget::new("http://127.0.0.1:9002")?);
    /// let app: Router = Router::new().fallback_service(
    ///     WeightedSplitLayer::builder("catalog")
    ///         .inner("v1", 99)
    ///         .fallible_subset("v2", 1, canary, split::bad_gateway)
    ///         .fallback("v2", "v1")
    ///         .build()?
    ///         .layer(Router::<()>::new()),
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn fallible_subset<S, A>(
        mut self,
        name: impl Into<String>,
        weight: u32,
        service: S,
        answer: A,
    ) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        A: Fn(S::Error) -> Response<R> + Clone + Send + Sync + 'static,
    {
        self.declare(name, weight);
        let service = Fallible { service, answer }.map_err(SubsetError::Unready);
        self.kind.0.push(Some(BoxCloneSyncService::new(service)));
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// [`InvalidSplit`] for no inner subset or several, bad or duplicate names, and
    /// fallbacks that are unknown or cyclic.
    pub fn build(self) -> Result<WeightedSplitLayer<Beside<B, R, E>, U>, InvalidSplit> {
        let count = self.kind.0.iter().filter(|subset| subset.is_none()).count();
        if count != 1 {
            return Err(InvalidSplit::Inner { count });
        }
        let shared = self.plan.shared()?;
        Ok(WeightedSplitLayer::new(
            self.kind.0.into(),
            shared,
            self.refuse,
        ))
    }
}
