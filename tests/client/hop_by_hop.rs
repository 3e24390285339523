//! What `HttpTarget` does with fields that are meant for one connection, in both directions, and with offers to switch
//! protocols.

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::{Router, error_handling::HandleError};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::TRANSFER_ENCODING};
use http_body_util::{BodyExt, Empty};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::yield_now,
};
use tower::{ServiceExt, service_fn, util::MapResponseLayer};
use tower_mirror::{
    HttpTarget,
    client::{Error, HttpTargetBuilder, ResponseBody},
};

/// No test waits for it; it only keeps a broken one from hanging.
const HANG: Duration = Duration::from_secs(60);

async fn within<F: Future>(waiting: F) -> F::Output {
    tokio::time::timeout(HANG, waiting).await.expect("it hangs")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn text(stream: &mut TcpStream, length: usize) -> String {
    let mut text = vec![0; length];
    within(stream.read_exact(&mut text)).await.unwrap();
    String::from_utf8(text).unwrap()
}

fn builder(address: SocketAddr) -> HttpTargetBuilder {
    HttpTarget::builder(format!("http://{address}"))
}

fn target(address: SocketAddr) -> HttpTarget {
    builder(address).build().unwrap()
}

/// What an application that forwards all to the target is to its clients.
async fn application(target: HttpTarget) -> SocketAddr {
    let (listener, address) = listen().await;
    let failed = async |error: Error| (StatusCode::BAD_GATEWAY, error.to_string());
    let app = Router::new().fallback_service(HandleError::new(target, failed));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

const OFFER: &[u8] =
    b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
const SWITCHES: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade, x-private\r\n\
                          upgrade: Chat\r\nx-private: 1\r\nx-public: 2\r\n\r\nfirst";
const ORDINARY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn bytes_pass_in_both_directions_once_both_have_switched() {
    let (listener, address) = listen().await;
    let target = target(address);
    let mut client = TcpStream::connect(application(target.clone()).await)
        .await
        .unwrap();
    // Sent at once: what follows the offer is of the other protocol.
    client.write_all(&[OFFER, b"early"].concat()).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap().0;
    assert!(head(&mut server).await.contains("\r\nupgrade: chat\r\n"));
    server.write_all(SWITCHES).await.unwrap();

    let answer = head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for field in ["connection: upgrade", "upgrade: Chat", "x-public: 2"] {
        assert!(answer.contains(&format!("\r\n{field}\r\n")), "{answer}");
    }
    assert!(!answer.contains("x-private"), "{answer}");
    assert_eq!(text(&mut client, 5).await, "first");
    assert_eq!(text(&mut server, 5).await, "early");

    // Its connection counts, and serves nothing else.
    let request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
    let other = tokio::spawn(target.clone().oneshot(request));
    let mut second = within(listener.accept()).await.unwrap().0;
    head(&mut second).await;
    assert_eq!(target.connections(), 2);
    second.write_all(ORDINARY).await.unwrap();
    let other = within(other).await.unwrap().unwrap();
    assert_eq!(other.into_body().collect().await.unwrap().to_bytes(), "ok");

    // Each direction ends for itself.
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    within(server.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "last");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "lastanswer");
    within(async {
        while target.connections() > 1 {
            yield_now().await;
        }
    })
    .await;
}

/// A layer may put its own answer in the place of the target's.
#[tokio::test]
async fn a_switch_that_never_reaches_the_client_is_undone() {
    let (listener, address) = listen().await;
    let target = builder(address)
        .write_timeout(Duration::from_millis(1))
        .build()
        .unwrap();
    let (front, front_address) = listen().await;
    let refusing = tower::ServiceBuilder::new()
        .layer(MapResponseLayer::new(|_: Response<ResponseBody>| {
            Response::new(axum::body::Body::from("no"))
        }))
        .service(target.clone());
    let failed = async |error: Error| (StatusCode::BAD_GATEWAY, error.to_string());
    let app = Router::new().fallback_service(HandleError::new(refusing, failed));
    tokio::spawn(async move { axum::serve(front, app).await });

    let mut client = TcpStream::connect(front_address).await.unwrap();
    client.write_all(OFFER).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap().0;
    head(&mut server).await;
    server.write_all(SWITCHES).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    // The client's connection stays.
    let mut rest = Vec::new();
    let _ = within(server.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
    within(async {
        while target.connections() > 0 {
            yield_now().await;
        }
    })
    .await;
}

/// Without a server of hyper there is nothing that could switch, and over HTTP/2 there is no switching.
#[tokio::test]
async fn an_offer_that_cannot_be_kept_is_not_made() {
    let (listener, address) = listen().await;
    let service = service_fn(async |request: Request<hyper::body::Incoming>| {
        let names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from(names.join(" "))))
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(service);
            tokio::spawn(async move {
                let stream = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let server = hyper_util::server::conn::auto::Builder::new(executor);
                let _ = server.serve_connection(stream, service).await;
            });
        }
    });
    let offer = Request::get("/")
        .header("host", "a")
        .header("connection", "upgrade")
        .header("upgrade", "chat")
        .body(Empty::<Bytes>::new());
    let answer = within(target(address).oneshot(offer.unwrap())).await;
    let names = answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(names.to_bytes(), "host");

    let application = application(builder(address).http2().build().unwrap()).await;
    let mut client = TcpStream::connect(application).await.unwrap();
    client
        .write_all(
            &[
                OFFER,
                b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            ]
            .concat(),
        )
        .await
        .unwrap();
    let mut answers = String::new();
    within(client.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(!answers.contains("upgrade"), "{answers}");
}

async fn answered_with(answer: &'static [u8]) -> Result<Response<ResponseBody>, Error> {
    let (listener, address) = listen().await;
    let asked = tokio::spawn(
        target(address).oneshot(Request::get("/").body(Empty::<Bytes>::new()).unwrap()),
    );
    let mut server = within(listener.accept()).await.unwrap().0;
    head(&mut server).await;
    server.write_all(answer).await.unwrap();
    within(asked).await.unwrap()
}

#[tokio::test]
async fn answers_lose_what_was_meant_for_their_connection() {
    let answer = answered_with(
        b"HTTP/1.1 200 OK\r\nconnection: x-private, \xff, keep-alive\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
          proxy-connection: close\r\nte: gzip\r\nupgrade: h2c\r\ntransfer-encoding: Chunked\r\n\
          content-length: 7\r\nx-public: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let answer = answer.await.unwrap();
    let names: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["x-public"]);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn a_coding_that_forwarding_would_lose_is_an_error() {
    let (listener, address) = listen().await;
    let app = Router::new().fallback(async || "ok");
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (coding, is_fine) in [
        ("chunked", true),
        ("gzip, chunked", false),
        ("gzip", false),
        ("chunked, gzip", false),
    ] {
        for target in [target(address), builder(address).http2().build().unwrap()] {
            let request = Request::post("/").header(TRANSFER_ENCODING, coding);
            let request = request.body(axum::body::Body::from("hello")).unwrap();
            match within(target.oneshot(request)).await {
                Ok(answer) => assert!(is_fine && answer.status() == 200, "{coding}"),
                Err(error) => assert!(!is_fine && error.is_request(), "{coding}: {error:?}"),
            }
        }
    }
    let answer = answered_with(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n");
    assert!(answer.await.unwrap_err().is_transport());
}
