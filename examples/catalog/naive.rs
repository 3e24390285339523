//! A mirror as people write it by hand. It looks correct, and it is correct while v2 answers.

use std::net::SocketAddr;

use axum::{body::to_bytes, extract::Request, middleware::Next, response::Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};

type Shadow = Client<HttpConnector, Full<Bytes>>;

/// Ten lines, for `axum::middleware::from_fn`.
pub(crate) async fn mirror(
    shadow: Shadow,
    address: SocketAddr,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await;
    let body = body.map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut copy = Request::from_parts(head.clone(), Full::from(body.clone()));
    *copy.uri_mut() = at(address, &head.uri)?;
    tokio::spawn(async move { shadow.request(copy).await });
    Ok(next.run(Request::from_parts(head, body.into())).await)
}

fn at(address: SocketAddr, uri: &Uri) -> Result<Uri, StatusCode> {
    let uri = format!("http://{address}{uri}").parse();
    uri.map_err(|_| StatusCode::BAD_REQUEST)
}
