//! The clients: users with a cookie and visitors without one, over several connections. Every answer is
//! examined.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use http::{
    HeaderName, Request, Response, StatusCode,
    header::{COOKIE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    Result,
    catalog::Version,
    webapp::{ASKED, FAILED, SERVED_BY, SERVED_WHY},
};

pub(crate) const USERS: usize = 500;
/// Requests of one load: four of each user, who has a cookie, and others without a cookie.
pub(crate) const KEYED: usize = 4 * USERS;
pub(crate) const UNKEYED: usize = USERS * 2;
pub(crate) const REQUESTS: usize = KEYED + UNKEYED;
/// Simultaneous connections to the webapp. Each has its own users.
pub(crate) const CLIENTS: usize = 25;
const OF_A_CLIENT: usize = REQUESTS / CLIENTS;
const USERS_OF_A_CLIENT: usize = USERS / CLIENTS;
/// Identifies a request on all sides.
pub(crate) const ID: &str = "x-request-id";

/// What a client received for one request.
pub(crate) struct Answer {
    pub(crate) id: usize,
    pub(crate) user: Option<usize>,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    /// Whether the answer is complete, and the one that the version in `by` gives.
    pub(crate) is_right: bool,
    pub(crate) by: Option<Version>,
    /// Why this version answered, as the split names it.
    pub(crate) why: String,
    /// For a 502: whether the request had been `sent`.
    pub(crate) failed: String,
    /// Whether the webapp sent the request to a catalog more than once.
    pub(crate) is_asked_again: bool,
}

/// Sends a load, whose ids begin with `first_id`, and counts the answers in `done`.
pub(crate) async fn send(
    webapp: SocketAddr,
    first_id: usize,
    done: &Arc<AtomicUsize>,
) -> Result<Vec<Answer>> {
    let start = |client| {
        let done = Arc::clone(done);
        tokio::spawn(async move {
            let first_id = first_id + client * OF_A_CLIENT;
            let mut connection = connect(webapp).await?;
            let mut answers = Vec::with_capacity(OF_A_CLIENT);
            for turn in 0..OF_A_CLIENT {
                let user = user(client, turn);
                answers.push(exchange(&mut connection, first_id + turn, user).await?);
                done.fetch_add(1, Relaxed);
            }
            Ok::<_, crate::Error>(answers)
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(start).collect();
    let mut answers = Vec::with_capacity(REQUESTS);
    for client in clients {
        answers.extend(client.await??);
    }
    Ok(answers)
}

/// Every third request has no cookie. The users of a client send the others in turn.
fn user(client: usize, turn: usize) -> Option<usize> {
    let keyed = turn / 3 * 2 + turn % 3;
    (turn % 3 < 2).then_some(client + CLIENTS * (keyed % USERS_OF_A_CLIENT))
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    id: usize,
    user: Option<usize>,
) -> Result<Answer> {
    let item = format!(r#"{{"name":"Glasses no. {id}"}}"#);
    let (part, request) = match id % 4 {
        0 => (
            format!(r#""received":{}"#, item.len()),
            Request::post("/items").body(Full::from(item)),
        ),
        _ => (
            "Elinor Glasses".to_owned(),
            Request::get("/items").body(Full::default()),
        ),
    };
    let mut request = request?;
    let headers = request.headers_mut();
    headers.insert(HOST, "catalog".parse()?);
    headers.insert(ID, id.into());
    if let Some(user) = user {
        headers.insert(COOKIE, format!("theme=dark; uid=user-{user}").parse()?);
    }
    sender.ready().await?;
    let begun = Instant::now();
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().into())?;
    let ended = Instant::now();
    let head = Response::from_parts(head, ());
    let by = text(&head, &SERVED_BY).parse().ok();
    let is_v2 = body.contains("imageUrl");
    Ok(Answer {
        id,
        user,
        begun,
        ended,
        is_right: head.status() == StatusCode::OK
            && body.contains(&part)
            && by.is_some_and(|by| is_v2 == (by == Version::V2)),
        by,
        why: text(&head, &SERVED_WHY).to_owned(),
        failed: text(&head, &FAILED).to_owned(),
        is_asked_again: text(&head, &ASKED) != "1",
    })
}

fn text<'a>(head: &'a Response<()>, name: &HeaderName) -> &'a str {
    let value = head.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}
