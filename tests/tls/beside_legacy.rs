//! Rows of the table in `docs/conformance.md` over TLS: `HttpTarget` beside hyper-util's legacy client with a connector
//! made here.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{ClientConfig, crypto::ring, pki_types::ServerName},
    server,
};
use tower::{ServiceExt, service_fn};
use tower_mirror::client::{HttpTarget, HttpTargetBuilder};
use tower_mirror_testing::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NOTHING, Peer, RST_STREAM, STATUS_200, frame,
};

use super::{
    certificates::{Authority, NAME},
    server::{believing, config},
    within,
};

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Secure = Peer<server::TlsStream<TcpStream>>;

/// The stream of the legacy client.
struct Stream(TokioIo<client::TlsStream<TcpStream>>);

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().negotiated_h2()
    }
}

/// Connects to `address`, whatever the URI says.
async fn connect(address: SocketAddr, tls: TlsConnector) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(NAME).unwrap();
    Ok(Stream(TokioIo::new(tls.connect(name, stream).await?)))
}

/// Sends a request and reads the whole response. Without one, the reason.
type Send = Box<dyn Fn(&'static str) -> BoxFuture<'static, Result<Bytes, String>>>;

fn get(address: SocketAddr, path: &str) -> Request<Body> {
    let request = Request::get(format!("https://{address}{path}"));
    let body = Empty::new().map_err(io::Error::other).boxed_unsync();
    request.body(body).unwrap()
}

async fn whole_body<B>(response: http::Response<B>) -> Result<Bytes, String>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    assert_eq!(response.status(), StatusCode::OK);
    let body = within(response.into_body().collect()).await;
    Ok(body.map_err(|error| format!("{error:?}"))?.to_bytes())
}

/// A server by hand, with the certificate of an authority that both clients trust.
struct Secured {
    address: SocketAddr,
    authority: Authority,
    accepted: Arc<AtomicUsize>,
}

impl Secured {
    /// Serves each connection by `serve`, which gets the number of the connection.
    async fn start<F>(
        serve: impl Fn(usize, Secure) -> F + std::marker::Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + std::marker::Send + 'static,
    {
        let authority = Authority::new();
        let mut config = config(&authority.issue(NAME));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        let serve = Arc::new(serve);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, SeqCst);
                let (acceptor, serve) = (acceptor.clone(), serve.clone());
                // A client may end a connection as it likes.
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let stream = acceptor.accept(stream).await?;
                    let peer = Peer::greet(stream, &[]).await?;
                    let served = serve(number, peer);
                    served.await
                });
            }
        });
        Self {
            address,
            authority,
            accepted,
        }
    }

    fn target(&self, set: impl FnOnce(HttpTargetBuilder) -> HttpTargetBuilder) -> HttpTarget {
        let tls = believing(&self.authority).server_name(NAME).unwrap();
        let builder = HttpTarget::builder(format!("https://{}", self.address)).tls(tls);
        set(builder).build().unwrap()
    }

    fn ours(&self, set: impl FnOnce(HttpTargetBuilder) -> HttpTargetBuilder) -> Send {
        let (target, address) = (self.target(set), self.address);
        Box::new(move |path| {
            let target = target.clone();
            Box::pin(async move {
                let answer = within(target.oneshot(get(address, path))).await;
                whole_body(answer.map_err(|error| format!("{error:?}"))?).await
            })
        })
    }

    fn legacy(&self, set: impl FnOnce(&mut legacy::Builder) -> &mut legacy::Builder) -> Send {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder
            .with_root_certificates(self.authority.roots())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (tls, address) = (TlsConnector::from(Arc::new(config)), self.address);
        let connector = service_fn(move |_: Uri| Box::pin(connect(address, tls.clone())));
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let client = set(builder.http2_only(true)).build::<_, Body>(connector);
        Box::new(move |path| {
            let client = client.clone();
            Box::pin(async move {
                let answer = within(client.request(get(address, path))).await;
                whole_body(answer.map_err(|error| format!("{error:?}"))?).await
            })
        })
    }

    fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

