//! `HttpTarget` beside hyper-util's legacy client, with servers that close, go away, refuse and fall silent: it loses no
//! answer that the other one gets.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
};
use tower::{Service, ServiceExt};
use tower_mirror::{HttpTarget, client::HttpTargetBuilder};
use tower_mirror_testing::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NOTHING, Peer, RST_STREAM, STATUS_200, frame,
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

/// Serves each connection by `serve`, which is given its number. The counter says how many there were.
fn accepting<F>(
    listener: TcpListener,
    serve: impl Fn(usize, TcpStream) -> F + Send + 'static,
) -> Arc<AtomicUsize>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            // How a connection ends is between it and its client.
            tokio::spawn(serve(counter.fetch_add(1, SeqCst), stream));
        }
    });
    accepted
}

fn builder(address: SocketAddr) -> HttpTargetBuilder {
    HttpTarget::builder(format!("http://{address}"))
}

fn target(address: SocketAddr) -> HttpTarget {
    builder(address).build().unwrap()
}

type Legacy = legacy::Client<legacy::connect::HttpConnector, Full<Bytes>>;

fn legacy_http2() -> Legacy {
    legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http()
}

fn get(address: SocketAddr) -> Request<Full<Bytes>> {
    Request::get(format!("http://{address}/"))
        .body(Full::default())
        .unwrap()
}

fn post(address: SocketAddr, body: &'static str) -> Request<Full<Bytes>> {
    Request::post(format!("http://{address}/"))
        .body(Full::from(body))
        .unwrap()
}

/// The whole answer, or `None` if any of it is lost.
async fn by_target(target: &HttpTarget, request: Request<Full<Bytes>>) -> Option<Bytes> {
    let answer = within(target.clone().oneshot(request)).await;
    let answer = answer
        .inspect_err(|error| println!("no answer: {error:?}"))
        .ok()?;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = within(answer.into_body().collect()).await;
    let body = body.inspect_err(|error| println!("half an answer: {error:?}"));
    Some(body.ok()?.to_bytes())
}

async fn by_legacy(client: &Legacy, request: Request<Full<Bytes>>) -> Option<Bytes> {
    let answer = within(client.request(request)).await.ok()?;
    assert_eq!(answer.status(), StatusCode::OK);
    Some(within(answer.into_body().collect()).await.ok()?.to_bytes())
}

