//! `RequestHead`: the borrowed view of a request, from which every policy decides.

use std::{borrow::Cow, fmt};

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{AsHeaderName, COOKIE, GetAll, HOST},
    uri::Authority,
};
use http_body::{Body, SizeHint};

use crate::headers::without_user_information;

/// The parts of a request that a policy may read before the request is served: everything except
/// the bytes of the body.
///
/// Filters, keys and route labels run on the primary's path, so they receive references: taking a
/// request apart would cost more than the decision itself.
///
/// # Example
///
/// ```
/// use http::{Method, Request};
/// use tower_mirror::RequestHead;
///
/// let request = Request::post("/items?page=2").body(String::from("hello")).unwrap();
/// let head = RequestHead::of(&request);
///
/// assert_eq!(head.method, Method::POST);
/// assert_eq!(head.uri.path(), "/items");
/// assert_eq!(head.body.exact(), Some(5));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request target that the layer receives. In a nested axum router, this is the shortened
    /// target; axum keeps the original target in `OriginalUri`.
    pub uri: &'a Uri,
    /// The protocol version of the request when it arrived.
    pub version: Version,
    /// The request's headers. Over HTTP/2 they usually do not contain `Host`, and may contain
    /// several `Cookie` fields: [`host`](Self::host) and [`header`](Self::header) return the same
    /// values for every version.
    pub headers: &'a HeaderMap,
    /// The request's extensions.
    pub extensions: &'a Extensions,
    /// The length that the body reports, in bytes.
    pub body: SizeHint,
}

impl<'a> RequestHead<'a> {
    /// Creates the view of `request`.
    pub fn of<B: Body>(request: &'a Request<B>) -> Self {
        Self {
            body: request.body().size_hint(),
            ..Self::without_hint(request)
        }
    }

