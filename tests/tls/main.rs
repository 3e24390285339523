//! Tests of `https` targets with real TLS servers, whose certificates the tests create.

mod certificates;
mod protocols;
mod server;
mod through_the_mirror;
mod trust;

use std::{error::Error as _, future::Future, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tower::ServiceExt;
use tower_mirror::{
    BoxError,
    client::{Error, HttpTarget},
};

/// A limit for tests that would otherwise hang. A test that passes never waits for it.
async fn within<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, future).await.expect("hangs")
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("/a?b=c").body(Empty::new()).unwrap()
}

async fn send<B>(target: &HttpTarget, request: Request<B>) -> Result<Response<Bytes>, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    within(async {
        let response = target.clone().oneshot(request).await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    })
    .await
}

/// Sends a request, and returns the version of HTTP of its response.
async fn version(target: &HttpTarget) -> Version {
    let response = send(target, get()).await.unwrap();
    assert_eq!(response.body(), "primary");
    response.version()
}

fn io_error(error: &Error) -> &io::Error {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref() {
            return io;
        }
        source = error.source();
    }
    panic!("no io::Error among the sources of {error:?}");
}

/// Waits until the target has no open socket.
async fn all_closed(target: &HttpTarget) {
    within(async {
        while target.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
