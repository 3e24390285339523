//! Faults of clients: the outcome does not blame the shadow, and the cost is not higher than
//! without the layer.

use std::{sync::PoisonError, time::Duration};

use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};
use tower::Layer;
use tower_mirror::{BodyMode, HttpTarget, MirrorHandle, MirrorLayer, MirrorStats, Outcome, sample};

use crate::{
    cell::{DESCRIPTORS, nothing_is_left, runtime, tasks},
    front::{Digest, Server, answered, http1, http2, pattern, raw},
    shadow::Shadow,
};
use tower_mirror_testing::{frames::*, net::HANG};

const MODES: [BodyMode; 3] = [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly];

/// A mirror with a shadow without faults, and the server in front of it.
struct Bench {
    shadow: Shadow,
    handle: MirrorHandle,
    target: HttpTarget,
    server: Server,
    bare: Server,
    before: usize,
}

impl Bench {
    async fn new(
        mode: BodyMode,
        limit: impl FnOnce(tower_mirror::MirrorBuilder) -> MirrorLayer,
    ) -> Self {
        let shadow = Shadow::start(|_, stream| async move {
            let service = hyper_util::service::TowerToHyperService::new(Digest);
            let io = hyper_util::rt::TokioIo::new(stream);
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
            serving.await.map_err(std::io::Error::other)
        })
        .await;
        let bare = Server::start(Digest).await;
        let before = tasks();
        let target = HttpTarget::new(&format!("http://{}", shadow.address)).unwrap();
        let layer = limit(MirrorLayer::builder(target.clone()).body_mode(mode));
        let handle = layer.handle();
        let server = Server::start(layer.layer(Digest)).await;
        Self {
            shadow,
            handle,
            target,
            server,
            bare,
            before,
        }
    }

    async fn unlimited(mode: BodyMode) -> Self {
        Self::new(mode, |mirror| mirror.build()).await
    }

    async fn idle(&self) -> MirrorStats {
        timeout(HANG, self.handle.wait_idle()).await.unwrap();
        self.handle.stats()
    }

    /// Sends the same bytes to both servers.
    async fn sees_the_same(&self, pieces: &[Vec<u8>]) -> String {
        let with = timeout(HANG, raw(self.server.address, pieces))
            .await
            .unwrap();
        let without = timeout(HANG, raw(self.bare.address, pieces)).await.unwrap();
        assert_eq!(with, without);
        with
    }

    /// Asserts that nothing remains.
    async fn end(self) {
        self.idle().await;
        drop(self.target);
        // The server without a mirror is not part of this check.
        let left = nothing_is_left(self.handle, self.server, &self.shadow, self.before).await;
        left.unwrap();
    }
}

fn run<F: Future<Output = ()>>(test: impl Fn(BodyMode) -> F) {
    let _together = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
    for mode in MODES {
        runtime().block_on(test(mode));
    }
}

fn close(request: &str) -> Vec<u8> {
    request.replace('\n', "\r\n").into_bytes()
}

/// The client disconnects in the head, before the body, in the body, and before it has read the
/// response.
#[test]
fn aborts_at_each_stage() {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    run(async |mode| {
        for reset in [false, true] {
            for (sent, admitted) in [
                (20, 0),
                (HEAD.len(), 1),
                (HEAD.len() + 500, 1),
                (HEAD.len() + 1000, 1),
            ] {
                let bench = Bench::unlimited(mode).await;
                let mut stream = TcpStream::connect(bench.server.address).await.unwrap();
                let request = [HEAD, &pattern(1000)].concat();
                stream.write_all(&request[..sent]).await.unwrap();
                while bench.handle.stats().admitted() < admitted {
                    yield_now().await;
                }
                if reset {
                    stream.set_zero_linger().unwrap();
                }
                drop(stream);
                let stats = bench.idle().await;
                assert_eq!(stats.requests(), admitted, "{stats}");
                let whole = mode == BodyMode::HeadOnly || sent == request.len();
                let by_client =
                    stats.outcome(Outcome::ClientAborted) + stats.outcome(Outcome::BodyError);
                let sent = stats.outcome(Outcome::Completed);
                // The client may disconnect before its complete upload was read.
                let right = if whole { sent + by_client } else { by_client };
                assert_eq!(right, admitted, "{mode:?}: {stats}");
                bench.end().await;
            }
        }
    });
}

