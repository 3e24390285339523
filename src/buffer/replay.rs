//! `try_clone_request`: a second request with the same body.

use http::Request;
use http_body::Body;

use super::body::BufferedBody;

/// Returns a second request with the same content, if the body is
/// [complete](BufferedBody::is_complete) and no frame of it has been read. A policy of
/// `tower::retry` or `tower::hedge` can call it in `clone_request`.
///
/// Method, target, version, headers and extensions are cloned; the body's bytes are shared.
#[must_use]
pub fn try_clone_request<B: Body>(
    request: &Request<BufferedBody<B>>,
) -> Option<Request<BufferedBody<B>>> {
    let body = request.body().try_clone()?;
    let mut clone = Request::new(body);
    *clone.method_mut() = request.method().clone();
    *clone.uri_mut() = request.uri().clone();
    *clone.version_mut() = request.version();
    *clone.headers_mut() = request.headers().clone();
    *clone.extensions_mut() = request.extensions().clone();
    Some(clone)
}
