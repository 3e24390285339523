//! The head of a request, as each protocol wants it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{self, Authority, PathAndQuery, Uri};
use http::{Method, Request, Version};
use http_body::Body;

use super::body::RequestBody;
use super::error::Error;
use super::hop::{self, Stripped, UnknownCoding};
use super::trailers::Declared;
use super::url::Endpoint;
use super::whole::Whole;
use crate::BoxError;
use crate::marker::KeepTrailers;

/// The request as the endpoint is to get it over `version`. It may have been fit for the other one.
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
    let body = Whole::new(body, head.version);
    if version == Version::HTTP_2 {
        http2(&mut head, endpoint)?;
        return Ok(Request::from_parts(head, RequestBody::new(body)));
    }
    let unknown_length = !body.is_end_stream() && body.size_hint().exact().is_none();
    http1(&mut head, unknown_length, &endpoint.authority)?;
    let body = match head.extensions.get::<KeepTrailers>() {
        Some(KeepTrailers) => RequestBody::new(Declared::new(body, &head.headers)),
        None => RequestBody::new(body),
    };
    Ok(Request::from_parts(head, body))
}

pub(super) fn refuse_connect(method: &Method) -> Result<(), Error> {
    if method == Method::CONNECT {
        return Err(Error::request("CONNECT is not supported"));
    }
    Ok(())
}

/// Origin form, exactly one `Host`, at most one `Cookie`, nothing that was meant for the client's connection other than an
/// offer to switch protocols; a body of `unknown_length` is announced.
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

/// Absolute form, from which hyper takes `:scheme` and `:authority`; nothing that only means something over HTTP/1.1.
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

/// The host the request's URI names, if it names one.
fn named_host(uri: &Uri) -> Option<&str> {
    uri.authority()
        .map(|authority| without_userinfo(authority.as_str()))
        .filter(|host| has_host(host))
}

fn authority(host: &HeaderValue) -> Option<Authority> {
    let host = without_userinfo(host.to_str().ok()?);
    Authority::try_from(host).ok().filter(|_| has_host(host))
}

fn without_userinfo(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

fn has_host(authority: &str) -> bool {
    !authority.is_empty() && !authority.starts_with(':')
}

fn path_and_query(uri: &Uri) -> PathAndQuery {
    uri.path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// RFC 9113, 8.2.3: what HTTP/2 may split is one field over HTTP/1.1.
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