#[test]
fn aborts_http2_streams_at_each_stage() {
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        let stream = TcpStream::connect(bench.server.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        for (sent, admitted) in [(0, 1), (500, 2)] {
            let request = http::Request::post("http://a/").header("content-length", 1000);
            let (answer, mut upload) = client
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            upload.send_data(pattern(sent), false).unwrap();
            while bench.handle.stats().admitted() < admitted {
                yield_now().await;
            }
            upload.send_reset(h2::Reason::CANCEL);
            assert!(answered(answer).await.contains("Reset"));
        }
        let stats = bench.idle().await;
        let by_client = stats.outcome(Outcome::ClientAborted) + stats.outcome(Outcome::BodyError);
        let ended = match mode {
            BodyMode::HeadOnly => stats.outcome(Outcome::Completed),
            _ => by_client,
        };
        assert_eq!(ended, 2, "{mode:?}: {stats}");
        drop(client);
        connection.await.unwrap().unwrap();
        bench.end().await;
    });
}

/// Rapid reset: streams that are opened and immediately cancelled, until the server closes the
/// connection, as without the layer.
#[test]
fn resets_streams_rapidly() {
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        for server in [&bench.server, &bench.bare] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .await
                .unwrap();
            stream.write_all(&settings(&[])).await.unwrap();
            // The head consists of `POST`, `http` and `/`, without an authority.
            let block = [0x83, 0x86, 0x84];
            for number in 0..5000 {
                let id = 2 * number + 1;
                let cancel = frame(RST_STREAM, NOTHING, id, &8_u32.to_be_bytes());
                let both = [frame(HEADERS, END_HEADERS, id, &block), cancel].concat();
                if stream.write_all(&both).await.is_err() {
                    break;
                }
            }
            // The server sends GOAWAY and closes. The unread rest turns the close into a reset.
            let _ = timeout(HANG, stream.read_to_end(&mut Vec::new()))
                .await
                .unwrap();
        }
        let stats = bench.idle().await;
        assert_eq!(stats.in_flight(), 0, "{stats}");
        assert!(stats.outcome(Outcome::FailedTransport) == 0, "{stats}");
        bench.end().await;
    });
}

#[test]
fn pipelines() {
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        let one = [
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n",
            &pattern(1000)[..],
        ]
        .concat();
        let last = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let all = [one.repeat(50), last.to_vec()].concat();
        let seen = bench.sees_the_same(&[all]).await;
        assert_eq!(seen.matches("200 OK").count(), 51);
        let stats = bench.idle().await;
        assert_eq!(stats.outcome(Outcome::Completed), 51, "{stats}");
        bench.end().await;
    });
}

#[test]
fn runs_many_streams_and_connections_at_once() {
    run(async |mode| {
        let bench = Bench::new(mode, |mirror| {
            mirror.filter(sample::methods([Method::POST])).build()
        })
        .await;
        let over1 = (0..20).map(|_| http1(bench.server.address, 100_000));
        let over2 = (0..20).map(|_| http2(bench.server.address, 100_000));
        let seen1 = futures_util::future::join_all(over1).await;
        let seen2 = futures_util::future::join_all(over2).await;
        let without1 = http1(bench.bare.address, 100_000).await;
        let without2 = http2(bench.bare.address, 100_000).await;
        assert!(seen1.iter().all(|seen| *seen == without1));
        assert!(seen2.iter().all(|seen| *seen == without2));
        let stats = bench.idle().await;
        assert_eq!(stats.outcome(Outcome::Completed), 40, "{stats}");
        bench.end().await;
    });
}

/// The server in front handles these requests in the same way with and without the layer.
#[test]
fn sends_what_contradicts_itself() {
    let heads = [
        "POST / HTTP/1.1\nhost: a\ncontent-length: 3\ncontent-length: 4\n\nabcd",
        "POST / HTTP/1.1\nhost: a\ncontent-length: 3\ntransfer-encoding: chunked\nconnection: close\n\n2\nab\n0\n\n",
        "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked, gzip\n\n",
        "POST / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\nconnection: close\n\nzz\n",
        "POST / HTTP/1.1\nhost: a\ncontent-length: -1\n\n",
        "POST / HTTP/1.1\nhost: a b\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.1\nhost:\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.1\nhost: u:p@a:x/../?#\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.1\nhost: a\nhost: b\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.1\nhost: [::1\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.1\nconnection: close, host, content-length\ncontent-length: 2\n\nab",
        "POST http://other:1/x HTTP/1.1\nhost: a\nconnection: close\ncontent-length: 2\n\nab",
        "POST / HTTP/1.0\ncontent-length: 2\n\nab",
        "GET / HTTP/1.1\nhost: a\nconnection: close\ntransfer-encoding: chunked\ntrailer: x\n\n2\nab\n0\nx: y\n\n",
        "OPTIONS * HTTP/1.1\nhost: a\nconnection: close\n\n",
        "TRACE / HTTP/1.1\nhost: a\nconnection: close\n\n",
        "GET /\u{1} HTTP/1.1\nhost: a\n\n",
        "\0\0\0\0\n\n",
    ];
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        for head in heads {
            bench.sees_the_same(&[close(head)]).await;
            let stats = bench.idle().await;
            // Each request that reached the service has a copy, or broke off.
            let ends = stats.outcome(Outcome::Completed) + stats.outcome(Outcome::BodyError);
            assert_eq!(ends, stats.requests(), "{head}: {stats}");
        }
        assert!(bench.handle.stats().outcome(Outcome::Completed) > 8);
        bench.end().await;
    });
}

