//! The clients: one sends most requests over a connection that it keeps, and every tenth request comes
//! from a new client. Every answer is examined.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout_at},
};

use crate::Result;

/// Requests of one load.
pub(crate) const REQUESTS: usize = 1200;
/// One request of so many is the first one of a new client.
const NEW_CLIENT_EVERY: usize = 10;
/// New clients of one load.
pub(crate) const NEW_CLIENTS: usize = REQUESTS / NEW_CLIENT_EVERY;
/// The time from one request to the next: 500 requests a second, if the machine can.
const PAUSE: Duration = Duration::from_millis(2);
/// Identifies a request on both sides.
pub(crate) const ID: &str = "x-request-id";

/// What the clients of one load received.
#[derive(Default)]
pub(crate) struct Load {
    /// Connections of the client that keeps its connection.
    pub(crate) connections: usize,
    /// Answers by v1, complete and correct.
    pub(crate) correct: usize,
    /// Answers that contain an `imageUrl`, which only v2 sends.
    pub(crate) image_urls: usize,
    /// Requests without an answer.
    pub(crate) failed: usize,
    pub(crate) first_answer: String,
    /// When a request was sent, counted from the first one, and how long its answer took.
    pub(crate) latencies: Vec<(Duration, Duration)>,
}

/// The body of the load's `index`th request, which is a GET if there is none.
pub(crate) fn body(index: usize) -> Option<Bytes> {
    let length = [0, 100, 4 << 10, 32 << 10][index % 4];
    let letters = (0..length).map(|at| b'a' + ((index + at + at / 26) % 26) as u8);
    let letters = String::from_utf8(letters.collect()).unwrap_or_default();
    (length > 0).then(|| format!(r#"{{"name":"Glasses no. {index}","about":"{letters}"}}"#).into())
}

/// Sends a load. Calls `progress` with the number of requests sent, before the first one and after each.
///
/// New clients run beside the others, so that a client that is not served delays only itself. After the last
/// request they have `patience` to receive their answers.
pub(crate) async fn send(
    address: SocketAddr,
    patience: Duration,
    mut progress: impl AsyncFnMut(usize),
) -> Result<Load> {
    let mut sockets = reserve_sockets().await?;
    let mut load = Load::default();
    let mut connection = None;
    let mut new_clients = JoinSet::<Result<_>>::new();
    let begun = Instant::now();
    let mut next = interval(PAUSE);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    progress(0).await;
    for index in 0..REQUESTS {
        next.tick().await;
        let sent = Instant::now();
        if index % NEW_CLIENT_EVERY == NEW_CLIENT_EVERY - 1
            && let Some(socket) = sockets.pop()
        {
            new_clients.spawn(async move {
                let mut sender = shake_hands(socket.connect(address).await?).await?;
                let answer = exchange(&mut sender, index).await?;
                // A client that was served keeps its connection, as browsers and pools do.
                Result::Ok((index, sent - begun, sent.elapsed(), answer, sender))
            });
        } else {
            let sender = match &mut connection {
                Some(sender) => sender,
                None => {
                    load.connections += 1;
                    connection.insert(shake_hands(TcpStream::connect(address).await?).await?)
                }
            };
            match exchange(sender, index).await {
                Ok(answer) => load.note(index, (sent - begun, sent.elapsed()), answer),
                Err(_) => {
                    load.failed += 1;
                    connection = None;
                }
            }
        }
        progress(index + 1).await;
    }
    let end = tokio::time::Instant::now() + patience;
    let mut served = Vec::new();
    while let Ok(Some(ended)) = timeout_at(end, new_clients.join_next()).await {
        match ended? {
            Ok((index, sent, took, answer, sender)) => {
                load.note(index, (sent, took), answer);
                served.push(sender);
            }
            Err(_) => load.failed += 1,
        }
    }
    load.failed += new_clients.len();
    load.latencies.sort_unstable();
    Ok(load)
}

/// The sockets of all new clients. The clients share this process with the servers, and must not be the ones that
/// lack descriptors.
async fn reserve_sockets() -> io::Result<Vec<TcpSocket>> {
    let sockets = || (0..NEW_CLIENTS).map(|_| TcpSocket::new_v4()).collect();
    for _ in 0..600 {
        if let Ok(sockets) = sockets() {
            return Ok(sockets);
        }
        // The sockets of the load before this one are still being closed.
        sleep(Duration::from_millis(100)).await;
    }
    sockets()
}

struct Answer {
    status: StatusCode,
    version: Option<String>,
    body: String,
}

async fn shake_hands(socket: TcpStream) -> Result<SendRequest<Full<Bytes>>> {
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, index: usize) -> Result<Answer> {
    let request = match body(index) {
        None => Request::get("/items").body(Full::default()),
        Some(body) => Request::post("/items").body(Full::from(body)),
    };
    let mut request = request?;
    request.headers_mut().insert(HOST, "catalog".parse()?);
    request.headers_mut().insert(ID, index.into());
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let version = head.headers.get("x-version");
    Ok(Answer {
        status: head.status,
        version: version.and_then(|version| Some(version.to_str().ok()?.to_owned())),
        body: String::from_utf8(body.collect().await?.to_bytes().into())?,
    })
}

impl Load {
    fn note(&mut self, index: usize, latency: (Duration, Duration), answer: Answer) {
        let (status, part) = match body(index) {
            None => (StatusCode::OK, "Elinor Glasses".to_owned()),
            Some(body) => (StatusCode::CREATED, format!(r#""received":{}"#, body.len())),
        };
        let by_v1 = answer.version.as_deref() == Some("v1");
        let image_url = answer.body.contains("imageUrl");
        let correct = by_v1 && !image_url && answer.status == status && answer.body.contains(&part);
        self.correct += usize::from(correct);
        self.image_urls += usize::from(image_url);
        self.latencies.push(latency);
        if index == 0 {
            self.first_answer = answer.body;
        }
    }

    /// The time within which this share of the answers came.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<_> = self.latencies.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let place = times.len() * percent / 100;
        times.get(place).copied().unwrap_or_default()
    }

    /// Every answer came from v1, complete and correct, and the connection that was kept never broke.
    pub(crate) fn noticed_nothing(&self) -> bool {
        self.correct == REQUESTS && self.failed == 0 && self.connections == 1
    }
}
