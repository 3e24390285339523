//! What a shadow of less trust should not be given.

use http::{
    HeaderName,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    },
    request,
};

use super::{RemoveHeaders, Rewrite, remove_headers};

/// Removes the headers that carry credentials from the copy:
///
/// | header | of |
/// |---|---|
/// | `authorization`, `proxy-authorization` | RFC 9110, sections 11.6.2 and 11.7.2 |
/// | `cookie`; `cookie2`, which some clients still send | RFC 6265; RFC 2965 |
/// | `dpop` | RFC 9449 |
/// | `x-api-key`, `api-key` | the usual names of API keys: Amazon API Gateway, Azure |
/// | `x-auth-token`, `x-goog-api-key`, `x-amz-security-token` | OpenStack, Google Cloud, AWS |
/// | `x-csrf-token`, `x-xsrf-token`, `csrf-token` | tokens against cross-site requests |
/// | `x-forwarded-access-token`, `x-auth-request-access-token` | oauth2-proxy |
/// | `x-amzn-oidc-accesstoken`, `x-amzn-oidc-data` | AWS load balancers |
/// | `cf-access-jwt-assertion`, `x-goog-iap-jwt-assertion` | Cloudflare Access, Google IAP |
///
/// A list cannot know your own names: add them with [`remove_headers`], or name with
/// [`only`] what may pass. Credentials in a query, in trailers
/// or in a body (a login form) are not touched: keep such paths out with
/// [`skip_paths`](crate::sample::skip_paths).
#[must_use]
pub fn strip_credentials() -> RemoveHeaders {
    let others = CREDENTIALS.iter().copied().map(HeaderName::from_static);
    remove_headers(
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE]
            .into_iter()
            .chain(others),
    )
}

const CREDENTIALS: [&str; 16] = [
    "cookie2",
    "dpop",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-amz-security-token",
    "x-csrf-token",
    "x-xsrf-token",
    "csrf-token",
    "x-forwarded-access-token",
    "x-auth-request-access-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "cf-access-jwt-assertion",
    "x-goog-iap-jwt-assertion",
];

/// Keeps these headers of the copy and removes all others, but for those without which
/// its body or its host would be another's: `host`, `content-length`,
/// `transfer-encoding`, `trailer`, `te`, `content-type` and `content-encoding`. The
/// mirror's mark stays as well. `only([])` keeps no more than that.
///
/// It runs when the rewrites before it have run: headers they set go as well, and those
/// set after it stay.
pub fn only(names: impl IntoIterator<Item = HeaderName>) -> OnlyHeaders {
    OnlyHeaders {
        names: names.into_iter().chain(ALWAYS.iter().cloned()).collect(),
    }
}

static ALWAYS: [HeaderName; 7] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    TRAILER,
    TE,
    CONTENT_TYPE,
    CONTENT_ENCODING,
];

/// See [`only`].
#[derive(Clone, Debug)]
pub struct OnlyHeaders {
    names: Vec<HeaderName>,
}

impl Rewrite for OnlyHeaders {
    fn rewrite(&self, copy: &mut request::Parts) {
        let others: Vec<HeaderName> = copy.headers.keys().cloned().collect();
        for name in others.iter().filter(|name| !self.names.contains(name)) {
            copy.headers.remove(name);
        }
    }
}
