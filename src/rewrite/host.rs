//! `HostRewrite`: how the host of a copy is rewritten.

use std::{borrow::Cow, error::Error, fmt, net::Ipv4Addr, sync::Arc};

use http::uri::Authority;

/// How the host of the copy is rewritten.
///
/// The default is the suffix `-shadow`, as Envoy's `request_mirror_policies`
/// have it. It suits a shadow that is reached at its own address and tells
/// mirrored traffic by its name. Behind a sidecar or router that *routes* by
/// host, a suffix leads nowhere: use [`literal`](Self::literal) with the
/// shadow's own name there. (Istio switched the suffix off by default in 1.28.)
///
/// # Example
///
/// ```
/// use tower_mirror::HostRewrite;
///
/// let suffix = HostRewrite::suffix("-v2");
/// assert_eq!(suffix.apply("catalog:8000"), "catalog-v2:8000");
/// assert_eq!(suffix.apply("192.168.1.1:8000"), "192.168.1.1:8000");
///
/// let first_label = HostRewrite::map(|host| host.replacen('.', "-v2.", 1));
/// assert_eq!(first_label.apply("catalog.internal"), "catalog-v2.internal");
/// ```
#[derive(Clone)]
pub struct HostRewrite {
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    Preserve,
    Suffix(Cow<'static, str>),
    Literal(Authority),
    Map(Arc<dyn Fn(&str) -> String + Send + Sync>),
}

impl HostRewrite {
    /// Appends to the host name, before a port and before the root's dot:
    /// `catalog:8000` becomes `catalog-shadow:8000`, `a.example.` becomes
    /// `a.example-shadow.`. An IPv4 or IPv6 literal, an empty host and an invalid host are not
    /// changed: an address with a suffix names nothing, and an invalid authority is never made.
    ///
    /// # Panics
    ///
    /// Where a host with this suffix would not be valid, as `"/x"` would not.
    /// For a suffix from outside the program there is
    /// [`try_suffix`](Self::try_suffix).
    #[must_use]
    #[track_caller]
    pub fn suffix(suffix: &'static str) -> Self {
        match Self::try_suffix(suffix) {
            Ok(rewrite) => rewrite,
            #[allow(clippy::panic)] // on a literal in the source, as `HeaderName::from_static` does
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`suffix`](Self::suffix), for a suffix that is not a literal.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] where it is empty or a host with it would not be valid.
    pub fn try_suffix(suffix: impl Into<Cow<'static, str>>) -> Result<Self, InvalidHost> {
        let suffix = suffix.into();
        if suffix.is_empty()
            || suffix.contains([':', '[', ']'])
            || parse(&format!("a{suffix}")).is_none()
        {
            return Err(InvalidHost {
                given: suffix.into_owned(),
                rule: "a suffix of a host must not be empty and may hold only what a host name may",
            });
        }
        Ok(Self {
            rule: Rule::Suffix(suffix),
        })
    }

    /// The host of the original request.
    #[must_use]
    pub const fn preserve() -> Self {
        Self {
            rule: Rule::Preserve,
        }
    }

    /// This host, with this port or none, for every copy: `shadow.internal`,
    /// `127.0.0.1:9002`, or a target's own
    /// [`authority()`](crate::client::HttpTarget::authority).
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] where it is not a host with an optional port.
    pub fn literal(authority: impl AsRef<str>) -> Result<Self, InvalidHost> {
        let given = authority.as_ref();
        match parse(given) {
            Some(authority) => Ok(Self {
                rule: Rule::Literal(authority),
            }),
            None => Err(InvalidHost {
                given: given.to_owned(),
                rule: "a literal must be a host with an optional port",
            }),
        }
    }

    /// The result of a closure. If it is not a valid host, the
    /// host is not changed. It runs on the copy's own task.
    pub fn map(map: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self {
            rule: Rule::Map(Arc::new(map)),
        }
    }

    /// Whether the result depends only on the host, so that it can be cached.
    pub(crate) fn is_cacheable(&self) -> bool {
        !matches!(self.rule, Rule::Map(_))
    }

    /// The host of a copy whose original went to `host`.
    #[must_use]
    pub fn apply<'h>(&'h self, host: &'h str) -> Cow<'h, str> {
        let rewritten = match &self.rule {
            Rule::Preserve => None,
            Rule::Literal(authority) => return Cow::Borrowed(authority.as_str()),
            Rule::Suffix(suffix) => with_suffix(host, suffix),
            Rule::Map(map) => Some(map(host)).filter(|made| parse(made).is_some()),
        };
        rewritten.map_or(Cow::Borrowed(host), Cow::Owned)
    }
}

impl Default for HostRewrite {
    /// The suffix `-shadow`.
    fn default() -> Self {
        Self {
            rule: Rule::Suffix(Cow::Borrowed("-shadow")),
        }
    }
}

/// As a part of a start-up line: `Host with the suffix "-shadow"`.
impl fmt::Display for HostRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Preserve => f.write_str("Host unchanged"),
            Rule::Suffix(suffix) => write!(f, "Host with the suffix {suffix:?}"),
            Rule::Literal(authority) => write!(f, "Host {authority}"),
            Rule::Map(_) => f.write_str("Host from a closure"),
        }
    }
}

impl fmt::Debug for HostRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Preserve => f.write_str("Preserve"),
            Rule::Suffix(suffix) => f.debug_tuple("Suffix").field(suffix).finish(),
            Rule::Literal(authority) => f.debug_tuple("Literal").field(authority).finish(),
            Rule::Map(_) => f.write_str("Map"),
        }
    }
}

/// A host with an optional port (RFC 9110, section 7.2): an authority without user information.
fn parse(host: &str) -> Option<Authority> {
    let authority: Authority = host.parse().ok()?;
    let port_is_valid = match authority.as_str().strip_prefix(authority.host()) {
        Some("" | ":") => true,
        // Digits: as a number `+80` would do.
        Some(port) => {
            port[1..].bytes().all(|byte| byte.is_ascii_digit()) && authority.port_u16().is_some()
        }
        None => false, // user information comes first
    };
    (port_is_valid && !authority.host().is_empty()).then_some(authority)
}

fn with_suffix(host: &str, suffix: &str) -> Option<String> {
    let (name, port) = host.split_at(parse(host)?.host().len());
    let (name, dot) = match name.strip_suffix('.') {
        Some(name) => (name, "."),
        None => (name, ""),
    };
    if name.is_empty() || name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let rewritten = [name, suffix, dot, port].concat();
    parse(&rewritten).is_some().then_some(rewritten)
}

/// Why a text cannot be the host of a copy, or its suffix.
///
/// # Example
///
/// ```
/// use tower_mirror::HostRewrite;
///
/// let error = HostRewrite::literal("a host").unwrap_err();
/// assert_eq!(error.to_string(), "\"a host\" is not a valid host: a literal must be a host with an optional port");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost {
    given: String,
    rule: &'static str,
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a valid host: {}", self.given, self.rule)
    }
}

impl Error for InvalidHost {}
