//! WebSockets through the proxy, with a client and a server that are not configured for it.

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

use crate::{
    child::Proxy,
    client::{get, raw},
    upstream::Upstream,
    within,
};

/// Sends back what it receives, the name first.
async fn echo(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                socket.send(name.into()).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    url
}

async fn connect(proxy: &Proxy) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let url = format!("ws://{}/chat", proxy.address);
    within("a handshake", client_async(url, stream))
        .await
        .unwrap()
        .0
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Message> {
    let message = within("a message", socket.next()).await?;
    message.ok()
}

/// All that it is sent comes back, and it ends in order.
async fn talks(socket: &mut WebSocketStream<TcpStream>, name: &str) {
    assert_eq!(next(socket).await, Some(name.into()));
    for message in [
        Message::text("hello"),
        Message::binary(vec![b'x'; 1 << 20]),
        Message::text(""),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(socket).await, Some(message));
    }
    socket.close(None).await.unwrap();
    assert!(matches!(next(socket).await, Some(Message::Close(_))));
    assert_eq!(next(socket).await, None);
}

#[tokio::test]
async fn a_websocket_passes_and_has_no_copy() {
    let shadow = Upstream::echo().await;
    let primary = echo("v1").await;
    let proxy = Proxy::start(&["--primary", &primary, "--shadow", &shadow.url()]).await;
    // More than one, and at the same time.
    let mut sockets = [connect(&proxy).await, connect(&proxy).await];
    for socket in &mut sockets {
        talks(socket, "v1").await;
    }
    let stats = proxy.settled().await;
    assert_eq!(stats.number("requests"), 2);
    assert_eq!(stats.outcome("upgrade"), 2);
    assert_eq!(shadow.unread(), 0);
}

#[tokio::test]
async fn a_websocket_passes_through_a_split() {
    let subset = |name: &str, weight: u32, url: String| format!("{name}={weight}={url}");
    let v1 = subset("v1", 1, echo("v1").await);
    let v2 = subset("v2", 0, echo("v2").await);
    let proxy = Proxy::start(&["--subset", &v1, "--subset", &v2]).await;
    talks(&mut connect(&proxy).await, "v1").await;
    let put = proxy.put("/split", r#"{"v1": 0, "v2": 1}"#).await;
    assert_eq!(put.status, 200);
    talks(&mut connect(&proxy).await, "v2").await;
}

#[tokio::test]
async fn a_primary_that_does_not_switch_answers_as_ever() {
    let mut primary = Upstream::echo().await;
    let proxy = Proxy::start(&["--primary", &primary.url()]).await;
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade, x-private, close\r\n\
                   Upgrade: websocket, chat/2\r\nUpgrade: x\r\nX-Private: 1\r\nKeep-Alive: 5\r\n\r\n";
    let answer = raw(proxy.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = primary.seen().await;
    assert_eq!(seen.headers["connection"], "upgrade");
    let offered: Vec<_> = seen.headers.get_all("upgrade").iter().collect();
    assert_eq!(offered, ["websocket, chat/2", "x"]);
    for name in ["x-private", "keep-alive"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    // Nor is there an offer where a client does not say that it is one.
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n";
    raw(proxy.address, request).await;
    assert!(!primary.seen().await.headers.contains_key("upgrade"));
}

/// Writes this to each client that connects.
async fn saying(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
        }
    });
    url
}

#[tokio::test]
async fn a_primary_that_switches_unasked_is_a_502() {
    const OTHER: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nbytes";
    let primary = saying(OTHER).await;
    let proxy = Proxy::start(&["--primary", &primary]).await;
    let offer = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: chat\r\n\r\n";
    let answer = raw(proxy.address, offer).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(!answer.contains("bytes"), "{answer}");
    assert_eq!(get(&proxy.url("/")).await.status, 502);
}

/// A tunnel is not a request in flight, and the process does not wait for it.
#[tokio::test]
async fn a_tunnel_ends_with_the_process() {
    let primary = echo("v1").await;
    let mut proxy = Proxy::start(&["--primary", &primary]).await;
    let mut socket = connect(&proxy).await;
    assert_eq!(next(&mut socket).await, Some("v1".into()));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.says("draining ").await, "0 connections");
    assert_eq!(proxy.says("served ").await, "1 requests");
    assert_eq!(proxy.exit_code().await, Some(0));
    assert_eq!(next(&mut socket).await, None);
}
