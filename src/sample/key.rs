//! `Key`: the part of a request that decides whether it is taken.

use std::{fmt, hash::Hasher, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, IntoHeaderName},
};
use siphasher::sip::SipHasher24;

use crate::{
    headers::{Traceparent, header_name},
    request_head::{RequestHead, Seen},
};

/// The default salt is the same for every mirror, so that a 5 % sample is a part of a 10 % sample.
const DEFAULT_SALT: &str = "tower-mirror";
/// Separates this crate's hashes from those of other users of SipHash with the same keys.
const DOMAIN: u64 = 0x746f_7765_722d_6d69;

/// The part of a request whose hash decides whether the request is taken: a header, a cookie or the
/// trace.
///
/// The hash is SipHash-2-4 of the value's bytes, with fixed keys that are made from the salt. It is
/// part of this crate's contract and is fixed by tests, so that replicas of different builds make
/// the same decisions.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower_mirror::{RequestHead, sample::Key};
///
/// let key = Key::header("x-user").or(Key::cookie("uid"));
/// let by_header = Request::get("/").header("x-user", "ada").body(String::new()).unwrap();
/// let by_cookie = Request::get("/").header("cookie", "a=1; uid=ada").body(String::new()).unwrap();
/// let neither = Request::get("/").body(String::new()).unwrap();
///
/// let hash = key.hash(&RequestHead::of(&by_header));
/// assert_eq!(hash, key.hash(&RequestHead::of(&by_cookie)));
/// assert_eq!(key.hash(&RequestHead::of(&neither)), None);
/// assert_ne!(hash, key.salt("another experiment").hash(&RequestHead::of(&by_header)));
/// ```
#[derive(Clone, Debug)]
pub struct Key {
    sources: Vec<KeySource>,
    salted: u64,
    has_own_salt: bool,
}

#[derive(Clone)]
enum KeySource {
    Header(HeaderName),
    Cookie(Arc<str>),
    TraceId,
    Closure(Arc<dyn HashOf>),
}

/// Hashes the value that a closure returned. The value may have any type that gives bytes.
trait HashOf: Send + Sync {
    fn hash(&self, head: &RequestHead<'_>, hasher: &SipHasher24) -> Option<u64>;
}

struct FromFn<F>(F);

impl<F, K> HashOf for FromFn<F>
where
    F: Fn(&RequestHead<'_>) -> Option<K> + Send + Sync,
    K: AsRef<[u8]>,
{
    fn hash(&self, head: &RequestHead<'_>, hasher: &SipHasher24) -> Option<u64> {
        (self.0)(head).map(|value| hasher.hash(value.as_ref()))
    }
}

impl Key {
    /// Uses the first value of a header, if the value is not empty. For `host` and `cookie` it uses
    /// the value that [`RequestHead::header`] returns. Therefore the key of a host does not depend
    /// on its case or on a default port, and the key of a user's cookies is the same over HTTP/1.1
    /// and HTTP/2.
    ///
    /// It accepts the same types as [`HeaderMap::insert`]: a `&'static str` or a [`HeaderName`].
    /// Parse a name from outside the program to a `HeaderName` first.
    ///
    /// # Panics
    ///
    /// Panics if a `&'static str` is not a valid header name, as `HeaderMap::insert` does.
    pub fn header(name: impl IntoHeaderName) -> Self {
        Self::of([KeySource::Header(header_name(name))])
    }

    /// Uses the value of a cookie, if it is not empty. Names are case-sensitive (RFC 6265). If
    /// several cookies have this name, the first one is used.
    #[must_use]
    pub fn cookie(name: impl Into<String>) -> Self {
        Self::of([KeySource::Cookie(Arc::from(name.into()))])
    }

    /// Uses the trace id of a valid W3C `traceparent` header, so that all services of a trace make
    /// the same decision.
    ///
    /// The trace id is defined in Trace Context, W3C Recommendation, section 3.2.2: it consists of
    /// 32 lower-case hexadecimal digits that are not all zero, and version `ff` is invalid.
    #[must_use]
    pub fn trace_id() -> Self {
        Self::of([KeySource::TraceId])
    }

    /// Uses the value that a closure returns for the head. The closure returns `None` if the
    /// request has no key.
    ///
    /// The closure runs on the primary's path and must not block. A panic in it is caught and
    /// counted as `policy_panicked`, and the primary receives its request.
    pub fn from_fn<F, K>(key: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
        K: AsRef<[u8]> + 'static,
    {
        Self::of([KeySource::Closure(Arc::new(FromFn(key)))])
    }

    /// Uses `other` for requests in which this key finds nothing. The same value gives the same
    /// hash in both keys. This key's salt applies to both.
    #[must_use]
    pub fn or(mut self, other: Key) -> Self {
        self.sources.extend(other.sources);
        self
    }

    /// Sets the salt. Decisions with different salts are independent of each other. By default all
    /// mirrors have the same salt, so that their samples are nested, and each split uses its name
    /// as the salt, so that the canaries of different splits receive different users.
    #[must_use]
    pub fn salt(mut self, salt: &str) -> Self {
        self.salted = salted(salt);
        self.has_own_salt = true;
        self
    }

    pub(super) fn default_salt(&mut self, salt: &str) {
        if !self.has_own_salt {
            self.salted = salted(salt);
        }
    }

    /// Returns the hash that decides on a request, uniformly distributed over `u64`, or `None` if
    /// the request does not have the key.
    #[must_use]
    pub fn hash(&self, head: &RequestHead<'_>) -> Option<u64> {
        let hasher = SipHasher24::new_with_keys(DOMAIN, self.salted);
        self.sources
            .iter()
            .find_map(|source| source.hash(head, &hasher))
    }

    fn of(sources: impl IntoIterator<Item = KeySource>) -> Self {
        Self {
            sources: sources.into_iter().collect(),
            salted: salted(DEFAULT_SALT),
            has_own_salt: false,
        }
    }
}

fn salted(salt: &str) -> u64 {
    SipHasher24::new_with_keys(DOMAIN, 0).hash(salt.as_bytes())
}

impl KeySource {
    fn hash(&self, head: &RequestHead<'_>, hasher: &SipHasher24) -> Option<u64> {
        let value = match self {
            KeySource::Header(name) => match head.seen(name)? {
                Seen::Whole(value) => Some(value),
                in_pieces => {
                    // The pieces together have the same hash as the whole value.
                    let mut hasher = *hasher;
                    in_pieces.pieces(|piece| hasher.write(piece));
                    return Some(hasher.finish());
                }
            },
            KeySource::Cookie(name) => cookie(head.headers, name.as_bytes()),
            KeySource::TraceId => head.headers.get("traceparent").and_then(trace_id),
            KeySource::Closure(closure) => return closure.hash(head, hasher),
        };
        value
            .filter(|value| !value.is_empty())
            .map(|value| hasher.hash(value))
    }
}

/// Returns the value of the first pair with this name. Over HTTP/2, the pairs may be in several
/// header fields.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            let pair = pair.trim_ascii();
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (found, value) = (pair[..equals].trim_ascii_end(), &pair[equals + 1..]);
            (found == name).then(|| value.trim_ascii_start())
        })
}

fn trace_id(value: &HeaderValue) -> Option<&[u8]> {
    Traceparent::parse(value.as_bytes()).map(|parent| parent.trace)
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Header(name) => f.debug_tuple("Header").field(name).finish(),
            KeySource::Cookie(name) => f.debug_tuple("Cookie").field(name).finish(),
            KeySource::TraceId => f.write_str("TraceId"),
            KeySource::Closure(_) => f.write_str("Closure"),
        }
    }
}
