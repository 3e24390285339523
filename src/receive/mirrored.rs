//! `Mirrored`: the extension that shows which mirror made a copy.

use http::{HeaderMap, HeaderValue, header::AsHeaderName};

use crate::marker::MARK;

/// A request that a mirror copied, according to its mark.
///
/// A [`ReadOnlyLayer`](super::ReadOnlyLayer) inserts it into the extensions of the copies that it
/// forwards. An axum handler can obtain it with an `Option<Extension<Mirrored>>`. Without the
/// layer, use [`from_headers`](Self::from_headers). Any client can send a mark: because of it, a
/// service may omit some work, but must not permit anything.
///
/// # Example
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use tower_mirror::Mirrored;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(Mirrored::from_headers(&headers), None);
///
/// headers.insert("x-mirrored-by", HeaderValue::from_static("catalog-v2"));
/// let copy = Mirrored::from_headers(&headers).unwrap();
/// assert_eq!(copy.mirror(), "catalog-v2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    mirror: HeaderValue,
}

impl Mirrored {
    /// Looks for the default mark, `x-mirrored-by`. `None` means that the request is not a copy.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers_named(headers, &MARK)
    }

    /// Looks for the mark of a mirror that has [another mark](crate::MirrorBuilder::mark). The name
    /// is anything that [`HeaderMap::get`] takes: a `HeaderName`, a `&str`, a `String`.
    #[must_use]
    pub fn from_headers_named(headers: &HeaderMap, mark: impl AsHeaderName) -> Option<Self> {
        let mirror = headers.get(mark)?.clone();
        Some(Self { mirror })
    }

    /// The mirror's name. It is empty if the mark is not text; a mirror never writes such a mark.
    #[must_use]
    pub fn mirror(&self) -> &str {
        self.mirror.to_str().unwrap_or_default()
    }
}
