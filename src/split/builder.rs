//! The builders of a `WeightedSplit` and of a `WeightedSplitLayer`.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode, header::IntoHeaderName};
use tower_service::Service;

use super::{
    error::InvalidSplit, force::Force, layer::WeightedSplitLayer, plan::Plan,
    service::WeightedSplit, subset::BoxedSubset,
};
use crate::{headers::header_name, respond::EmptyResponse, sample::Draw};

/// The settings of a [`WeightedSplit`]. [`WeightedSplit::builder`] creates it.
/// [`build`](Self::build) returns an error if the settings contradict each other.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{Response, StatusCode};
/// use tower_mirror::{HttpTarget, WeightedSplit, client::ResponseBody, split::Unavailable};
///
/// fn unavailable(why: &Unavailable) -> Response<ResponseBody> {
///     println!("no subset can serve the request: {why}");
///     Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(ResponseBody::default()).unwrap()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let split = WeightedSplit::builder("catalog")
///     .subset("v1", 95, HttpTarget::new("http://127.0.0.1:9001")?)
///     .subset("v2", 5, HttpTarget::new("http://127.0.0.1:9002")?)
///     .fallback("v2", "v1")
///     .ready_timeout(Duration::from_millis(500))
///     .response_header("x-served-by")
///     .unavailable(unavailable)
///     .build()?;
/// # let _ = split;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct WeightedSplitBuilder<S, U = EmptyResponse> {
    subsets: Vec<Option<S>>,
    plan: Plan,
    unavailable: U,
}

/// The settings of a [`WeightedSplitLayer`]. [`WeightedSplitLayer::builder`] creates it.
/// [`build`](Self::build) returns an error if the settings contradict each other. See
/// [`subset_with_errors`](Self::subset_with_errors) for a further example.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use tower::Layer;
/// use tower_mirror::{Draw, Key, WeightedSplitLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (v1, v2) = (Router::<()>::new(), Router::<()>::new());
/// let split = WeightedSplitLayer::builder("catalog")
///     .inner("v1", 90)
///     .subset("v2", 10, v2)
///     .draw(Draw::key(Key::cookie("uid")))
///     .build()?;
/// let app: Router = Router::new().fallback_service(split.layer(v1));
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct WeightedSplitLayerBuilder<T, U = EmptyResponse> {
    /// `None` stands for the wrapped service.
    subsets: Vec<Option<T>>,
    plan: Plan,
    unavailable: U,
}

/// The settings that both builders have.
macro_rules! settings {
    ($builder:ident) => {
        impl<S> $builder<S> {
            fn new(name: Arc<str>) -> Self {
                Self {
                    subsets: Vec::new(),
                    plan: Plan::new(name),
                    unavailable: EmptyResponse(StatusCode::SERVICE_UNAVAILABLE),
                }
            }
        }

        impl<S, U> $builder<S, U> {
            /// Adds a subset. `None` is the wrapped service.
            fn push(mut self, name: impl Into<String>, weight: u32, subset: Option<S>) -> Self {
                self.plan.declared.push((name.into(), weight));
                self.subsets.push(subset);
                self
            }

            /// If `from` fails to become ready, or is not ready in time, its requests are moved to
            /// `to` before they are sent. `to` may have the weight 0. The fallback of `to` is not
            /// used for these requests. Without a fallback, no request is moved. Default: no
            /// fallback.
            pub fn fallback(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
                self.plan.fallbacks.push((from.into(), to.into()));
                self
            }

            /// How a subset is chosen for each request. With a [`Draw::key`], each user stays with
            /// one subset. The default salt of the key is this split's name, so that the canaries
            /// of different splits have different users. Default: [`Draw::even`].
            pub fn draw(mut self, draw: Draw) -> Self {
                self.plan.policy.draw = draw;
                self
            }

            /// Permits trusted requests to name their subset. Default: no request can name its
            /// subset.
            pub fn force(mut self, force: Force) -> Self {
                self.plan.policy.force = Some(force);
                self
            }

            /// The time within which a subset must become ready. Default: 1 s.
            pub fn ready_timeout(mut self, timeout: Duration) -> Self {
                self.plan.policy.ready_timeout = timeout;
                self
            }

            /// Inserts the name of the subset into each response, as the value of this header.
            /// Default: no header.
            ///
            /// The name is a `HeaderName` or a `&'static str`, as for
            /// [`HeaderMap::insert`](http::HeaderMap::insert).
            ///
            /// # Panics
            ///
            /// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
            pub fn response_header(mut self, name: impl IntoHeaderName) -> Self {
                self.plan.policy.response_header = Some(header_name(name));
                self
            }

            /// Does not insert a [`ServedBy`](super::ServedBy) into the extensions of requests and
            /// responses. The extension needs up to six allocations for each request, which cost
            /// more than the rest of a split. Counters and
            /// [`response_header`](Self::response_header) remain.
            /// [`not_served_by`](super::not_served_by) then returns `true` for all requests.
            /// Default: it is inserted.
            pub fn without_served_by(mut self) -> Self {
                self.plan.policy.with_served_by = false;
                self
            }

            /// Configures the responses to requests that no subset can serve, because all weights
            /// are zero, or because the chosen subset is not ready in time and has no fallback.
            /// `unavailable` is a closure `Fn(&Unavailable) -> Response<R>` or another
            /// [`MakeResponse`](crate::MakeResponse). Default: an empty `503`, for which the body
            /// must implement `Default`.
            pub fn unavailable<V>(self, unavailable: V) -> $builder<S, V> {
                $builder {
                    subsets: self.subsets,
                    plan: self.plan,
                    unavailable,
                }
            }
        }
    };
}

