//! Servers by hand, for what no well-behaved server does.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use tower_mirror_testing::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NOTHING, Peer, STATUS_200, frame,
};

/// A response over HTTP/1.1.
pub(crate) const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves each connection by `serve`, which gets the connection's number. The counter says how many there were.
pub(crate) fn accepting<F>(
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
            // A client may end a connection as it likes.
            tokio::spawn(serve(counter.fetch_add(1, SeqCst), stream));
        }
    });
    accepted
}

/// A response over HTTP/2.
pub(crate) fn whole(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    [head, frame(DATA, END_STREAM, stream, b"whole")].concat()
}

pub(crate) fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, NOTHING, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// The stream of the next request, which has been read whole.
pub(crate) async fn whole_request(peer: &mut Peer) -> io::Result<u32> {
    let (stream, is_all) = peer.request().await?;
    if !is_all {
        peer.body(stream).await?;
    }
    Ok(stream)
}

/// Answers every request over HTTP/2.
pub(crate) async fn answers_all(mut peer: Peer) -> io::Result<()> {
    loop {
        let stream = whole_request(&mut peer).await?;
        peer.write(&whole(stream)).await?;
    }
}

/// The head of an HTTP/1.1 request, whose body stays unread.
pub(crate) async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// An HTTP/1.1 request, body included.
pub(crate) async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let head = read_head(stream).await?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(Ok(0), |length| length.trim().parse());
    let mut body = vec![0; length.map_err(io::Error::other)?];
    stream.read_exact(&mut body).await.map(drop)
}
