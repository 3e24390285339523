//! A shadow with faults. It keeps its port when it stops and starts again.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use http::{
    HeaderName, Request, Response,
    header::{CONTENT_LENGTH, HOST},
    request::Parts,
};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tower::service_fn;

use crate::{
    Error, Result,
    ask::{BODY, MARK, SUM},
    server,
    upload::pattern,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Each answer takes up to this number of milliseconds.
    Slow(u64),
    /// It never answers.
    Hung,
    /// Its answers have no end.
    Endless,
    /// It resets every connection.
    Reset,
    /// It answers with bytes that are not HTTP, or that become invalid later.
    Garbage,
    /// Its port and every connection are closed.
    Refuse,
    /// The same, for a moment.
    Restart,
}

impl Fault {
    pub(crate) fn any(chance: &mut Rng) -> Self {
        match chance.u8(..12) {
            0..=3 => Self::None,
            4 => Self::Slow(40),
            5 => Self::Slow(500),
            6 => Self::Hung,
            7 => Self::Endless,
            8 => Self::Reset,
            9 => Self::Garbage,
            10 => Self::Refuse,
            _ => Self::Restart,
        }
    }
}

/// What has reached the shadow.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) whole: AtomicU64,
    /// Complete copies that differ from what a client sent.
    pub(crate) wrong: AtomicU64,
}

pub(crate) struct Shadow {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Received>,
    fault: watch::Sender<Fault>,
}

impl Shadow {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = listen(0)?;
        let address = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let received = Arc::default();
        tokio::spawn(live(listener, faults, Arc::clone(&received)));
        Ok(Self {
            address,
            received,
            fault,
        })
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A reserved port on which nothing listens, so that connections are refused.
fn take(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

fn listen(port: u16) -> io::Result<TcpListener> {
    take(port)?.listen(1024)
}

/// Runs the shadow, with all its stops and starts.
async fn live(
    mut listener: TcpListener,
    mut faults: watch::Receiver<Fault>,
    received: Arc<Received>,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => continue,
            Ok((socket, _)) = listener.accept() => {
                connections.spawn(connection(socket, faults.clone(), Arc::clone(&received)));
                continue;
            }
        }
        let fault = *faults.borrow_and_update();
        if matches!(
            fault,
            Fault::None | Fault::Slow(_) | Fault::Hung | Fault::Endless
        ) {
            continue; // applies to open connections too
        }
        connections.shutdown().await;
        if matches!(fault, Fault::Refuse | Fault::Restart) {
            drop(listener);
            let closed = again(port, take).await;
            if fault == Fault::Refuse && faults.changed().await.is_err() {
                return;
            }
            faults.mark_changed();
            listener = match closed.listen(1024) {
                Ok(listener) => listener,
                Err(_) => again(port, listen).await,
            };
        }
    }
}

/// Waits until the port can be reserved again, because an outgoing connection may use it in between.
async fn again<T>(port: u16, take: fn(u16) -> io::Result<T>) -> T {
    loop {
        match take(port) {
            Ok(taken) => return taken,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn connection(
    mut socket: TcpStream,
    faults: watch::Receiver<Fault>,
    received: Arc<Received>,
) {
    let fault = *faults.borrow();
    match fault {
        Fault::Reset | Fault::Garbage => {
            let mut some = [0; 500];
            let read = socket.read(&mut some).await.unwrap_or(0);
            if fault == Fault::Reset {
                let _ = socket.set_zero_linger();
                return;
            }
            let answers: [&[u8]; 4] = [
                &pattern(read, 900),
                b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 9\r\n\r\nabc",
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort",
            ];
            let _ = socket.write_all(answers[read % answers.len()]).await;
        }
        _ => {
            let app =
                service_fn(move |request| answer(request, faults.clone(), Arc::clone(&received)));
            server::serve(socket, app).await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    mut faults: watch::Receiver<Fault>,
    received: Arc<Received>,
) -> Result<Response<Reply>> {
    let fault = *faults.borrow();
    match fault {
        Fault::Slow(most) => sleep(Duration::from_millis(fastrand::u64(..most))).await,
        Fault::Hung => {
            let _ = faults.wait_for(|fault| *fault != Fault::Hung).await;
        }
        _ => {}
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?;
    let sum = body.trailers().and_then(|trailers| trailers.get(SUM));
    let sum = sum.cloned();
    let body = body.to_bytes();
    received.whole.fetch_add(1, Relaxed);
    let is_right = is_right(&head, &body)
        && sum.is_none_or(|sum| sum.as_bytes() == body.len().to_string().as_bytes());
    if !is_right {
        received.wrong.fetch_add(1, Relaxed);
    }
    Ok::<_, Error>(Response::new(match fault {
        Fault::Endless => Reply::Endless,
        _ => Reply::Short(Some(Bytes::from_static(b"seen"))),
    }))
}

/// Whether a copy equals what a client sent.
fn is_right(head: &Parts, body: &Bytes) -> bool {
    let text = |name: HeaderName| head.headers.get(name).and_then(|it| it.to_str().ok());
    let sent = match head.headers.get(BODY) {
        None => Some(Bytes::new()),
        Some(_) => text(BODY)
            .and_then(|it| it.split_once(','))
            .and_then(|(at, length)| Some(pattern(at.parse().ok()?, length.parse().ok()?))),
    };
    let host = text(HOST).or(head.uri.authority().map(|authority| authority.as_str()));
    let length = text(CONTENT_LENGTH).and_then(|it| it.parse().ok());
    sent.as_ref() == Some(body)
        && host == Some("catalog-shadow")
        && length.is_none_or(|length: usize| length == body.len())
        && text(MARK).is_some_and(|mark| mark.starts_with("round"))
}

pub(crate) enum Reply {
    Short(Option<Bytes>),
    Endless,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Short(data) => data.take(),
            Self::Endless => Some(pattern(0, 4096)),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }
}