settings!(WeightedSplitBuilder);
settings!(WeightedSplitLayerBuilder);

impl<S> WeightedSplit<S> {
    /// Creates the builder of a split with this name. The name is the salt of the split's keys, and
    /// a part of [`ServedBy`](super::ServedBy).
    pub fn builder(name: impl Into<Arc<str>>) -> WeightedSplitBuilder<S> {
        WeightedSplitBuilder::new(name.into())
    }
}

impl<S, U> WeightedSplitBuilder<S, U> {
    /// Adds a subset with this name and weight. Weights are relative: 9 and 1 are 90 % and 10 %. A
    /// subset with the weight 0 is never chosen by weight or key. All subsets have the same type;
    /// the [module](crate::split) shows how subsets of different types are boxed.
    pub fn subset(self, name: impl Into<String>, weight: u32, service: S) -> Self {
        self.push(name, weight, Some(service))
    }

    /// Creates the split.
    ///
    /// # Errors
    ///
    /// [`InvalidSplit`] if there is no subset, if a name is invalid or used twice, or if a fallback
    /// names an unknown subset, is the second one of its subset, or is part of a cycle.
    pub fn build(self) -> Result<WeightedSplit<S, U>, InvalidSplit> {
        let shared = self.plan.shared()?;
        Ok(WeightedSplit::new(
            None,
            self.subsets.into(),
            shared,
            self.unavailable,
        ))
    }
}

impl<B, R, E> WeightedSplitLayer<BoxedSubset<B, R, E>> {
    /// Creates the builder of a split with this name. The name is the salt of the split's keys, and
    /// a part of [`ServedBy`](super::ServedBy).
    pub fn builder(name: impl Into<Arc<str>>) -> WeightedSplitLayerBuilder<BoxedSubset<B, R, E>> {
        WeightedSplitLayerBuilder::new(name.into())
    }
}

impl<B, R, E, U> WeightedSplitLayerBuilder<BoxedSubset<B, R, E>, U>
where
    B: 'static,
    R: 'static,
    E: 'static,
{
    /// Declares the name and the weight of the wrapped service, which is one of the subsets. This
    /// must be called exactly once.
    pub fn inner(self, name: impl Into<String>, weight: u32) -> Self {
        self.push(name, weight, None)
    }

    /// Adds a subset with this name and weight beside the wrapped service. Weights are relative: 9
    /// and 1 are 90 % and 10 %. A subset with the weight 0 is never chosen by weight or key. Its
    /// response body and its error must have the same types as those of the wrapped service. An
    /// `HttpTarget` beside an axum service has other types: see
    /// [`subset_with_errors`](Self::subset_with_errors).
    pub fn subset<S>(self, name: impl Into<String>, weight: u32, service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>, Error = E> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.push(name, weight, Some(BoxedSubset::new(service)))
    }

    /// Adds a subset whose errors have another type than those of the wrapped service. `on_error`
    /// makes a response from each error, as [`bad_gateway`](super::bad_gateway) does. The fallback
    /// is still used if the subset is not ready.
    ///
    /// With this method, an `HttpTarget` can be the canary of an axum application, whose services
    /// never fail:
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
    ///         .subset_with_errors("v2", 1, canary, split::bad_gateway)
    ///         .fallback("v2", "v1")
    ///         .build()?
    ///         .layer(Router::<()>::new()),
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn subset_with_errors<S, F>(
        self,
        name: impl Into<String>,
        weight: u32,
        service: S,
        on_error: F,
    ) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        F: Fn(S::Error) -> Response<R> + Clone + Send + Sync + 'static,
    {
        let subset = BoxedSubset::with_errors(service, on_error);
        self.push(name, weight, Some(subset))
    }

    /// Creates the layer.
    ///
    /// # Errors
    ///
    /// [`InvalidSplit`] if the inner subset is missing or declared twice, if a name is invalid or
    /// used twice, or if a fallback names an unknown subset, is the second one of its subset, or is
    /// part of a cycle.
    pub fn build(self) -> Result<WeightedSplitLayer<BoxedSubset<B, R, E>, U>, InvalidSplit> {
        let count = self
            .subsets
            .iter()
            .filter(|subset| subset.is_none())
            .count();
        if count != 1 {
            return Err(InvalidSplit::Inner { count });
        }
        let shared = self.plan.shared()?;
        Ok(WeightedSplitLayer::new(
            self.subsets.into(),
            shared,
            self.unavailable,
        ))
    }
}
