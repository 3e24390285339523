//! Clients: hyper's, and one that writes the bytes of a test.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::within;

#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn http1() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    /// By prior knowledge.
    pub(crate) fn http2() -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self(builder.http2_only(true).build_http())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        within("an answer", async {
            let answer = self.0.request(request).await.unwrap();
            let (head, body) = answer.into_parts();
            Answer {
                status: head.status,
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        })
        .await
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url).body(Full::default()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, url: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post(url).header("host", "catalog:8000");
        self.send(request.body(Full::new(body.into())).unwrap())
            .await
    }
}

pub(crate) async fn get(url: &str) -> Answer {
    Client::http1().get(url).await
}

/// Sends exactly this on a connection of its own, and reads until the peer closes it.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> String {
    within("the end of a raw exchange", async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await
}
