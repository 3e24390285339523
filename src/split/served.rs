//! `ServedBy` and `Unavailable`: the subset that served a request, or the reason why no subset
//! served it.

use std::{fmt, sync::Arc};

use http::{Response, StatusCode};

use crate::{BoxError, error::describe, request_head::RequestHead};

/// The subset that serves a request. The extension is inserted into the request before the subset
/// is called, and into the response. (A subset's error does not contain it: wrap the subset in a
/// `map_err` to name the subset there.)
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
    /// The reason why this subset was chosen.
    pub reason: Reason,
    /// The generation of the weights that were in force.
    pub generation: u64,
}

/// The reason why a subset serves a request.
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
    /// A trusted request named the subset.
    Forced,
    /// The subset was chosen by the request's key.
    Keyed,
    /// The subset was chosen by weight.
    Weighted,
    /// The request was moved to this subset before it was sent, because another subset was not
    /// ready.
    #[non_exhaustive]
    Fallback {
        /// The subset that was not ready.
        from: Arc<str>,
    },
}

impl Reason {
    /// Returns the name of the reason in statistics: `forced`, `keyed`, `weighted` or `fallback`.
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

/// Creates a filter for a mirror *inside* a split, around one of its subsets. The mirror's shadow
/// is also a subset of the split, `name`. The filter returns `false` for requests that `name`
/// serves, so that `name` does not receive them twice. In nested splits, the innermost split around
/// the mirror decides.
pub fn not_served_by(
    name: impl Into<Arc<str>>,
) -> impl Fn(&RequestHead<'_>) -> bool + Clone + Send + Sync + 'static {
    let name = name.into();
    move |head: &RequestHead<'_>| {
        let served = head.extensions.get::<ServedBy>();
        served.is_none_or(|served| served.subset != name)
    }
}

/// The reason why a split answers a request itself. It is an extension of that response, which has
/// no [`ServedBy`].
///
/// # Example
///
/// ```
/// use http::Response;
/// use tower_mirror::split::Unavailable;
///
/// /// Whether the split made this response, and not a subset.
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
    /// The subset failed to become ready, or was not ready in time, and has no fallback.
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

/// Makes a response with the status `502 Bad Gateway` for
/// [`subset_with_errors`](super::WeightedSplitLayerBuilder::subset_with_errors). Its body is one
/// line with the error and its sources.
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