fn whole(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    [head, frame(DATA, END_STREAM, stream, b"whole")].concat()
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, NOTHING, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

async fn answers_all(mut peer: Secure) -> io::Result<()> {
    loop {
        let (stream, _) = peer.request().await?;
        peer.write(&whole(stream)).await?;
    }
}

/// How many of the requests, which are sent at the same time, were not answered.
async fn lost(send: &Send, requests: usize) -> usize {
    let answers = join_all((0..requests).map(|_| send("/"))).await;
    let lost = answers.iter().filter_map(|answer| answer.as_ref().err());
    lost.inspect(|error| println!("no response: {error}"))
        .count()
}

fn compare(what: &str, [ours, legacy]: [usize; 2]) {
    println!("lost, {what}: {ours}; by legacy: {legacy}");
    assert_eq!(ours, 0, "{what}");
}

/// Row 1: without retries, each request that the server received is answered, and was received once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_arrived_is_delivered_whatever_ends_its_connection() {
    const ROUNDS: usize = 200;
    for says_goaway in [true, false] {
        let mut discarded = [0; 2];
        for (side, discarded) in discarded.iter_mut().enumerate() {
            let received = Arc::new(AtomicUsize::new(0));
            let counter = received.clone();
            let server = Secured::start(move |_, mut peer| {
                let counter = counter.clone();
                async move {
                    let (stream, _) = peer.request().await?;
                    counter.fetch_add(1, SeqCst);
                    let mut response = whole(stream);
                    if says_goaway {
                        response.extend(goaway(stream));
                    }
                    peer.write(&response).await?;
                    peer.stream.shutdown().await?;
                    // With unread bytes the kernel would reset the connection and discard the response.
                    peer.read_on().await
                }
            })
            .await;
            let send = match side {
                0 => server.ours(|it| it.retry_idempotent(false)),
                _ => server.legacy(|it| it),
            };
            for _ in 0..ROUNDS {
                let before = received.load(SeqCst);
                let answer = send("/").await;
                let times = received.load(SeqCst) - before;
                *discarded += usize::from(answer.is_err() && times > 0);
                assert!(side == 1 || times <= 1, "received {times} times");
            }
        }
        let end = if says_goaway { "GOAWAY, FIN" } else { "FIN" };
        compare(&format!("response and {end}, of {ROUNDS}"), discarded);
    }
}

/// Row 2.
#[tokio::test]
async fn an_unprocessed_request_goes_to_another_connection() {
    const REFUSED_STREAM: [u8; 4] = 7_u32.to_be_bytes();
    for (what, requests) in [("above GOAWAY", 2), ("refused", 1)] {
        let mut unanswered = [0; 2];
        for (side, unanswered) in unanswered.iter_mut().enumerate() {
            let server = Secured::start(move |number, mut peer| async move {
                if number > 0 {
                    return answers_all(peer).await;
                }
                let (first, _) = peer.request().await?;
                if requests == 1 {
                    let refusal = frame(RST_STREAM, NOTHING, first, &REFUSED_STREAM);
                    peer.write(&refusal).await?;
                } else {
                    peer.request().await?;
                    peer.write(&[goaway(first), whole(first)].concat()).await?;
                }
                peer.read_on().await
            })
            .await;
            let send = match side {
                0 => server.ours(|it| it),
                _ => server.legacy(|it| it),
            };
            *unanswered = lost(&send, requests).await;
            assert!(side == 1 || server.accepted() == 2, "{what}");
        }
        compare(what, unanswered);
    }
}

/// Row 4.
#[tokio::test]
async fn a_peer_that_does_not_answer_pings_loses_its_connection() {
    let often = Duration::from_millis(50);
    let mut unanswered = [0; 2];
    for (side, unanswered) in unanswered.iter_mut().enumerate() {
        let server = Secured::start(|number, mut peer| async move {
            if number > 0 {
                return answers_all(peer).await;
            }
            let (first, _) = peer.request().await?;
            peer.write(&whole(first)).await?;
            // It acknowledges no ping.
            peer.read_on().await
        })
        .await;
        let send = match side {
            0 => server.ours(|it| it.ping_interval(often)),
            _ => server.legacy(|it| {
                it.http2_keep_alive_interval(often)
                    .http2_keep_alive_timeout(Duration::from_secs(3))
            }),
        };
        assert!(send("/").await.is_ok());
        assert!(send("/").await.is_err());
        *unanswered = lost(&send, 1).await;
        assert_eq!(server.accepted(), 2);
    }
    compare("after the peer stopped answering", unanswered);
}

/// Row 9. The server sends as much of each large response as the window of its stream admits, and the client does not read it. A
/// connection whose window is smaller than all of that would end with an error. Legacy waits in this case, see
/// `beside_legacy/unread.rs`.
#[tokio::test]
async fn responses_that_are_not_read_delay_no_other() {
    const UNREAD: usize = 8;
    const WINDOW: usize = 1 << 20;
    let (filled, mut fills) = mpsc::unbounded_channel();
    let server = Secured::start(move |_, mut peer| {
        let filled = filled.clone();
        async move {
            for _ in 0..UNREAD {
                let (stream, _) = peer.request().await?;
                peer.write(&frame(HEADERS, END_HEADERS, stream, STATUS_200))
                    .await?;
                for _ in 0..WINDOW >> 14 {
                    peer.write(&frame(DATA, NOTHING, stream, &[b'x'; 1 << 14]))
                        .await?;
                }
                let _ = filled.send(stream);
            }
            answers_all(peer).await
        }
    })
    .await;
    let target = server.target(|it| it);
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let head = target.clone().oneshot(get(server.address, "/large"));
        unread.push(within(head).await.unwrap());
        within(fills.recv()).await.unwrap();
    }
    let answer = within(target.clone().oneshot(get(server.address, "/"))).await;
    assert_eq!(whole_body(answer.unwrap()).await.unwrap(), "whole");
    assert_eq!(server.accepted(), 1);
    // The large ones have not ended.
    let mut large = pin!(unread.remove(0).into_body().collect());
    assert!(poll_fn(|cx| Poll::Ready(large.as_mut().poll(cx).is_pending())).await);
}
