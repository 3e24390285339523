//! Row 3: an idle HTTP/1.1 connection closes as a request arrives.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::{Method, Version};
use tokio::io::AsyncWriteExt;

use crate::{
    clients::{both, full, get, ours, request},
    compare,
    servers::{WHOLE, accepting, listen, read_head},
};

/// The first connection serves one request and closes when the second one has come, after it sent `before`.
async fn closing_as_asked(before: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let accepted = accepting(listener, move |number, mut stream| async move {
        loop {
            read_head(&mut stream).await?;
            stream.write_all(WHOLE).await?;
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
async fn a_get_that_met_a_closing_connection_is_answered() {
    let mut lost = [0; 2];
    for (side, lost) in lost.iter_mut().enumerate() {
        let (address, _) = closing_as_asked(b"").await;
        let client = &both(address, Version::HTTP_11)[side];
        assert!(client.is_answered(get(address, "/")).await);
        *lost = usize::from(!client.is_answered(get(address, "/")).await);
    }
    compare("GET on a connection that closes", lost);
    assert_eq!(lost[0], 0);
}

#[tokio::test]
async fn no_other_request_is_sent_once_more() {
    for (name, method, body, before, retries, is_answered) in [
        ("GET", Method::GET, "", &b""[..], true, true),
        ("PUT without a body", Method::PUT, "", b"", true, true),
        ("GET, turned off", Method::GET, "", b"", false, false),
        ("POST", Method::POST, "", b"", true, false),
        ("PUT", Method::PUT, "hello", b"", true, false),
        ("GET, after a byte", Method::GET, "", b"H", true, false),
    ] {
        let (address, accepted) = closing_as_asked(before).await;
        let client = ours(address, |it| it.retry_idempotent(retries));
        assert!(client.is_answered(get(address, "/")).await, "{name}");
        let request = request(method, address, "/", full(body));
        assert_eq!(client.is_answered(request).await, is_answered, "{name}");
        let connections = if is_answered { 2 } else { 1 };
        assert_eq!(accepted.load(SeqCst), connections, "{name}");
    }
}
