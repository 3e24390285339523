//! The `MirrorLayer`.

use std::sync::Arc;

use tower_layer::Layer;

use super::{admission::Admission, handle::MirrorHandle, service::Mirror, state::MirrorState};

/// Wraps each service in a [`Mirror`]. All of them share one shadow, one rate, one set of limits
/// and one set of counters.
///
/// Create it once, and clone it as often as necessary. The [module](crate::mirror) has more
/// examples.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_mirror::{HttpTarget, MirrorLayer, sample};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let v2 = HttpTarget::new("http://127.0.0.1:9002")?;
/// let mirror = MirrorLayer::builder(v2).filter(sample::safe_methods()).build();
/// let app: Router = Router::new().route("/items", get(async || "[]")).layer(mirror.clone());
/// assert_eq!(mirror.handle().stats().requests(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MirrorLayer {
    admission: Arc<Admission>,
}

impl MirrorLayer {
    pub(super) fn from_admission(admission: Admission) -> Self {
        Self {
            admission: Arc::new(admission),
        }
    }

    pub(super) fn state(&self) -> &MirrorState {
        &self.admission.shared
    }

    /// The handle that controls and reads this mirror while it runs.
    #[must_use]
    pub fn handle(&self) -> MirrorHandle {
        let partner = self.admission.partner.as_ref();
        let partner = partner.map(|partner| Arc::clone(&partner.shared));
        MirrorHandle::new(Arc::clone(&self.admission.shared), partner)
    }

    /// The handle of the partner, which gets the second copies.
    #[cfg(feature = "compare")]
    pub(crate) fn partner(&self) -> Option<MirrorHandle> {
        let partner = self.admission.partner.as_ref()?;
        Some(MirrorHandle::new(Arc::clone(&partner.shared), None))
    }
}

impl<S> Layer<S> for MirrorLayer {
    type Service = Mirror<S>;

    fn layer(&self, inner: S) -> Mirror<S> {
        Mirror::new(inner, Arc::clone(&self.admission))
    }
}
