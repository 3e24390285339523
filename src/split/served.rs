//! Who served a request, and who did not.

use std::{fmt, sync::Arc};

use http::{Response, StatusCode};

use crate::{BoxError, error::describe, request_head::RequestHead};

/// Which subset serves a request: an extension of the request before the subset is called,
/// and of its response. (A subset's error carries none: wrap the subset in a `map_err` to name it.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedBy {
    /// The split's name.
    pub split: Arc<str>,
    /// The subset's name.
    pub subset: Arc<str>,
    /// Why this one.
    pub reason: Reason,
    /// The table of weights that was in force.
    pub generation: u64,
}

/// Why a subset serves a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A trusted request asked for it.
    Forced,
    /// The request's key stays with it.
    Keyed,
    /// The draw fell on it.
    Weighted,
    /// Another subset was not ready, before anything was sent.
    #[non_exhaustive]
    Fallback {
        /// The subset that was not ready.
        from: Arc<str>,
    },
}

impl Reason {
    /// `forced`, `keyed`, `weighted` or `fallback`, as in statistics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Keyed => "keyed",
            Self::Weighted => "weighted",
            Self::Fallback { .. } => "fallback",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A filter for a mirror *within* a split, around a subset: passes requests that another
/// subset than `name` serves, so that `name`, as the shadow, gets none twice. In nested
/// splits the innermost one around the mirror is asked.
pub fn not_served_by(
    name: impl Into<Arc<str>>,
) -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    let name = name.into();
    move |head: &RequestHead<'_>| {
        let served = head.extensions.get::<ServedBy>();
        served.is_none_or(|served| served.subset != name)
    }
}

/// Why a split answers a request itself: an extension of that answer, which has no [`ServedBy`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// All weights are zero.
    NoWeight,
    /// The subset did not become ready, or not in time, and has no fallback.
    #[non_exhaustive]
    NotReady {
        /// The subset's name.
        subset: Arc<str>,
    },
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWeight => f.write_str("all weights are zero"),
            Self::NotReady { subset } => write!(f, "{subset} is not ready"),
        }
    }
}

/// `502 Bad Gateway` with the error and its sources in one line, for
/// [`subset_with_errors`](super::WeightedSplitLayerBuilder::subset_with_errors).
pub fn bad_gateway<E, R>(error: E) -> Response<R>
where
    E: Into<BoxError>,
    R: From<String>,
{
    let line = describe(&*error.into()) + "\n";
    let mut response = Response::new(R::from(line));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
