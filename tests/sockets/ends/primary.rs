//! Primaries that read bodies in different ways, and the events that they report.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::mpsc::UnboundedSender;
use tower::ServiceExt;
use tower_mirror::HttpTarget;

/// An event at a primary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// This number of bytes was read from the connection.
    Read(usize),
    /// The body has been dropped.
    Dropped,
}

/// The routes are: `/collect` reads the whole body; `/exact/5` reads only five bytes;
/// `/refuse/401/5` reads only five bytes and answers 401; `/ignore` reads nothing; `/proxy` is a
/// reverse proxy.
pub(crate) fn primary(upstream: HttpTarget) -> Router {
    Router::new()
        .route("/collect", any(collect))
        .route("/exact/{bytes}", any(exact))
        .route("/refuse/{status}/{bytes}", any(refuse))
        .route("/ignore", any(async || "ignored"))
        .route("/proxy", any(proxy).with_state(upstream))
}

async fn collect(request: Request) -> StatusCode {
    match request.into_body().collect().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

async fn exact(Path(bytes): Path<usize>, request: Request) -> StatusCode {
    read(request.into_body(), bytes).await;
    StatusCode::OK
}

async fn refuse(Path((status, bytes)): Path<(u16, usize)>, request: Request) -> StatusCode {
    read(request.into_body(), bytes).await;
    StatusCode::from_u16(status).unwrap()
}

/// Reads this number of bytes and drops the body.
pub(crate) async fn read(mut body: Body, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

async fn proxy(State(upstream): State<HttpTarget>, mut request: Request) -> Response {
    *request.uri_mut() = "/".parse().unwrap();
    match upstream.oneshot(request).await {
        Ok(answer) => answer.into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// A body that reports when it is read, and changes nothing else.
#[derive(Debug)]
pub(crate) struct Tap {
    body: Body,
    events: UnboundedSender<Event>,
}

impl Tap {
    pub(crate) fn around(request: Request, events: UnboundedSender<Event>) -> Request {
        request.map(|body| Body::new(Self { body, events }))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Dropped);
    }
}

impl http_body::Body for Tap {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let _ = self.events.send(Event::Read(bytes));
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
