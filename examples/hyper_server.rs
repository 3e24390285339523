//! The mirror around a service of hyper's own server, without axum. The mirror calls the service with
//! `Request<TeeBody<B>>`: the copy consists of what the service reads of this body.
//!
//! ```text
//! cargo run --example hyper_server   # runs and checks itself: exit status 0
//! ```

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, sync::mpsc};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_mirror::{BoxError, HttpTarget, MirrorLayer, Outcome, TeeBody};

type Answer = Response<Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (seen, mut copies) = mpsc::unbounded_channel();
    let v2 = start(service_fn(move |request| record(request, seen.clone()))).await?;

    // v2 stores nothing, so all methods may be copied.
    let mirror = MirrorLayer::new(HttpTarget::new(&v2)?);
    println!("{mirror}\n");
    let handle = mirror.handle();
    let v1 = start(mirror.layer(service_fn(shout))).await?;

    let client = HttpTarget::new(&v1)?;
    for word in ["hello", "world"] {
        let request = Request::post("/shout")
            .header(HOST, "shop")
            .body(Full::from(word))?;
        let answer = client.clone().oneshot(request).await?;
        let answer = answer.into_body().collect().await?.to_bytes();
        println!("v1 answered {answer:?}");
        assert_eq!(answer, word.to_uppercase());
        // The copy is sent after v1 has read the request. Only tests and examples wait for it.
        handle.wait_idle().await;
        let copy = copies.recv().await.ok_or("v2 has ended")?;
        println!("v2 received {copy:?}");
        assert_eq!(copy, format!("POST /shout, host shop-shadow: {word}"));
    }
    let stats = handle.stats();
    println!("\n{stats}");
    assert_eq!(stats.outcome(Outcome::Completed), 2);
    Ok(())
}

/// The service of v1.
async fn shout(request: Request<TeeBody<Incoming>>) -> Result<Answer, BoxError> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(body.to_ascii_uppercase().into()))
}

/// The service of v2, which reports what it receives.
async fn record(
    request: Request<Incoming>,
    seen: mpsc::UnboundedSender<String>,
) -> Result<Answer, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    seen.send(format!(
        "{} {}, host {}: {}",
        head.method,
        head.uri,
        head.headers[HOST].to_str()?,
        String::from_utf8_lossy(&body),
    ))?;
    Ok(Response::new(Full::default()))
}

/// Serves on loopback, with one task for each connection, and returns the URL.
async fn start<S>(service: S) -> Result<String, BoxError>
where
    S: Service<Request<Incoming>, Response = Answer, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
        Ok::<_, Infallible>(())
    });
    Ok(url)
}
