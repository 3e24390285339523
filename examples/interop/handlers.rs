//! The application: handlers that read their body in different ways, or do not read it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Multipart, Request},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::record::crc32;

const MOST_BYTES: usize = 8 << 20;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/echo", any(bytes))
        .route("/bytes", any(bytes))
        .route("/frames", any(frames))
        .route("/json", post(typed))
        .route("/multipart", post(multipart))
        .route("/stream", post(stream))
        .route("/ignore", any(async || "ignored"))
        .route("/interop.Echo/{method}", post(grpc))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
}

fn seen(body: &[u8]) -> Json<Value> {
    Json(json!({ "bytes": body.len(), "crc": crc32(0, body) }))
}

/// Collects the body, as `Bytes`, `String` and `Json` do.
async fn bytes(body: Bytes) -> Json<Value> {
    seen(&body)
}

/// Reads to the end that the body announces, trailers included.
async fn frames(body: Body) -> Result<Json<Value>, StatusCode> {
    let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let trailers = body.trailers().map(HeaderMap::len).unwrap_or_default();
    let Json(mut said) = seen(&body.to_bytes());
    said["trailers"] = trailers.into();
    Ok(Json(said))
}

async fn typed(Json(value): Json<Value>) -> Json<Value> {
    seen(value.to_string().as_bytes())
}

/// Stops at the end marker of the form.
async fn multipart(mut form: Multipart) -> Result<Json<Value>, Response> {
    let (mut fields, mut length) = (0, 0);
    while let Some(field) = form
        .next_field()
        .await
        .map_err(IntoResponse::into_response)?
    {
        fields += 1;
        length += field
            .bytes()
            .await
            .map_err(IntoResponse::into_response)?
            .len();
    }
    Ok(Json(json!({ "fields": fields, "length": length })))
}

/// Answers with the body while it comes.
async fn stream(request: Request) -> Response {
    let (_, body) = request.into_parts();
    Response::new(body)
}

/// A gRPC server of raw messages: each is answered by itself. `Fail` refuses before it reads.
async fn grpc(request: Request) -> Response {
    let fails = request.uri().path().ends_with("/Fail");
    let mut answer = Response::new(match fails {
        true => Body::empty(),
        false => Body::new(Echo {
            body: Some(request.into_body()),
        }),
    });
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    if fails {
        headers.insert("grpc-status", HeaderValue::from_static("5"));
    }
    answer
}

/// What a shadow does: it reads all, and says that all is well.
pub(crate) async fn drain(body: Body) -> StatusCode {
    match body.collect().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// The bytes of a body, and after them the trailers of a gRPC call that went well.
struct Echo {
    body: Option<Body>,
}

impl http_body::Body for Echo {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.body = None;
                    let status = ("grpc-status", HeaderValue::from_static("0"));
                    let trailers =
                        [status].map(|(name, value)| (http::HeaderName::from_static(name), value));
                    let trailers = HeaderMap::from_iter(trailers);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
            }
        }
    }
}
