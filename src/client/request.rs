//! A request as each version of HTTP needs it: its head, and a body that ends without an error only if the client has sent all of it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::{self, Authority, PathAndQuery, Uri};
use http::{HeaderName, Method, Request, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::error::Error;
use super::hop::{self, Stripped, UnknownCoding};
use super::upload::RequestBody;
use super::url::Endpoint;
use crate::BoxError;
use crate::headers::{tokens, without_user_information};
use crate::marker::KeepTrailers;
use crate::stream_end::says_end;

/// The request as the endpoint gets it over `version`. It may have been adapted to the other version before.
pub(super) fn fit<B>(
    request: Request<B>,
    version: Version,
    endpoint: &Endpoint,
) -> Result<Request<RequestBody>, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut head, body) = request.into_parts();
    let mut body = Whole::new(body, head.version);
    if version == Version::HTTP_2 {
        http2(&mut head, endpoint)?;
    } else {
        let unknown_length = !body.is_end_stream() && body.size_hint().exact().is_none();
        http1(&mut head, unknown_length, &endpoint.authority)?;
        if head.extensions.get::<KeepTrailers>().is_some() {
            let names = tokens(&head.headers, &TRAILER);
            let names = names.filter_map(|name| HeaderName::from_bytes(name).ok());
            body.trailers = Some(names.collect());
        }
    }
    Ok(Request::from_parts(head, RequestBody::new(body)))
}

pub(super) fn refuse_connect(method: &Method) -> Result<(), Error> {
    if method == Method::CONNECT {
        return Err(Error::request("CONNECT is not supported"));
    }
    Ok(())
}

/// The head has the origin form, exactly one `Host` and at most one `Cookie`. Of the fields that were meant for the client's connection
/// it has only an offer to switch protocols. A body of `unknown_length` is announced.
fn http1(head: &mut Parts, unknown_length: bool, target: &Authority) -> Result<(), Error> {
    let named = named_host(&head.uri)
        .map(HeaderValue::from_str)
        .transpose()
        .map_err(Error::request)?;
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (named, hosts.next(), hosts.next()) {
        (Some(named), ..) => Some(named),
        (None, Some(_), None) => None,
        (None, Some(first), Some(_)) => Some(first.clone()),
        (None, None, _) => Some(HeaderValue::from_str(target.as_str()).map_err(Error::request)?),
    };
    if let Some(host) = host {
        head.headers.insert(HOST, host);
    }
    join_cookies(&mut head.headers);
    let offer = hop::offer(head);
    let stripped = strip(head)?;
    hop::put_upgrade(&mut head.headers, offer);
    // hyper sends no body with a GET or HEAD unless a header announces one.
    if stripped.is_chunked || unknown_length && !head.headers.contains_key(CONTENT_LENGTH) {
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }

    if head.uri.scheme().is_some()
        || head.uri.authority().is_some()
        || head.uri.path_and_query().is_none()
    {
        head.uri = Uri::from(path_and_query(&head.uri));
    }
    head.version = Version::HTTP_11;
    Ok(())
}

/// The head has the absolute form, from which hyper takes `:scheme` and `:authority`, and no fields of HTTP/1.1.
fn http2(head: &mut Parts, target: &Endpoint) -> Result<(), Error> {
    let host = match named_host(&head.uri) {
        Some(named) => Authority::try_from(named).ok(),
        None => head.headers.get(HOST).and_then(authority),
    };

    let mut parts = uri::Parts::default();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(host.unwrap_or_else(|| target.authority.clone()));
    parts.path_and_query = Some(path_and_query(&head.uri));
    head.uri = Uri::from_parts(parts).map_err(Error::request)?;

    head.headers.remove(HOST);
    if strip(head)?.takes_trailers {
        head.headers
            .insert(TE, HeaderValue::from_static("trailers"));
    }
    head.version = Version::HTTP_2;
    Ok(())
}

fn strip(head: &mut Parts) -> Result<Stripped, Error> {
    hop::strip(&mut head.headers).map_err(|UnknownCoding| {
        Error::request("its body has a transfer coding that cannot be forwarded")
    })
}

/// The host in the URI of the request, if there is one.
fn named_host(uri: &Uri) -> Option<&str> {
    uri.authority()
        .map(|authority| without_user_information(authority.as_str()))
        .filter(|host| has_host(host))
}

fn authority(host: &HeaderValue) -> Option<Authority> {
    let host = without_user_information(host.to_str().ok()?);
    Authority::try_from(host).ok().filter(|_| has_host(host))
}

fn has_host(authority: &str) -> bool {
    !authority.is_empty() && !authority.starts_with(':')
}

fn path_and_query(uri: &Uri) -> PathAndQuery {
    uri.path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Joins cookies, which HTTP/2 may split, to the one field of HTTP/1.1 (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1 {
        if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
            headers.insert(COOKIE, joined);
        }
    }
}

pin_project! {
    /// A body that ends with an error where hyper would silently shorten it, so that a shorter body never looks complete. hyper
    /// reports a reset with `NO_ERROR` by the client as an ordinary end, and over HTTP/1.1 it drops trailers that the head has not named.
    #[derive(Debug)]
    struct Whole<B> {
        #[pin]
        inner: B,
        says_end: bool,
        // The trailers that may pass. `None` if all may.
        trailers: Option<Vec<HeaderName>>,
    }
}

impl<B> Whole<B> {
    /// `version` is the version over which the request was received.
    fn new(inner: B, version: Version) -> Self {
        Self {
            inner,
            says_end: version == Version::HTTP_2 && says_end::<B>(),
            trailers: None,
        }
    }
}

impl<B> Body for Whole<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = match ready!(this.inner.as_mut().poll_frame(cx)) {
            Some(frame) => frame.map_err(Into::into)?,
            None if *this.says_end && !this.inner.is_end_stream() => {
                return broken_off("its client reset the stream before the end of the body");
            }
            None => return Poll::Ready(None),
        };
        match (this.trailers, frame.trailers_ref()) {
            (Some(named), Some(trailers)) if !trailers.keys().all(|name| named.contains(name)) => {
                broken_off("the body ends in trailers that its head did not name")
            }
            _ => Poll::Ready(Some(Ok(frame))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn broken_off<T>(why: &'static str) -> Poll<Option<Result<T, BoxError>>> {
    Poll::Ready(Some(Err(BrokenOff(why).into())))
}

#[derive(Debug)]
struct BrokenOff(&'static str);

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BrokenOff {}
