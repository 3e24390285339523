//! `strip_credentials`: the rewrite that removes credentials from copies.

use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
    request,
};

use super::remove_headers;

/// Removes the headers that carry credentials from the copy:
///
/// | header | defined or used by |
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
/// This list cannot contain header names that only your services use: remove these with
/// [`remove_headers`], or use [`keep_headers`](super::keep_headers) with the names of the permitted
/// headers. Credentials in a query, in trailers or in a body (a login form) are not removed:
/// exclude such paths with [`skip_paths`](crate::sample::skip_paths).
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, MirrorLayer, rewrite};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mirror = MirrorLayer::builder(HttpTarget::new("http://127.0.0.1:9002")?)
///     .rewrite(rewrite::strip_credentials())
///     .rewrite(rewrite::remove_headers(["x-own-secret"]))
///     .build();
/// # let _ = mirror;
/// # Ok(())
/// # }
/// ```
pub fn strip_credentials() -> impl Fn(&mut request::Parts) + Clone + Send + Sync + 'static {
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
