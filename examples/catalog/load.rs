//! The client: requests one after the other over one connection, every answer looked at.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;

/// Requests of one load.
pub(crate) const REQUESTS: usize = 600;
/// Identifies a request on both sides.
pub(crate) const ID: &str = "x-request-id";

/// What a client got.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Answers by v1, complete and right.
    pub(crate) right: usize,
    /// Answers with an `imageUrl` in them: never.
    pub(crate) image_urls: usize,
    pub(crate) errors: usize,
    pub(crate) first_answer: String,
    latencies: Vec<Duration>,
}

/// The body of the load's `index`th request, which is a GET where there is none.
pub(crate) fn body(index: usize) -> Option<Bytes> {
    let length = [0, 100, 4 << 10, 32 << 10][index % 4];
    let letters = (0..length).map(|at| b'a' + ((index + at + at / 26) % 26) as u8);
    let letters = String::from_utf8(letters.collect()).unwrap_or_default();
    (length > 0).then(|| format!(r#"{{"name":"Glasses no. {index}","about":"{letters}"}}"#).into())
}

/// Sends a whole load, and says how far it is after every quarter.
pub(crate) async fn send(address: SocketAddr, mut progress: impl FnMut(usize)) -> Result<Load> {
    let mut load = Load::default();
    let mut connection = None;
    progress(0);
    for index in 0..REQUESTS {
        let sender = match &mut connection {
            Some(sender) => sender,
            None => {
                load.connections += 1;
                connection.insert(connect(address).await?)
            }
        };
        let begun = Instant::now();
        let answer = exchange(sender, index).await;
        load.latencies.push(begun.elapsed());
        match answer {
            Ok(answer) => load.note(index, answer),
            Err(_) => {
                load.errors += 1;
                connection = None;
            }
        }
        if (index + 1) % (REQUESTS / 4) == 0 {
            progress(index + 1);
        }
    }
    load.latencies.sort_unstable();
    Ok(load)
}

struct Answer {
    status: StatusCode,
    version: Option<String>,
    body: String,
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(address).await?;
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
    fn note(&mut self, index: usize, answer: Answer) {
        let (status, part) = match body(index) {
            None => (StatusCode::OK, "Elinor Glasses".to_owned()),
            Some(body) => (StatusCode::CREATED, format!(r#""received":{}"#, body.len())),
        };
        let by_v1 = answer.version.as_deref() == Some("v1");
        let image_url = answer.body.contains("imageUrl");
        let right = by_v1 && !image_url && answer.status == status && answer.body.contains(&part);
        self.right += usize::from(right);
        self.image_urls += usize::from(image_url);
        if index == 0 {
            self.first_answer = answer.body;
        }
    }

    pub(crate) fn median(&self) -> Duration {
        let middle = self.latencies.get(self.latencies.len() / 2);
        middle.copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.latencies.last().copied().unwrap_or_default()
    }

    /// Every answer came from v1, complete and right, over one connection that was never broken.
    pub(crate) fn noticed_nothing(&self) -> bool {
        self.right == REQUESTS && self.errors == 0 && self.connections == 1
    }
}
