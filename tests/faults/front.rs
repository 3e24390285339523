//! The server under test, and clients that record everything that they see.

use std::{
    future::Future,
    hash::{DefaultHasher, Hasher},
    net::SocketAddr,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{AbortHandle, JoinSet},
};
use tower::Service;
use tower_mirror::BoxError;

use tower_mirror_testing::net::listen;

/// The primary. It answers with the length and a digest of the body that it has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest;

impl<B> Service<Request<B>> for Digest
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut body = std::pin::pin!(body);
            let (mut length, mut digest) = (0, DefaultHasher::new());
            let mut trailers = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(Into::into)?;
                trailers += frame.trailers_ref().map_or(0, HeaderMap::len);
                let data = frame.into_data().unwrap_or_default();
                digest.write(&data);
                length += data.len();
            }
            let digest = digest.finish();
            let headers = head.headers.len();
            let text = format!(
                "{} {} {headers} {length} {digest:x} {trailers}",
                head.method, head.uri
            );
            Ok(Response::new(Full::from(text)))
        })
    }
}

/// A server for both protocols. It closes all its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepting: AbortHandle,
}

impl Server {
    pub(crate) async fn start<S>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = BoxError>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let (listener, address) = listen().await;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                while connections.try_join_next().is_some() {}
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            accepting: accepting.abort_handle(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The length is at most 1 MiB.
pub(crate) fn pattern(length: usize) -> Bytes {
    static PATTERN: LazyLock<Bytes> =
        LazyLock::new(|| (0..1 << 20).map(|at| (at % 251) as u8).collect());
    PATTERN.slice(..length)
}

/// Sends a `POST` with a body of this length, then a `GET` on the same connection, and then a
/// request with `connection: close`.
pub(crate) async fn http1(address: SocketAddr, size: usize) -> String {
    let head = format!("POST /?q HTTP/1.1\r\nhost: catalog\r\ncontent-length: {size}\r\n\r\n");
    let upload = [head.as_bytes(), &pattern(size)].concat();
    let next = b"GET /next HTTP/1.1\r\nhost: catalog\r\n\r\n".to_vec();
    let last = b"GET /last HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\r\n".to_vec();
    raw(address, &[upload, next, last]).await
}

/// Writes each piece when all earlier ones have been answered, until the server closes the
/// connection. Returns everything that it received, except dates, and the way in which the
/// connection ended.
pub(crate) async fn raw(address: SocketAddr, pieces: &[Vec<u8>]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut seen = Vec::new();
    let mut pieces = pieces.iter();
    let end = loop {
        if let Some(piece) = pieces.next() {
            if stream.write_all(piece).await.is_err() {
                break "broken";
            }
        } else {
            match stream.read_to_end(&mut seen).await {
                Ok(_) => break "closed",
                Err(_) => break "reset",
            }
        }
        if pieces.len() == 0 {
            continue;
        }
        let before = seen.len();
        while !is_answer(&seen[before..]) {
            match stream.read_buf(&mut seen).await {
                Ok(0) => return text(&seen, "closed early"),
                Ok(_) => {}
                Err(_) => return text(&seen, "reset early"),
            }
        }
    };
    text(&seen, end)
}

/// Reads one complete response with a `content-length`.
fn is_answer(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

fn text(seen: &[u8], end: &str) -> String {
    let text = String::from_utf8_lossy(seen);
    let lines = text
        .split("\r\n")
        .filter(|line| !line.starts_with("date: "));
    format!("{}\n{end}", lines.collect::<Vec<_>>().join("\n"))
}

/// Does the same as [`http1`], on two streams of one connection.
pub(crate) async fn http2(address: SocketAddr, size: usize) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut seen = Vec::new();
    for (path, length) in [("/?q", Some(size)), ("/next", None)] {
        let mut request = Request::builder().uri(format!("http://catalog{path}"));
        if let Some(length) = length {
            request = request.method("POST").header("content-length", length);
        }
        let is_empty = length.unwrap_or(0) == 0;
        let (answer, mut upload) = client
            .send_request(request.body(()).unwrap(), is_empty)
            .unwrap();
        if !is_empty {
            upload.send_data(pattern(size), true).unwrap();
        }
        seen.push(answered(answer).await);
        // This is how a reset of the stream would be recorded.
        drop(upload);
        client = client.ready().await.unwrap();
    }
    drop(client);
    let end = connection.await.unwrap();
    format!("{}\n{end:?}", seen.join("\n"))
}

/// Returns the status, the headers, the body and the trailers of one response, or its error.
pub(crate) async fn answered(answer: h2::client::ResponseFuture) -> String {
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(error) => return format!("{error:?}"),
    };
    let (mut head, mut body) = answer.into_parts();
    head.headers.remove("date");
    let mut seen = Vec::new();
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _ = body.flow_control().release_capacity(data.len());
                seen.extend_from_slice(&data);
            }
            Err(error) => return format!("{head:?} {error:?}"),
        }
    }
    let trailers = body.trailers().await;
    let seen = String::from_utf8_lossy(&seen).into_owned();
    format!("{} {:?} {seen} {trailers:?}", head.status, head.headers)
}
