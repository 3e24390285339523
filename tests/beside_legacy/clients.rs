//! The two clients behind one interface.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::ServiceExt;
use tower_mirror::{HttpTarget, client::HttpTargetBuilder};

use crate::within;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the settings of our client are made on.
pub(crate) type Setting = HttpTargetBuilder;

#[derive(Clone)]
pub(crate) enum Client {
    Ours(HttpTarget),
    Legacy(legacy::Client<HttpConnector, Body>),
}

pub(crate) fn ours(address: SocketAddr, set: impl FnOnce(Setting) -> Setting) -> Client {
    Client::Ours(
        set(HttpTarget::builder(format!("http://{address}")))
            .build()
            .unwrap(),
    )
}

pub(crate) fn legacy(set: impl FnOnce(&mut legacy::Builder) -> &mut legacy::Builder) -> Client {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder.pool_timer(TokioTimer::new());
    Client::Legacy(set(&mut builder).build_http())
}

/// Both clients with their defaults.
pub(crate) fn both(address: SocketAddr, version: Version) -> [Client; 2] {
    let is_http2 = version == Version::HTTP_2;
    [
        ours(address, |it| if is_http2 { it.http2() } else { it }),
        legacy(|it| it.http2_only(is_http2)),
    ]
}

impl Client {
    /// The head of the response, with a body that can still be read.
    pub(crate) async fn head(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        match self {
            Self::Ours(target) => match within(target.clone().oneshot(request)).await {
                Ok(response) => Ok(response.map(boxed)),
                Err(error) => Err(format!("{error:?}")),
            },
            Self::Legacy(client) => match within(client.request(request)).await {
                Ok(response) => Ok(response.map(boxed)),
                Err(error) => Err(format!("{error:?}")),
            },
        }
    }

    /// The whole body of the response, or the reason why a part of it is missing.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Bytes, String> {
        let response = self.head(request).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let body = within(response.into_body().collect()).await;
        Ok(body.map_err(|error| format!("{error:?}"))?.to_bytes())
    }

    /// Whether the whole response arrived.
    pub(crate) async fn is_answered(&self, request: Request<Body>) -> bool {
        self.send(request)
            .await
            .inspect_err(|e| println!("no response: {e}"))
            .is_ok()
    }
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    body.map_err(io::Error::other).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    boxed(Empty::new())
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    boxed(Full::new(bytes.into()))
}

pub(crate) fn request(
    method: Method,
    address: SocketAddr,
    path: &str,
    body: Body,
) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .body(body)
        .unwrap()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Request<Body> {
    request(Method::GET, address, path, empty())
}

pub(crate) fn post(address: SocketAddr, body: &'static str) -> Request<Body> {
    request(Method::POST, address, "/", full(body))
}
