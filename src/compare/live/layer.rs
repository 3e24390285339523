//! `CompareLayer`: the mirror around a primary, with the comparison.

use std::sync::Arc;

use tower_layer::Layer;

use super::{core::Core, handle::CompareHandle, service::CompareService};
use crate::mirror::{MirrorHandle, MirrorLayer};

/// Wraps services in a [`CompareService`] each, all of which share one mirror, one baseline and one comparison.
///
/// Made by [`Compare::layer`](super::Compare::layer). It changes the body of the responses to [`ComparedBody`](super::ComparedBody).
///
/// # Example
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_mirror::{MirrorLayer, compare::Compare};
///
/// # fn main() -> Result<(), tower_mirror::compare::CompareError> {
/// # let (v2, second_v1) = (Router::<()>::new(), Router::<()>::new());
/// let layer = Compare::with_baseline(second_v1).layer(MirrorLayer::builder(v2).name("catalog-v2"))?;
/// let app: Router = Router::new().route("/items", get(async || "[]")).layer(layer.clone());
/// # let _ = app;
///
/// assert_eq!(layer.mirror().name(), "catalog-v2");
/// assert_eq!(layer.baseline().map(|mirror| mirror.name().to_owned()).as_deref(), Some("catalog-v2-baseline"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CompareLayer {
    mirror: MirrorLayer,
    core: Arc<Core>,
}

impl CompareLayer {
    pub(super) fn new(mirror: MirrorLayer, core: Arc<Core>) -> Self {
        Self { mirror, core }
    }

    /// What reads and resets the comparison while it runs.
    #[must_use]
    pub fn handle(&self) -> CompareHandle {
        CompareHandle::new(Arc::clone(&self.core))
    }

    /// What steers and reads the mirror. Its drain and [`idle`](MirrorHandle::wait_idle) include the copies for the baseline.
    #[must_use]
    pub fn mirror(&self) -> MirrorHandle {
        self.mirror.handle()
    }

    /// The copies for the baseline, which have outcomes and limits of their own. Observers of the mirror are not notified of them. Their name is that of the mirror with `-baseline`
    /// after it. `None`: there is no baseline.
    #[must_use]
    pub fn baseline(&self) -> Option<MirrorHandle> {
        self.mirror.partner()
    }
}

impl<S> Layer<S> for CompareLayer {
    type Service = CompareService<S>;

    fn layer(&self, inner: S) -> CompareService<S> {
        CompareService::new(self.mirror.layer(inner))
    }
}
