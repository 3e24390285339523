//! What the mark says.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::mark::MARK;

/// A request that a mirror copied, by what its mark says.
///
/// A [`ReadOnlyLayer`](super::ReadOnlyLayer) leaves one in the extensions of the copies that pass,
/// where an axum handler takes it as `Option<Extension<Mirrored>>`.
/// Without the layer, [`of`](Self::of) finds it. Anybody can send a mark: it says what to
/// leave undone, never what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    by: HeaderValue,
}

impl Mirrored {
    /// By the default mark, `x-mirrored-by`. `None`: it is no copy.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::marked(headers, &MARK)
    }

    /// By the mark of a mirror that was given [another](crate::MirrorBuilder::mark).
    #[must_use]
    pub fn marked(headers: &HeaderMap, mark: &HeaderName) -> Option<Self> {
        headers.get(mark).cloned().map(|by| Self { by })
    }

    /// The mirror's name; empty where the mark is no text, as no mirror writes it.
    #[must_use]
    pub fn by(&self) -> &str {
        self.by.to_str().unwrap_or_default()
    }
}
