//! `RequestHead`: the borrowed view of a request that every policy decides on.

use std::{borrow::Cow, fmt};

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{AsHeaderName, COOKIE, GetAll, HOST},
    uri::Authority,
};
use http_body::{Body, SizeHint};

use crate::headers::without_user_information;

/// What a policy may read before a request is served: everything except the bytes of its body.
///
/// Filters, keys and route labels run on the primary's path for every request,
/// so they receive references. To take a request apart would cost more than
/// the decision itself.
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
    /// The request target, as the layer sees it. Under a nested axum router this
    /// is the shortened one; axum keeps the original in `OriginalUri`.
    pub uri: &'a Uri,
    /// The protocol version the request arrived with.
    pub version: Version,
    /// The request's headers. Over HTTP/2 there is no `Host` among them as a rule, and there may be
    /// several `Cookie` fields: [`host`](Self::host) and [`header`](Self::header) see through that.
    pub headers: &'a HeaderMap,
    /// The request's extensions.
    pub extensions: &'a Extensions,
    /// What the body says of its own length, in bytes.
    pub body: SizeHint,
}

impl<'a> RequestHead<'a> {
    /// The view of `request`.
    pub fn of<B: Body>(request: &'a Request<B>) -> Self {
        Self {
            body: request.body().size_hint(),
            ..Self::without_hint(request)
        }
    }

    /// The view of a request whose body cannot be asked for its length.
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

    /// The host that the request is for, the same in every version of HTTP.
    ///
    /// It is the authority of the target, as HTTP/2 and the absolute form of HTTP/1.1 have it (RFC 9113, section 8.3.1;
    /// RFC 9112, section 3.2.2), else the first `Host` field. User information is left out, and so is a port of 80 or
    /// 443: some clients write the default port and others do not, and HTTP/1.1 does not say which of the two
    /// it is. Any other port is part of the host. `None` if it is empty, is not visible ASCII, or is missing.
    ///
    /// The case is the client's, and hosts are case-insensitive: compare them by
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

    /// A header's value as decisions see it, the same in every version of HTTP: what [`Key::header`](crate::Key::header)
    /// hashes and [`Force::header`](crate::Force::header) compares.
    ///
    /// - `host` is [`host`](Self::host) in lower case.
    /// - `cookie` is all fields of that name, joined by `"; "`, since HTTP/2 may split one field into several (RFC 9113,
    ///   section 8.2.3).
    /// - Of any other header it is the first value.
    ///
    /// `None` where there is none. Nothing is allocated, except where a host has upper-case letters and where
    /// several fields must be joined.
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

/// A header's value as decisions see it, which need not lie in one piece anywhere.
pub(crate) enum Seen<'a> {
    Whole(&'a [u8]),
    /// To be read in lower case.
    Host(&'a str),
    /// Several fields, to be read as one.
    Cookies(GetAll<'a, HeaderValue>),
}

impl Seen<'_> {
    /// Hands on the bytes in turn, without an allocation.
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

/// Without user information and without a port that a client may leave out.
fn bare_host(authority: &str) -> Option<&str> {
    let host = without_user_information(authority);
    let host = match host.rsplit_once(':') {
        // An IPv6 address without brackets is not a valid host, and its last part is not a port.
        Some((name, "" | "80" | "443")) if name.ends_with(']') || !name.contains(':') => name,
        _ => host,
    };
    (!host.is_empty() && !host.starts_with(':')).then_some(host)
}

/// The names of the headers, and the path without its query: values are not for a log.
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
