//! The mirror that people write by hand, as a proxy: the body is collected, the parts cloned, and a task spawned that
//! sends the copy. It has no limit and no timeout, and it reads no answer.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
    serve::ListenerExt,
};
use bytes::Bytes;
use clap::Parser;
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

/// A reverse proxy with a mirror written by hand.
#[derive(Debug, Parser)]
struct Args {
    /// The address to listen on; with port 0 the system chooses the port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The server that answers.
    #[arg(long)]
    primary: SocketAddr,

    /// The server that receives copies. Without it, this is a plain proxy.
    #[arg(long)]
    shadow: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
struct Proxy {
    primary: SocketAddr,
    shadow: Option<SocketAddr>,
    streamed: Client<HttpConnector, Body>,
    collected: Client<HttpConnector, Full<Bytes>>,
}

#[tokio::main(worker_threads = 1)]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let builder = Client::builder(TokioExecutor::new());
    let proxy = Proxy {
        primary: args.primary,
        shadow: args.shadow,
        streamed: builder.build(connector.clone()),
        collected: builder.build(connector),
    };

    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let app = Router::new().fallback(forward).with_state(proxy);
    // On a worker thread, like the requests; `main` runs on another thread.
    let served = tokio::spawn(async { axum::serve(listener, app).await });
    served.await.map_err(std::io::Error::other)?
}

async fn forward(State(proxy): State<Proxy>, mut request: Request) -> Result<Response, StatusCode> {
    let Some(shadow) = proxy.shadow else {
        *request.uri_mut() = at(proxy.primary, request.uri())?;
        let answer = proxy.streamed.request(request).await;
        return Ok(answer.map_err(bad_gateway)?.map(Body::new));
    };

    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await;
    let body = body.map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut copy = Request::from_parts(head.clone(), Full::from(body.clone()));
    *copy.uri_mut() = at(shadow, &head.uri)?;
    let client = proxy.collected.clone();
    tokio::spawn(async move { client.request(copy).await });

    let mut request = Request::from_parts(head, Full::from(body));
    *request.uri_mut() = at(proxy.primary, request.uri())?;
    let answer = proxy.collected.request(request).await;
    Ok(answer.map_err(bad_gateway)?.map(Body::new))
}

fn at(address: SocketAddr, uri: &Uri) -> Result<Uri, StatusCode> {
    let uri = format!("http://{address}{uri}").parse();
    uri.map_err(|_| StatusCode::BAD_REQUEST)
}

fn bad_gateway<E>(_: E) -> StatusCode {
    StatusCode::BAD_GATEWAY
}