fn whole(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    [head, frame(DATA, END_STREAM, stream, b"whole")].concat()
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, NOTHING, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// Answers everything.
async fn answers_all(mut peer: Peer) -> io::Result<()> {
    loop {
        let (stream, is_all) = peer.request().await?;
        if !is_all {
            peer.body(stream).await?;
        }
        peer.write(&whole(stream)).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_arrived_is_delivered_whatever_ends_its_connection() {
    const ROUNDS: usize = 300;
    for says_goodbye in [true, false] {
        let (listener, address) = listen().await;
        let answered = Arc::new(AtomicUsize::new(0));
        let answers = answered.clone();
        accepting(listener, move |_, stream| {
            let answers = answers.clone();
            async move {
                let mut peer = Peer::greet(stream, &[]).await?;
                let (stream, _) = peer.request().await?;
                let mut answer = whole(stream);
                if says_goodbye {
                    answer.extend(goaway(stream));
                }
                answers.fetch_add(1, SeqCst);
                peer.write(&answer).await?;
                peer.stream.shutdown().await?;
                // With something unread, the kernel would reset the connection, and discard the answer.
                peer.read_on().await
            }
        });
        let (target, legacy) = (builder(address).http2().build().unwrap(), legacy_http2());
        let (mut lost, mut lost_by_legacy) = (0, 0);
        for _ in 0..ROUNDS {
            // A request may meet the end of a connection and not be answered; an answer may not be lost.
            let before = answered.load(SeqCst);
            let answer = by_target(&target, get(address)).await;
            let between = answered.load(SeqCst);
            lost += usize::from(answer.is_none() && between > before);
            let answer = by_legacy(&legacy, get(address)).await;
            let after = answered.load(SeqCst);
            lost_by_legacy += usize::from(answer.is_none() && after > between);
        }
        println!("lost of {ROUNDS}: {lost}, by legacy {lost_by_legacy}");
        assert_eq!(lost, 0, "says goodbye: {says_goodbye}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_under_load_loses_nothing() {
    let (listener, address) = listen().await;
    let app = axum::Router::new().fallback(async || "whole");
    accepting(listener, move |_, stream| {
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        async move {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let mut connection = pin!(server.serve_connection(stream, service));
            // It goes away in the middle of what is asked for, again and again.
            let mut turns = 0;
            let some_turns = poll_fn(|cx| {
                turns += 1;
                if turns > 20 {
                    return Poll::Ready(());
                }
                let _ = connection.as_mut().poll(cx);
                Poll::Pending
            });
            let _ = tokio::time::timeout(HANG, some_turns).await;
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
            Ok(())
        }
    });
    let target = builder(address).http2().build().unwrap();
    for _ in 0..40 {
        let asked = (0..16).map(|_| by_target(&target, get(address)));
        let answers = join_all(asked).await;
        let lost = answers.iter().filter(|answer| answer.is_none()).count();
        assert_eq!(lost, 0);
    }
}

/// The second request is above the last stream that the server has processed.
#[tokio::test]
async fn what_a_server_says_it_has_not_processed_goes_to_another_connection() {
    for (name, request) in [
        ("GET", get as fn(SocketAddr) -> Request<Full<Bytes>>),
        ("POST", |address| post(address, "hello")),
    ] {
        let (listener, address) = listen().await;
        let accepted = accepting(listener, |number, stream| async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            if number > 0 {
                return answers_all(peer).await;
            }
            let (first, _) = peer.request().await?;
            let (second, _) = peer.request().await?;
            assert!(second > first);
            peer.write(&[goaway(first), whole(first)].concat()).await?;
            peer.read_on().await
        });
        let target = builder(address).http2().build().unwrap();
        let both = join_all([
            by_target(&target, request(address)),
            by_target(&target, request(address)),
        ]);
        assert_eq!(
            both.await,
            [Some(Bytes::from("whole")), Some(Bytes::from("whole"))],
            "{name}"
        );
        assert_eq!(accepted.load(SeqCst), 2, "{name}");
    }
}

#[tokio::test]
async fn a_refused_stream_goes_to_another_connection_but_not_for_ever() {
    const REFUSED_STREAM: [u8; 4] = 7_u32.to_be_bytes();
    for refusing in [1, usize::MAX] {
        let (listener, address) = listen().await;
        let accepted = accepting(listener, move |number, stream| async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            if number >= refusing {
                return answers_all(peer).await;
            }
            loop {
                let (stream, _) = peer.request().await?;
                peer.write(&frame(RST_STREAM, NOTHING, stream, &REFUSED_STREAM))
                    .await?;
            }
        });
        let answer = by_target(&builder(address).http2().build().unwrap(), get(address)).await;
        assert_eq!(answer.is_some(), refusing == 1);
        let connections = if refusing == 1 { 2 } else { 3 };
        assert_eq!(accepted.load(SeqCst), connections);
    }
}

/// A server that admits ten streams, which a client on a cold connection does not know yet.
#[tokio::test]
async fn a_burst_on_a_cold_connection_is_served_whole() {
    let (listener, address) = listen().await;
    let app = axum::Router::new().fallback(async || "whole");
    accepting(listener, move |_, stream| {
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        async move {
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(10);
            let served = server
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
            served.map_err(io::Error::other)
        }
    });
    let (target, legacy) = (builder(address).http2().build().unwrap(), legacy_http2());
    let answers = join_all((0..80).map(|_| by_target(&target, get(address)))).await;
    let by_legacy = join_all((0..80).map(|_| by_legacy(&legacy, get(address)))).await;
    let lost = |answers: &[Option<Bytes>]| answers.iter().filter(|it| it.is_none()).count();
    println!(
        "lost of 80: {}, by legacy {}",
        lost(&answers),
        lost(&by_legacy)
    );
    assert_eq!(lost(&answers), 0);
}

async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(())
}

/// An HTTP/1.1 server whose first connection serves one request and closes when the second has come, after `before`.
async fn closing_as_asked(before: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let accepted = accepting(listener, move |number, mut stream| async move {
        loop {
            read_head(&mut stream).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                .await?;
            if number == 0 {
                read_head(&mut stream).await?;
                stream.write_all(before).await?;
                return stream.shutdown().await;
            }
        }
    });
    (address, accepted)
}

#[tokio::test]
async fn an_idempotent_request_that_met_a_closing_connection_is_sent_once_more() {
    let with = |method: &str, body: &'static str| {
        let method = method.to_owned();
        move |address: SocketAddr| {
            let request = Request::builder()
                .method(&*method)
                .uri(format!("http://{address}/"));
            request.body(Full::from(body)).unwrap()
        }
    };
    for (name, request, before, retries, is_answered) in [
        ("GET", with("GET", ""), &b""[..], true, true),
        ("PUT without a body", with("PUT", ""), b"", true, true),
        ("GET, turned off", with("GET", ""), b"", false, false),
        ("POST", with("POST", ""), b"", true, false),
        ("PUT", with("PUT", "hello"), b"", true, false),
        (
            "GET, after a byte of the answer",
            with("GET", ""),
            b"H",
            true,
            false,
        ),
    ] {
        let (address, accepted) = closing_as_asked(before).await;
        let target = builder(address).retry_idempotent(retries).build().unwrap();
        assert!(by_target(&target, get(address)).await.is_some(), "{name}");
        let answer = by_target(&target, request(address)).await;
        assert_eq!(answer.is_some(), is_answered, "{name}");
        let connections = if is_answered { 2 } else { 1 };
        assert_eq!(accepted.load(SeqCst), connections, "{name}");
    }
}

/// Each request is given up by its caller, and the peer acknowledges nothing.
#[tokio::test]
async fn a_peer_that_answers_no_request_loses_its_connection() {
    let (listener, address) = listen().await;
    let (asked, mut asks) = mpsc::unbounded_channel();
    let accepted = accepting(listener, move |number, stream| {
        let asked = asked.clone();
        async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            if number > 0 {
                return answers_all(peer).await;
            }
            let (first, _) = peer.request().await?;
            peer.write(&whole(first)).await?;
            loop {
                let _ = asked.send(peer.request().await?);
            }
        }
    });
    let target = builder(address).http2().build().unwrap();
    assert!(by_target(&target, get(address)).await.is_some());
    for _ in 0..3 {
        let mut target = target.clone();
        within(poll_fn(|cx| {
            Service::<Request<Full<Bytes>>>::poll_ready(&mut target, cx)
        }))
        .await
        .unwrap();
        let mut unanswered = pin!(target.call(get(address)));
        let polled = poll_fn(|cx| Poll::Ready(unanswered.as_mut().poll(cx).is_pending()));
        assert!(polled.await);
        within(asks.recv()).await.unwrap();
    }
    assert!(by_target(&target, get(address)).await.is_some());
    assert_eq!(accepted.load(SeqCst), 2);
}

