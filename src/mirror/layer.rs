//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::{
    builder::MirrorBuilder, handle::MirrorHandle, service::Mirror, shadow::Shadow, shared::Shared,
};

/// Wraps services in a [`Mirror`] each, all of which share one shadow, one rate,
/// one set of limits and one set of counters.
///
/// It is made once and cloned freely. See the [module](crate::mirror) for examples.
#[derive(Clone, Debug)]
pub struct MirrorLayer {
    shared: Arc<Shared>,
}

impl MirrorLayer {
    /// Mirrors every request to `shadow`, with the defaults of [`MirrorBuilder`].
    pub fn new<R>(shadow: impl Shadow<R>) -> Self {
        Self::builder(shadow).build()
    }

    /// Begins with `shadow` and the defaults.
    pub fn builder<R>(shadow: impl Shadow<R>) -> MirrorBuilder {
        MirrorBuilder::new(shadow)
    }

    pub(super) fn from_shared(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What steers and reads this mirror while it runs.
    #[must_use]
    pub fn handle(&self) -> MirrorHandle {
        MirrorHandle::new(Arc::clone(&self.shared))
    }
}

impl<S> Layer<S> for MirrorLayer {
    type Service = Mirror<S>;

    fn layer(&self, inner: S) -> Mirror<S> {
        Mirror::new(inner, Arc::clone(&self.shared))
    }
}
