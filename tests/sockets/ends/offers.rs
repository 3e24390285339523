//! Transfer codings, offers to upgrade and empty bodies, which decide the framing of a copy.

use axum::{Router, extract::Request, response::IntoResponse, routing::any};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use tower_mirror::{BodyMode, HttpTarget, MirrorLayer, Outcome};

use super::{
    primary::primary,
    rig::{Rig, WAYS, tapped},
};
use tower_mirror_testing::{
    by_hand::*,
    server::{Clock, within},
};

#[tokio::test(start_paused = true)]
async fn a_coding_that_the_copy_would_lose_has_no_copy() {
    let codings = [
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "Transfer-Encoding: GZIP , Chunked",
    ];
    for way in WAYS {
        for coding in codings {
            let case = format!("{coding:?} {way:?}");
            let rig = Rig::new(way).await;
            let mut client = Raw::connect(rig.primary.address).await;
            let head = format!("POST /collect HTTP/1.1\r\nhost: catalog\r\n{coding}\r\n");
            let sent = format!("{head}connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
            client.write(sent).await;
            let answer = within(client.rest()).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{case}: {answer}");
            let ended = rig.end().await;
            assert!(ended.copies.is_empty(), "{case}: {:?}", ended.copies);
            ended.lost(Outcome::TransferCoding, &case);
        }
    }
}

/// hyper refuses these codings, so the mirror sees no request.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_chunked_in_the_end_is_refused() {
    for coding in ["identity", "gzip", "chunked, gzip"] {
        let rig = Rig::new(WAYS[0]).await;
        let mut client = Raw::connect(rig.primary.address).await;
        let head = "POST /collect HTTP/1.1\r\nhost: catalog\r\n";
        client
            .write(format!("{head}transfer-encoding: {coding}\r\n\r\nhello"))
            .await;
        let answer = within(client.rest()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{coding}: {answer}");
        let ended = rig.end().await;
        assert!(
            ended.outcomes.is_empty() && ended.copies.is_empty(),
            "{coding}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_the_primary_does_not_take_up_is_an_ordinary_request() {
    let offers = [
        ("h2c", "200"),
        ("TLS/1.2", "200"),
        ("websocket", "426"),
        ("websocket, h2c", "401"),
    ];
    for way in WAYS {
        for (offer, status) in offers {
            for body in ["", "hello"] {
                let case = format!("{offer} {status} {body:?} {way:?}");
                let rig = Rig::new(way).await;
                let mut client = Raw::connect(rig.primary.address).await;
                let head = format!("POST /refuse/{status}/{} HTTP/1.1\r\n", body.len());
                let offer =
                    format!("upgrade: {offer}\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n");
                let connection = "connection: upgrade, http2-settings, close\r\n";
                let length = format!("host: catalog\r\ncontent-length: {}\r\n", body.len());
                client
                    .write(format!("{head}{length}{offer}{connection}\r\n{body}"))
                    .await;
                let answer = within(client.rest()).await;
                assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{case}: {answer}"
                );
                let copy = rig.end().await.completed(&case);
                assert_eq!(copy.bytes, body.as_bytes(), "{case}");
                for name in ["upgrade", "connection", "http2-settings"] {
                    assert_eq!(copy.header(name), None, "{case}");
                }
            }
        }
    }
}

/// Switches protocols, and then returns all bytes that it receives.
fn switching() -> Router {
    let handler = any(async |mut request: Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        let is_connect = request.method() == http::Method::CONNECT;
        tokio::spawn(async move {
            let (mut reader, mut writer) = split(TokioIo::new(upgrade.await.unwrap()));
            copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        if is_connect {
            return StatusCode::OK.into_response();
        }
        let fields = [("connection", "upgrade"), ("upgrade", "websocket")];
        (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
    });
    Router::new().fallback(handler)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_switches_protocols_has_no_copy() {
    for way in WAYS {
        let rig = Rig::with(way, switching()).await;
        let mut client = Raw::connect(rig.primary.address).await;
        let head = "GET / HTTP/1.1\r\nhost: catalog\r\nsec-websocket-version: 13\r\n";
        let offer = "connection: upgrade\r\nupgrade: websocket\r\n\r\n";
        client.write(format!("{head}{offer}")).await;
        let answer = within(client.until("\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{way:?}: {answer}");
        // The connection belongs to the primary and its client.
        client.write("through the mirror").await;
        assert_eq!(within(client.until("mirror")).await, "through the mirror");
        within(rig.handle.wait_idle()).await;
        drop(client);
        let ended = rig.end().await;
        assert!(ended.copies.is_empty(), "{way:?}: {:?}", ended.copies);
        ended.lost(Outcome::Upgrade, &format!("{way:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_extended_connect_has_no_copy() {
    for way in WAYS {
        let rig = Rig::with(way, switching()).await;
        let mut client = Client::connect(rig.primary.address).await;
        let head = head("CONNECT", "/", &[]);
        // Pseudo-header fields come before other fields. Here there are no other fields.
        let protocol = fields(&[(":protocol", "websocket")]);
        let head = [&head[9..], &protocol].concat();
        client.write(&[whole_head(&head), data(b"through")]).await;
        assert_eq!(within(client.status()).await, Ok(200), "{way:?}");
        let echo = Event::Data {
            bytes: "through".len(),
            is_last: false,
        };
        assert_eq!(within(client.event()).await, echo, "{way:?}");
        client.write(&[end()]).await;
        within(client.closed()).await;
        let ended = rig.end().await;
        assert!(ended.copies.is_empty(), "{way:?}: {:?}", ended.copies);
        ended.lost(Outcome::Upgrade, &format!("{way:?}"));
    }
}

/// An HTTP/1.1 server that passes the bytes of each request to the test.
async fn raw_shadow() -> (HttpTarget, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let read = stream.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8(seen.clone()).unwrap();
                let end = match text.contains("transfer-encoding") {
                    true => "\r\n\r\n0\r\n\r\n",
                    false => "\r\n\r\n",
                };
                if read == 0 || text.ends_with(end) {
                    let _ = sender.send(text);
                    break;
                }
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    (HttpTarget::new(&url).unwrap(), requests)
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_that_is_relayed_live_keeps_its_framing() {
    let framings = [
        (
            "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
        ),
        ("content-length: 0\r\n\r\n", "content-length: 0"),
    ];
    let _clock = Clock::held();
    for (framing, field) in framings {
        for path in ["/collect", "/proxy"] {
            for method in ["POST", "PUT", "GET", "DELETE", "PATCH"] {
                let case = format!("{method} {path} {field}");
                let (shadow, mut copies) = raw_shadow().await;
                let (upstream, mut forwarded) = raw_shadow().await;
                let layer = MirrorLayer::builder(shadow)
                    .body_mode(BodyMode::Streaming)
                    .build();
                let handle = layer.handle();
                let (server, _events) = tapped(primary(upstream).layer(layer)).await;
                let mut client = Raw::connect(server.address).await;
                let head = format!("{method} {path} HTTP/1.1\r\nhost: catalog\r\n");
                client
                    .write(format!("{head}connection: close\r\n{framing}"))
                    .await;
                let answer = within(client.rest()).await;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{case}: {answer}");
                within(handle.wait_idle()).await;
                let stats = handle.stats();
                assert_eq!(stats.outcome(Outcome::Completed), 1, "{case}: {stats}");

                let copy = within(copies.recv()).await.unwrap();
                for request in [Some(copy), forwarded.try_recv().ok()]
                    .into_iter()
                    .flatten()
                {
                    let (head, body) = request.split_once("\r\n\r\n").unwrap();
                    let lines: Vec<_> = head.split("\r\n").collect();
                    assert!(lines[0].starts_with(method), "{case}: {request:?}");
                    let framed = lines.iter().filter(|line| {
                        line.starts_with("transfer-encoding") || line.starts_with("content-length")
                    });
                    assert_eq!(framed.collect::<Vec<_>>(), [&field], "{case}: {request:?}");
                    let sent = framing.split_once("\r\n\r\n").unwrap().1;
                    assert_eq!(body, sent, "{case}: {request:?}");
                }
            }
        }
    }
}