    /// Creates the view of a request without the length of its body, for a body whose `size_hint`
    /// has panicked.
    pub(crate) fn without_hint<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
            body: SizeHint::default(),
        }
    }

    /// The host of the request, which is the same in every version of HTTP.
    ///
    /// It is the authority of the target, which requests of HTTP/2 and requests of HTTP/1.1 in
    /// absolute form have (RFC 9113, section 8.3.1; RFC 9112, section 3.2.2), else the first `Host`
    /// field. User information is omitted. The ports 80 and 443 are omitted too: some clients write
    /// the default port and others do not, and a request of HTTP/1.1 does not show which of the two
    /// is the default. Any other port is part of the host. Returns `None` if the host is empty, is
    /// not visible ASCII, or is missing.
    ///
    /// The host is not converted to lower case, and hosts are case-insensitive: compare them with
    /// [`eq_ignore_ascii_case`](str::eq_ignore_ascii_case).
    ///
    /// # Example
    ///
    /// ```
    /// use http::Request;
    /// use tower_mirror::RequestHead;
    ///
    /// let host = |target: &str, field: &str| {
    ///     let request = Request::get(target).header("host", field).body(String::new()).unwrap();
    ///     RequestHead::of(&request).host().map(str::to_owned)
    /// };
    /// assert_eq!(host("/items", "shop.example").as_deref(), Some("shop.example"));
    /// assert_eq!(host("https://shop.example:443/items", "other").as_deref(), Some("shop.example"));
    /// assert_eq!(host("/items", "shop.example:8080").as_deref(), Some("shop.example:8080"));
    /// assert_eq!(host("/items", ""), None);
    /// ```
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        let target = self.uri.authority().map(Authority::as_str);
        let field = || self.headers.get(HOST).and_then(|host| host.to_str().ok());
        target
            .and_then(bare_host)
            .or_else(|| field().and_then(bare_host))
    }

    /// A header's value for decisions, which is the same in every version of HTTP.
    /// [`Key::header`](crate::Key::header) hashes this value, and
    /// [`Force::header`](crate::Force::header) compares it.
    ///
    /// - For `host`, it is [`host`](Self::host) in lower case.
    /// - For `cookie`, it is all fields with this name, joined by `"; "`, because HTTP/2 may split
    ///   one field into several (RFC 9113, section 8.2.3).
    /// - For any other header, it is the first value.
    ///
    /// Returns `None` if there is no value. Memory is allocated only if a host has upper-case
    /// letters, or if several fields must be joined.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{Request, header::{COOKIE, HOST}};
    /// use tower_mirror::RequestHead;
    ///
    /// let of_the_shop = |head: &RequestHead<'_>| head.header(HOST).as_deref() == Some(b"shop.example");
    ///
    /// let over_http2 = Request::get("https://Shop.example/")
    ///     .header(COOKIE, "a=1")
    ///     .header(COOKIE, "b=2")
    ///     .body(String::new())
    ///     .unwrap();
    /// let head = RequestHead::of(&over_http2);
    /// assert!(of_the_shop(&head));
    /// assert_eq!(head.header("cookie").as_deref(), Some(&b"a=1; b=2"[..]));
    /// ```
    #[must_use]
    pub fn header(&self, name: impl AsHeaderName + AsRef<str>) -> Option<Cow<'a, [u8]>> {
        self.seen(name).map(|seen| match seen {
            Seen::Whole(value) => Cow::Borrowed(value),
            in_pieces => {
                let mut whole = Vec::new();
                in_pieces.pieces(|piece| whole.extend_from_slice(piece));
                Cow::Owned(whole)
            }
        })
    }

    pub(crate) fn seen(&self, name: impl AsHeaderName + AsRef<str>) -> Option<Seen<'a>> {
        let is = |other: &str| name.as_ref().eq_ignore_ascii_case(other);
        if is(HOST.as_str()) {
            let host = self.host()?;
            let is_lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
            return Some(match is_lower {
                true => Seen::Whole(host.as_bytes()),
                false => Seen::Host(host),
            });
        }
        if is(COOKIE.as_str()) {
            let fields = self.headers.get_all(COOKIE);
            if fields.iter().nth(1).is_some() {
                return Some(Seen::Cookies(fields));
            }
        }
        self.headers
            .get(name)
            .map(|value| Seen::Whole(value.as_bytes()))
    }
}

/// A header's value for decisions, which may consist of several pieces.
pub(crate) enum Seen<'a> {
    Whole(&'a [u8]),
    /// A host, which is read in lower case.
    Host(&'a str),
    /// Several fields, which are read as one value.
    Cookies(GetAll<'a, HeaderValue>),
}

impl Seen<'_> {
    /// Passes all bytes to `take`, piece by piece, without an allocation.
    pub(crate) fn pieces(&self, mut take: impl FnMut(&[u8])) {
        match self {
            Self::Whole(value) => take(value),
            Self::Host(host) => {
                for piece in host.as_bytes().chunks(64) {
                    let mut lower = [0; 64];
                    let lower = &mut lower[..piece.len()];
                    lower.copy_from_slice(piece);
                    lower.make_ascii_lowercase();
                    take(lower);
                }
            }
            Self::Cookies(fields) => {
                for (at, field) in fields.iter().enumerate() {
                    if at > 0 {
                        take(b"; ");
                    }
                    take(field.as_bytes());
                }
            }
        }
    }
}

/// Returns the host without user information, and without a port that a client may omit.
fn bare_host(authority: &str) -> Option<&str> {
    let host = without_user_information(authority);
    let host = match host.rsplit_once(':') {
        // An IPv6 address without brackets is not a valid host, and its last part is not a port.
        Some((name, "" | "80" | "443")) if name.ends_with(']') || !name.contains(':') => name,
        _ => host,
    };
    (!host.is_empty() && !host.starts_with(':')).then_some(host)
}

/// The output contains the names of the headers and the path without its query, because values do
/// not belong in a log.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("version", &self.version)
            .field("headers", &names)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
