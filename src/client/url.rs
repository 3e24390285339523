//! The URL of a target: the address to dial, the name, and what makes a URL invalid.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

#[cfg(feature = "rustls")]
use super::tls::InvalidTls;

/// The address that a target dials, and its name.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `http` or `https`.
    pub(super) scheme: Scheme,
    /// `host[:port]` as written in the URL.
    pub(super) authority: Authority,
    /// The URL to dial, always with its port.
    pub(super) address: Uri,
}

/// Why a URL is not valid for a target. Each variant has the URL without its user information.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// It cannot be parsed as a URL.
    Malformed(String),
    /// It has no scheme: `http://` is missing.
    NoScheme(String),
    /// Its scheme is neither `http` nor `https`.
    UnknownScheme(String),
    /// Its scheme is `https`, for which the feature `rustls` is needed.
    Https(String),
    /// Its scheme is `http`, but settings for TLS were given.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    NotHttps(String),
    /// TLS cannot be used with it, for this reason.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    Tls(String, InvalidTls),
    /// It has no host.
    NoHost(String),
    /// Its port is not a number from 1 to 65535.
    Port(String),
    /// It has user information (`user:password@`).
    UserInfo(String),
    /// It has a path other than `/`.
    Path(String),
    /// It has a query.
    Query(String),
    /// It has a fragment.
    Fragment(String),
}

impl FromStr for Endpoint {
    type Err = InvalidUrl;

    // Not with `http::Uri`, which drops fragments and has one error for most mistakes.
    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let broken = |rule: fn(String) -> InvalidUrl| rule(redact(url));

        if url.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(broken(InvalidUrl::Malformed));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(broken(InvalidUrl::NoScheme));
        };
        let (scheme, default_port) = match scheme {
            "" => return Err(broken(InvalidUrl::NoScheme)),
            _ if scheme.eq_ignore_ascii_case("http") => (Scheme::HTTP, 80),
            _ if !scheme.eq_ignore_ascii_case("https") => {
                return Err(broken(InvalidUrl::UnknownScheme));
            }
            _ if cfg!(feature = "rustls") => (Scheme::HTTPS, 443),
            _ => return Err(broken(InvalidUrl::Https)),
        };

        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(broken(InvalidUrl::UserInfo));
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(broken(InvalidUrl::NoHost));
        }
        match tail.strip_prefix('/').unwrap_or(tail).bytes().next() {
            None => {}
            Some(b'?') => return Err(broken(InvalidUrl::Query)),
            Some(b'#') => return Err(broken(InvalidUrl::Fragment)),
            Some(_) => return Err(broken(InvalidUrl::Path)),
        }

        let host_len = match authority.rfind(']') {
            Some(bracket) => bracket + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at(host_len);
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                match digits.parse::<u16>() {
                    Ok(port @ 1..) => port,
                    _ => return Err(broken(InvalidUrl::Port)),
                }
            }
            _ => return Err(broken(InvalidUrl::Port)),
        };
        // `http` accepts brackets anywhere in an authority, but only an IPv6 address may have them.
        let is_host = match host.strip_prefix('[') {
            Some(v6) => {
                let v6 = v6.strip_suffix(']').unwrap_or_default();
                v6.parse::<Ipv6Addr>().is_ok()
            }
            None => !host.contains(['[', ']']),
        };
        if !is_host {
            return Err(broken(InvalidUrl::Malformed));
        }
        let address = Uri::from_str(&format!("{scheme}://{host}:{port}"))
            .map_err(|_| broken(InvalidUrl::Malformed))?;
        let authority =
            Authority::from_str(authority).map_err(|_| broken(InvalidUrl::Malformed))?;
        Ok(Self {
            scheme,
            address,
            authority,
        })
    }
}

/// The URL without its user information, which may contain a password. In a URL without a scheme it may be anywhere.
fn redact(url: &str) -> String {
    let scheme = url
        .find("://")
        .filter(|at| !url[..*at].contains(['/', '@']));
    let (start, end) = match scheme.map(|length| length + 3) {
        Some(start) => (start, url[start..].find(['/', '?', '#'])),
        None => (0, None),
    };
    let end = end.map_or(url.len(), |length| start + length);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}***{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, rule) = match self {
            Self::Malformed(url) => (url, "it cannot be parsed as `http://host[:port]`"),
            Self::NoScheme(url) => (url, "it has no scheme; write http://host[:port]"),
            Self::UnknownScheme(url) => {
                let scheme = url.split("://").next().unwrap_or_default();
                return write!(
                    f,
                    "invalid target URL {url:?}: unknown scheme {scheme:?}; use http://"
                );
            }
            Self::Https(url) => (
                url,
                "https needs the feature `rustls` of tower-mirror; enable it or use http://",
            ),
            #[cfg(feature = "rustls")]
            Self::NotHttps(url) => (url, "settings for TLS were given; use https://"),
            #[cfg(feature = "rustls")]
            Self::Tls(url, why) => return write!(f, "invalid target URL {url:?}: {why}"),
            Self::NoHost(url) => (url, "it has no host"),
            Self::Port(url) => (url, "its port is not a number from 1 to 65535"),
            Self::UserInfo(url) => (
                url,
                "it has user information; send credentials in a header instead",
            ),
            Self::Path(url) => (url, "it has a path; the path of each request is its own"),
            Self::Query(url) => (url, "it has a query; the query of each request is its own"),
            Self::Fragment(url) => (url, "it has a fragment"),
        };
        write!(f, "invalid target URL {url:?}: {rule}")
    }
}

impl std::error::Error for InvalidUrl {}
