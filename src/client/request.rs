//! The head of a request, as each protocol wants it.

use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Version};

use super::error::Error;

/// Origin form, exactly one `Host`, no `TE`.
pub(super) fn http1(head: &mut Parts, target: &Authority) -> Result<(), Error> {
    refuse_connect(head)?;
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
    head.headers.remove(TE);

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
pub(super) fn http2(head: &mut Parts, target: &Authority) -> Result<(), Error> {
    refuse_connect(head)?;
    let host = match named_host(&head.uri) {
        Some(named) => Authority::try_from(named).ok(),
        None => head.headers.get(HOST).and_then(authority),
    };

    let mut parts = uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(host.unwrap_or_else(|| target.clone()));
    parts.path_and_query = Some(path_and_query(&head.uri));
    head.uri = Uri::from_parts(parts).map_err(Error::request)?;

    head.headers.remove(HOST);
    remove_connection_specific(&mut head.headers);
    head.version = Version::HTTP_2;
    Ok(())
}

fn refuse_connect(head: &Parts) -> Result<(), Error> {
    if head.method == Method::CONNECT {
        return Err(Error::request("CONNECT is not supported"));
    }
    Ok(())
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

/// RFC 9113, 8.2.2.
fn remove_connection_specific(headers: &mut HeaderMap) {
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    let nominated: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in nominated {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}
