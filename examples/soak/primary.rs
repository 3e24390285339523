//! v1 and v2, which are correct: they answer with the body, or with the requested bytes.

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::service_fn;

use crate::{
    Error, Result,
    ask::{ID, SERVED_BY, SUM},
    server::Server,
    upload::pattern,
};

pub(crate) async fn start(name: &'static str) -> Result<Server> {
    let app = service_fn(move |request| answer(name, request));
    Ok(Server::start(app).await?)
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
) -> Result<Response<Full<bytes::Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?;
    let sum = body.trailers().and_then(|trailers| trailers.get(SUM));
    let sum = sum.cloned();
    let bytes = match head.method {
        http::Method::GET => asked_for(head.uri.path()).ok_or("an unknown path")?,
        _ => body.to_bytes(),
    };
    let mut answer = Response::new(Full::from(bytes));
    let headers = answer.headers_mut();
    headers.insert(SERVED_BY, HeaderValue::from_static(name));
    let copied = [(ID, head.headers.get(ID).cloned()), (SUM, sum)];
    headers.extend(copied.into_iter().filter_map(|(n, v)| Some((n, v?))));
    Ok::<_, Error>(answer)
}

/// `/anything/offset/length`: these bytes of the pattern.
fn asked_for(path: &str) -> Option<bytes::Bytes> {
    let mut parts = path.rsplit('/');
    let length = parts.next()?.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    Some(pattern(offset, length))
}
