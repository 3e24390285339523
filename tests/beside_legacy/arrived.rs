//! Row 1: a response that arrived is delivered, although the connection ends right after it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tower_mirror_testing::frames::Peer;

use crate::{
    clients::{Body, Client, both, get, ours, post},
    compare,
    servers::{WHOLE, accepting, goaway, listen, read_request, whole, whole_request},
};

const ROUNDS: usize = 500;

/// How a server ends a connection after its first response.
#[derive(Clone, Copy, Debug)]
enum End {
    /// HTTP/1.1: a response like this, and then FIN.
    Http1(&'static [u8]),
    /// HTTP/2: FIN.
    Http2Fin,
    /// HTTP/2: GOAWAY and FIN.
    Http2GoAway,
}

const ENDS: [(&str, End); 6] = [
    ("HTTP/1.1, content-length, FIN", End::Http1(WHOLE)),
    (
        "HTTP/1.1, chunked, FIN",
        End::Http1(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"),
    ),
    (
        "HTTP/1.1, no length, FIN",
        End::Http1(b"HTTP/1.1 200 OK\r\n\r\nwhole"),
    ),
    (
        "HTTP/1.1, connection: close, FIN",
        End::Http1(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nwhole"),
    ),
    ("HTTP/2, FIN", End::Http2Fin),
    ("HTTP/2, GOAWAY, FIN", End::Http2GoAway),
];

impl End {
    fn version(self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2Fin | Self::Http2GoAway => Version::HTTP_2,
        }
    }

    /// Serves one request. With unread bytes the kernel would reset the connection and discard the response, so the
    /// server reads to the end, and does not process what it reads.
    async fn serve(self, mut stream: TcpStream, received: Arc<AtomicUsize>) -> io::Result<()> {
        let Self::Http1(response) = self else {
            let mut peer = Peer::greet(stream, &[]).await?;
            let stream = whole_request(&mut peer).await?;
            received.fetch_add(1, SeqCst);
            let mut response = whole(stream);
            if let Self::Http2GoAway = self {
                response.extend(goaway(stream));
            }
            peer.write(&response).await?;
            peer.stream.shutdown().await?;
            return peer.read_on().await;
        };
        read_request(&mut stream).await?;
        received.fetch_add(1, SeqCst);
        stream.write_all(response).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    }
}

/// How the rounds of one client ended.
#[derive(Debug, Default)]
struct Tally {
    /// The server answered, and the client has no response.
    discarded: usize,
    /// The server processed the request more than once.
    repeated: usize,
    /// The client has no response.
    unanswered: usize,
}

/// One request after the other.
async fn rounds(end: End, make: impl Fn(SocketAddr) -> Client, method: &str) -> Tally {
    let (listener, address) = listen().await;
    let received = Arc::new(AtomicUsize::new(0));
    let counter = received.clone();
    accepting(listener, move |_, stream| {
        end.serve(stream, counter.clone())
    });
    let client = make(address);
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        let before = received.load(SeqCst);
        let request: Request<Body> = match method {
            "GET" => get(address, "/"),
            _ => post(address, "hello"),
        };
        let answer = client.send(request).await;
        let times = received.load(SeqCst) - before;
        match &answer {
            Ok(body) => {
                assert_eq!(*body, Bytes::from("whole"));
                assert!(times > 0, "a response to a request that did not arrive");
            }
            Err(_) => {
                tally.unanswered += 1;
                tally.discarded += usize::from(times > 0);
            }
        }
        tally.repeated += usize::from(times > 1);
    }
    tally
}

/// Both clients at the same time, and all of the ends: each request waits for the one before it, so one client alone would
/// leave the processor idle.
async fn beside(
    method: &'static str,
    ours: fn(End, SocketAddr) -> Client,
) -> Vec<(String, [Tally; 2])> {
    let running = ENDS.map(|(name, end)| {
        let by_ours = tokio::spawn(rounds(end, move |address| ours(end, address), method));
        let by_legacy = move |address| both(address, end.version())[1].clone();
        let by_legacy = tokio::spawn(rounds(end, by_legacy, method));
        (format!("{method}, {name}"), by_ours, by_legacy)
    });
    let mut tallies = Vec::new();
    for (name, ours, legacy) in running {
        tallies.push((name, [ours.await.unwrap(), legacy.await.unwrap()]));
    }
    tallies
}

/// Without retries every request is processed at most once, and what the server answered is delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_arrived_is_delivered_whatever_ends_its_connection() {
    let once = |end: End, address: SocketAddr| {
        ours(address, |it| {
            let it = it.retry_idempotent(false);
            if end.version() == Version::HTTP_2 {
                it.http2()
            } else {
                it
            }
        })
    };
    for method in ["GET", "POST"] {
        for (name, [by_ours, by_legacy]) in beside(method, once).await {
            compare(&name, [by_ours.discarded, by_legacy.discarded]);
            assert_eq!(by_ours.discarded, 0, "{name}: {by_ours:?}");
            assert_eq!(by_ours.repeated, 0, "{name}: {by_ours:?}");
        }
    }
}

/// With the default settings a GET gets its response from another connection if it met the end of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_get_is_without_a_response_when_connections_end() {
    let default = |end: End, address: SocketAddr| both(address, end.version())[0].clone();
    for (name, [by_ours, by_legacy]) in beside("GET", default).await {
        compare(&name, [by_ours.unanswered, by_legacy.unanswered]);
        assert_eq!(by_ours.unanswered, 0, "{name}: {by_ours:?}");
    }
}