#[tokio::test]
async fn connections_expire() {
    let (listener, address) = listen().await;
    let accepted = accepting(listener, |_, mut stream| async move {
        loop {
            read_head(&mut stream).await?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                .await?;
        }
    });
    for target in [
        builder(address)
            .idle_timeout(Duration::ZERO)
            .build()
            .unwrap(),
        builder(address).max_age(Duration::ZERO).build().unwrap(),
    ] {
        let before = accepted.load(SeqCst);
        for _ in 0..3 {
            assert!(by_target(&target, get(address)).await.is_some());
        }
        assert_eq!(accepted.load(SeqCst) - before, 3, "{target:?}");
        let gone = async {
            while target.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within(gone).await;
    }
}

/// All requests of a round are there before any is answered, so that each needs a connection.
#[tokio::test]
async fn a_steady_load_makes_no_connections_anew() {
    const CLIENTS: usize = 32;
    let (listener, address) = listen().await;
    let all = Arc::new(Barrier::new(CLIENTS));
    let accepted = accepting(listener, move |_, mut stream| {
        let all = all.clone();
        async move {
            loop {
                read_head(&mut stream).await?;
                all.wait().await;
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                    .await?;
            }
        }
    });
    let target = target(address);
    for _ in 0..20 {
        let answers = join_all((0..CLIENTS).map(|_| by_target(&target, get(address)))).await;
        assert!(answers.iter().all(Option::is_some));
    }
    assert_eq!(accepted.load(SeqCst), CLIENTS);
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_no_other() {
    let (listener, address) = listen().await;
    let app = axum::Router::new()
        .route("/", axum::routing::get(async || "whole"))
        .route("/large", axum::routing::get(async || vec![b'x'; 16 << 20]));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let target = builder(address).http2().build().unwrap();
    let mut unread = Vec::new();
    for _ in 0..8 {
        let large = Request::get("/large").body(Empty::<Bytes>::new()).unwrap();
        unread.push(within(target.clone().oneshot(large)).await.unwrap());
    }
    assert_eq!(
        by_target(&target, get(address)).await.as_deref(),
        Some(&b"whole"[..])
    );
    assert_eq!(target.connections(), 1);
}
