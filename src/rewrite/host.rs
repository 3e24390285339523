//! `HostRewrite`: how the host of a copy is rewritten.

use std::{borrow::Cow, error::Error, fmt, net::Ipv4Addr, sync::Arc};

use http::uri::Authority;

/// The rule that rewrites the host of a copy.
///
/// The default is the suffix `-shadow`, which Envoy's `request_mirror_policies` also add. The
/// suffix is useful if the shadow has its own address and recognises mirrored requests by their
/// host. If a sidecar or a router in front of the shadow *routes* by host, it does not find a host
/// with the suffix: use [`literal`](Self::literal) with the shadow's own name there. (Istio has
/// disabled the suffix by default since 1.28.)
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
    /// Appends a suffix to the host name, before the port and before a final dot: with the suffix
    /// `-shadow`, `catalog:8000` becomes `catalog-shadow:8000`, and `a.example.` becomes
    /// `a.example-shadow.`. An IPv4 or IPv6 literal is not changed, because an address with a
    /// suffix is not an address. An empty or invalid host is not changed either. The result is
    /// always a valid authority, or the unchanged host.
    ///
    /// # Panics
    ///
    /// If the suffix is empty, or a host with this suffix would not be valid, as with `"/x"`. Use
    /// [`try_suffix`](Self::try_suffix) for a suffix that is not written in the program.
    #[must_use]
    #[track_caller]
    pub fn suffix(suffix: &'static str) -> Self {
        match Self::try_suffix(suffix) {
            Ok(rewrite) => rewrite,
            #[allow(clippy::panic)] // a wrong literal, as in `HeaderName::from_static`
            Err(error) => panic!("{error}"),
        }
    }

    /// Does the same as [`suffix`](Self::suffix), for a suffix that is not a literal.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] if the suffix is empty, or a host with this suffix would not be valid.
    pub fn try_suffix(suffix: impl Into<Cow<'static, str>>) -> Result<Self, InvalidHost> {
        let suffix = suffix.into();
        if suffix.is_empty()
            || suffix.contains([':', '[', ']'])
            || parse(&format!("a{suffix}")).is_none()
        {
            return Err(InvalidHost {
                given: suffix.into_owned(),
                rule: "a suffix of a host must not be empty and may contain only characters that a host name may contain",
            });
        }
        Ok(Self {
            rule: Rule::Suffix(suffix),
        })
    }

    /// Keeps the host of the original request.
    #[must_use]
    pub const fn preserve() -> Self {
        Self {
            rule: Rule::Preserve,
        }
    }

    /// Gives every copy this host, with an optional port: `shadow.internal`, `127.0.0.1:9002`, or a
    /// target's own [`authority()`](crate::client::HttpTarget::authority).
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] if the text is not a host with an optional port.
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

    /// Gives each copy the host that a closure returns. If the result is not a valid host, the host
    /// is not changed. The closure runs on the copy's task.
    pub fn map(map: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self {
            rule: Rule::Map(Arc::new(map)),
        }
    }

    /// Whether the result depends only on the host, so that it can be cached.
    pub(crate) fn is_cacheable(&self) -> bool {
        !matches!(self.rule, Rule::Map(_))
    }

    /// Returns the host of a copy whose original request has the host `host`.
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
        // Each byte must be a digit, because parsing as a number would also accept `+80`.
        Some(port) => {
            port[1..].bytes().all(|byte| byte.is_ascii_digit()) && authority.port_u16().is_some()
        }
        None => false, // the authority begins with user information
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

/// The reason why a text cannot be the host of a copy, or the suffix of a host.
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
