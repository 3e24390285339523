//! Clients: several connections at a time, over HTTP/1.1 and HTTP/2, kept open or closed. Every answer is examined.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper::{
    Response,
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::{Result, ask::Ask, tickets::Tickets, upload::Upload};

/// An answer that takes longer counts as missing. This is much more than a busy machine needs.
const HANG: Duration = Duration::from_secs(30);
const MOST_STREAMS: usize = 6;

/// How requests ended, as the clients observed it.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) made: u64,
    pub(crate) right: u64,
    /// The client disconnected.
    pub(crate) left: u64,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.right += other.right;
        self.left += other.left;
        self.wrong.extend(other.wrong);
    }
}

enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

/// A connection, which ends with its client.
struct Connection {
    sender: Sender,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Ended {
    Right,
    Left,
    Wrong(String),
}

pub(crate) async fn run(front: SocketAddr, tickets: Arc<Tickets>, mut chance: Rng) -> Tally {
    let mut tally = Tally::default();
    loop {
        let made = tally.made;
        if let Err(error) = session(front, &tickets, &mut chance, &mut tally).await {
            tally.wrong.push(format!("no connection: {error}"));
        }
        if tally.made == made {
            return tally; // no request is left to send
        }
    }
}

async fn session(
    front: SocketAddr,
    tickets: &Tickets,
    chance: &mut Rng,
    tally: &mut Tally,
) -> Result<()> {
    let (turns, is_http2) = match chance.u8(..10) {
        0..=4 => (chance.u64(2..60), false),
        5 => (1, false),
        _ => (chance.u64(1..30), true),
    };
    let mut connection = Connection::open(front, is_http2).await?;
    for turn in 1..=turns {
        let streams = match is_http2 {
            true => chance.usize(1..=MOST_STREAMS),
            false => 1,
        };
        let numbers = (0..streams).map_while(|_| tickets.take());
        let asks: Vec<Ask> = numbers
            .map(|number| Ask::new(number.to_string(), chance))
            .collect();
        if asks.is_empty() {
            break;
        }
        tally.made += asks.len() as u64;
        let mut is_over = turn == turns;
        for ended in connection.exchange(&asks, turn == turns).await {
            is_over |= !is_http2 && !matches!(ended, Ended::Right);
            match ended {
                Ended::Right => tally.right += 1,
                Ended::Left => tally.left += 1,
                Ended::Wrong(what) => tally.wrong.push(what),
            }
        }
        if is_over {
            break;
        }
    }
    Ok(())
}

impl Connection {
    async fn open(front: SocketAddr, is_http2: bool) -> Result<Self> {
        let socket = TcpStream::connect(front).await?;
        socket.set_nodelay(true)?;
        let socket = TokioIo::new(socket);
        let (sender, task) = match is_http2 {
            true => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await?;
                (Sender::Http2(sender), spawn(connection))
            }
            false => {
                let (sender, connection) = http1::handshake(socket).await?;
                (Sender::Http1(sender), spawn(connection))
            }
        };
        Ok(Self { sender, task })
    }

    /// All requests at once over HTTP/2; over HTTP/1.1 there is one.
    async fn exchange(&mut self, asks: &[Ask], is_last: bool) -> Vec<Ended> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let mut ended = Vec::with_capacity(asks.len());
                for ask in asks {
                    let answer = async {
                        let request = ask.request(false, is_last)?;
                        sender.ready().await?;
                        Ok(sender.send_request(request).await?)
                    };
                    ended.push(end(ask, answer).await);
                }
                ended
            }
            Sender::Http2(sender) => {
                let one = |ask| {
                    let mut sender = sender.clone();
                    let answer = async move {
                        let request = Ask::request(ask, true, false)?;
                        sender.ready().await?;
                        Ok(sender.send_request(request).await?)
                    };
                    end(ask, answer)
                };
                join_all(asks.iter().map(one)).await
            }
        }
    }
}

fn spawn(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async {
        let _ = connection.await; // the requests on it fail too
    })
}

/// Waits for an answer as long as the client does, and examines it.
async fn end(ask: &Ask, answer: impl Future<Output = Result<Response<Incoming>>>) -> Ended {
    let whole = async {
        let (head, mut body) = answer.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            bytes.extend(frame?.into_data());
        }
        Ok::<_, crate::Error>(ask.fault(&head, &bytes))
    };
    match timeout(ask.leaves.unwrap_or(HANG), whole).await {
        _ if ask.leaves.is_some() => Ended::Left,
        Ok(Ok(None)) => Ended::Right,
        Ok(Ok(Some(fault))) => Ended::Wrong(fault),
        Ok(Err(error)) => Ended::Wrong(format!("{}: {error:?}", ask.what())),
        Err(_) => Ended::Wrong(format!("{}: no answer in {HANG:?}", ask.what())),
    }
}
