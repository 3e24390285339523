//! The `WeightedSplitLayer`.

use std::sync::Arc;

use tower_layer::Layer;

use super::{handle::SplitHandle, service::WeightedSplit, state::SplitState};
use crate::respond::EmptyResponse;

/// Wraps a service, which keeps its type and is one of the subsets of the [`WeightedSplit`]. The
/// other subsets are boxed. All services that a layer wraps share weights, draw and counters.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_mirror::WeightedSplitLayer;
/// use tower::Layer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let v1 = Router::<()>::new().route("/", get(async || "stable"));
/// let v2 = Router::<()>::new().route("/", get(async || "canary"));
/// let layer = WeightedSplitLayer::builder("catalog").inner("v1", 90).subset("v2", 10, v2).build()?;
/// let app: Router = Router::new().fallback_service(layer.layer(v1));
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WeightedSplitLayer<T, U = EmptyResponse> {
    /// `None` stands for the wrapped service.
    subsets: Arc<[Option<T>]>,
    shared: Arc<SplitState>,
    unavailable: U,
}

impl<T, U> WeightedSplitLayer<T, U> {
    pub(super) fn new(subsets: Arc<[Option<T>]>, shared: Arc<SplitState>, unavailable: U) -> Self {
        Self {
            subsets,
            shared,
            unavailable,
        }
    }

    /// The handle that controls and reads this split while it runs.
    #[must_use]
    pub fn handle(&self) -> SplitHandle {
        SplitHandle::new(Arc::clone(&self.shared))
    }
}

impl<T, U: Clone> Clone for WeightedSplitLayer<T, U> {
    fn clone(&self) -> Self {
        Self::new(
            Arc::clone(&self.subsets),
            Arc::clone(&self.shared),
            self.unavailable.clone(),
        )
    }
}

impl<S, T, U: Clone> Layer<S> for WeightedSplitLayer<T, U> {
    type Service = WeightedSplit<S, U, T>;

    fn layer(&self, inner: S) -> Self::Service {
        WeightedSplit::new(
            Some(inner),
            Arc::clone(&self.subsets),
            Arc::clone(&self.shared),
            self.unavailable.clone(),
        )
    }
}
