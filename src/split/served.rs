//! `ServedBy` and `Unavailable`: which subset served a request, or why none did.

use std::{fmt, sync::Arc};

use http::{Response, StatusCode};

use crate::{BoxError, error::describe, request_head::RequestHead};

/// Which subset serves a request: an extension of the request before the subset is called,
/// and of its response. (A subset's error carries none: wrap the subset in a `map_err` to name it.)
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use tower::{ServiceExt, service_fn};
/// use tower_mirror::{ServedBy, WeightedSplit, split::Reason};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let v1 = service_fn(async |_: Request<String>| Ok::<_, std::io::Error>(Response::new(String::new())));
/// let split = WeightedSplit::builder("catalog").subset("v1", 1, v1).build()?;
///
/// let response = split.oneshot(Request::new(String::new())).await?;
/// let served: &ServedBy = response.extensions().get().unwrap();
/// assert_eq!((&*served.subset, &served.reason), ("v1", &Reason::Weighted));
/// # Ok(())
/// # }
/// ```
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
///
/// # Example
///
/// ```
/// use tower_mirror::split::Reason;
///
/// // The names are also the labels of metrics.
/// assert_eq!(Reason::Keyed.as_str(), "keyed");
/// ```
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
///
/// # Example
///
/// ```
/// use http::Response;
/// use tower_mirror::split::Unavailable;
///
/// /// Whether a `503` came from the split and not from a subset.
/// fn is_from_split<R>(response: &Response<R>) -> bool {
///     response.extensions().get::<Unavailable>().is_some()
/// }
/// # assert!(!is_from_split(&Response::new(())));
/// assert_eq!(Unavailable::NoWeight.to_string(), "all weights are zero");
/// ```
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
