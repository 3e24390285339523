//! The header by which a copy is known.

use http::HeaderName;

/// The default of both ends: what a mirror writes and a shadow looks for.
pub(crate) static MARK: HeaderName = HeaderName::from_static("x-mirrored-by");
