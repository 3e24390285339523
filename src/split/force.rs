//! `Force`: the rule for trusted requests that name their subset.

use std::{borrow::Cow, fmt, sync::Arc};

use http::{
    HeaderName,
    header::{HOST, IntoHeaderName},
};

use crate::{
    headers::header_name,
    request_head::RequestHead,
    sample::{FilterFn, cookie},
};

/// Permits trusted requests to name the subset that serves them. The weight of the subset has no
/// influence.
///
/// A name that no subset has is ignored and counted. A `Force` cannot be created without [a rule
/// that decides which requests are trusted](ForceSource::when).
///
/// # Example
///
/// ```
/// use tower_mirror::Force;
///
/// let by_testers = Force::header("x-version")
///     .when(|head| head.headers.contains_key("x-internal"));
/// # let _ = by_testers;
/// ```
#[derive(Clone)]
pub struct Force {
    source: ForceSource,
    trusted: Arc<FilterFn>,
}

/// The place where a [`Force`] finds the name. [`when`](Self::when) creates the `Force`.
///
/// # Example
///
/// ```
/// use tower_mirror::{Force, split::ForceSource};
///
/// let by_cookie: ForceSource = Force::cookie("version");
/// let by_testers: Force = by_cookie.when(|head| head.host() == Some("test.internal"));
/// # let _ = by_testers;
/// ```
#[derive(Clone, Debug)]
#[must_use = "only `when` makes a `Force`"]
pub struct ForceSource {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Header(HeaderName),
    Cookie(Arc<str>),
}

impl Force {
    /// Takes the name from the first value of a header, which must be exactly the subset's name.
    /// For `host` and `cookie`, the value is that of [`RequestHead::header`], which is the same
    /// over HTTP/1.1 and HTTP/2. The comparison of a host ignores case.
    ///
    /// # Panics
    ///
    /// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
    pub fn header(name: impl IntoHeaderName) -> ForceSource {
        ForceSource {
            place: Place::Header(header_name(name)),
        }
    }

    /// Takes the name from the value of a cookie, which must be exactly the subset's name.
    pub fn cookie(name: impl Into<String>) -> ForceSource {
        ForceSource {
            place: Place::Cookie(Arc::from(name.into())),
        }
    }

    /// Returns the name that a request contains, if the request is trusted.
    pub(super) fn name<'a>(&self, head: &RequestHead<'a>) -> Option<Cow<'a, [u8]>> {
        self.source.find(head).filter(|_| (self.trusted)(head))
    }

    /// Whether the name that a request contains is the name of the subset.
    pub(super) fn is(&self, asked: &[u8], subset: &str) -> bool {
        match &self.source.place {
            Place::Header(name) if *name == HOST => asked.eq_ignore_ascii_case(subset.as_bytes()),
            _ => asked == subset.as_bytes(),
        }
    }
}

impl ForceSource {
    /// Accepts the name only from requests for which `trusted` returns `true`. For example, these
    /// are the requests of testers, if the edge adds a header to them and removes it from all other
    /// requests. A trusted client can send all its requests to a canary with the weight 0.
    ///
    /// The closure runs on the path of every request that contains a name: it must not block. A
    /// panic in it is caught and counted, and the subset of the request is then chosen by weight.
    #[must_use]
    pub fn when(self, trusted: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Force {
        Force {
            source: self,
            trusted: Arc::new(trusted),
        }
    }

    fn find<'a>(&self, head: &RequestHead<'a>) -> Option<Cow<'a, [u8]>> {
        match &self.place {
            Place::Header(name) => head.header(name),
            Place::Cookie(name) => cookie(head.headers, name.as_bytes()).map(Cow::Borrowed),
        }
    }
}

impl fmt::Debug for Force {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Force").field(&self.source.place).finish()
    }
}