#[test]
fn sends_a_thousand_headers_and_heads_at_the_limit() {
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        for (headers, length, status) in [
            (90, 1, "200"),
            (1000, 1, "431"),
            (90, 4000, "200"),
            (1, 1 << 20, "431"),
        ] {
            let fields: String = (0..headers)
                .map(|n| format!("x-{n}: {}\n", "y".repeat(length)))
                .collect();
            let head = format!("GET / HTTP/1.1\nhost: a\nconnection: close\n{fields}\n");
            let seen = bench.sees_the_same(&[close(&head)]).await;
            // A reset that follows a refusal may suppress it. The result must be the same on both
            // servers.
            assert!(
                seen.starts_with(&format!("HTTP/1.1 {status}")),
                "{headers} {length}: {seen}"
            );
        }
        let stats = bench.idle().await;
        assert_eq!(stats.outcome(Outcome::Completed), 2, "{stats}");
        bench.end().await;
    });
}

#[test]
fn names_thousands_of_hosts() {
    run(async |mode| {
        let bench = Bench::unlimited(mode).await;
        let mut stream = TcpStream::connect(bench.server.address).await.unwrap();
        for number in 0..2000 {
            let request =
                format!("GET / HTTP/1.1\r\nhost: tenant-{number}.example:{number}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b" 0") {
                stream.read_buf(&mut seen).await.unwrap();
            }
        }
        drop(stream);
        let stats = bench.idle().await;
        assert_eq!(
            stats.outcome(Outcome::Completed) + stats.outcome(Outcome::InFlightLimit),
            2000,
            "{stats}"
        );
        // The number of connections is at most the number of concurrent copies, and does not depend
        // on the hosts.
        assert!(bench.target.connections() <= 16, "{:?}", bench.target);
        bench.end().await;
    });
}

/// Stopped uploads take every slot until `capture_timeout`, and later requests are still served.
#[test]
fn trickles_to_hold_every_slot() {
    run(async |mode| {
        let limit = |mirror: tower_mirror::MirrorBuilder| {
            mirror
                .max_in_flight(8)
                .capture_timeout(Duration::from_millis(200))
                .build()
        };
        let bench = Bench::new(mode, limit).await;
        let mut slow = Vec::new();
        for number in 1..=8 {
            let mut stream = TcpStream::connect(bench.server.address).await.unwrap();
            stream
                .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na")
                .await
                .unwrap();
            while bench.handle.stats().admitted() < number {
                yield_now().await;
            }
            slow.push(stream);
        }
        let with = http1(bench.server.address, 1000).await;
        assert_eq!(with, http1(bench.bare.address, 1000).await);
        if mode != BodyMode::HeadOnly {
            // The slots are released while the uploads continue.
            let stats = bench.idle().await;
            assert_eq!(stats.outcome(Outcome::TimedOut), 8, "{stats}");
            assert_eq!(stats.buffered_bytes(), 0, "{stats}");
        }
        for stream in &mut slow {
            stream.write_all(b"bc").await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b" 0") {
                stream.read_buf(&mut seen).await.unwrap();
            }
            assert!(seen.starts_with(b"HTTP/1.1 200"));
        }
        drop(slow);
        let stats = bench.idle().await;
        let completed = stats.outcome(Outcome::Completed);
        match mode {
            BodyMode::Buffered | BodyMode::Streaming => assert!(completed <= 3, "{stats}"),
            _ => assert_eq!(stats.requests(), 11, "{stats}"),
        }
        bench.end().await;
    });
}
