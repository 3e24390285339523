//! `catalog`, v1 and v2: HTTP servers on loopback, each on a thread of its own, so that one can be
//! killed with all its connections while the other goes on.

use std::{
    fmt,
    future::IntoFuture,
    io,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::HOST};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime,
    sync::oneshot,
    task::spawn_blocking,
    time::sleep,
};

use crate::{Result, load::ID};

/// What an answer takes, so that a death catches some requests in the middle.
const WORK: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A request as a catalog received it.
pub(crate) struct Received {
    pub(crate) id: usize,
    /// It came from a mirror.
    pub(crate) is_copy: bool,
    pub(crate) host: String,
}

/// What a catalog has received. It outlives the catalog.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Received>>>);

/// A port of ours on which nothing listens: whoever connects is refused.
pub(crate) struct Port(TcpSocket);

/// One running catalog. Ends when dropped.
pub(crate) struct Catalog {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Log {
    fn push(&self, request: Received) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(request);
    }

    /// What came since it was last asked.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Port {
    /// 0: any.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        Ok(Self(socket))
    }
}

impl Catalog {
    /// Serves there, and logs every request.
    pub(crate) fn start(version: Version, port: Port, log: Log) -> io::Result<Self> {
        let listener = port.0.listen(1024)?.into_std()?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .fallback(answer)
            .with_state(Shop { version, log });
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            tokio::select! {
                _ = axum::serve(listener, app).into_future() => {}
                _ = stopped => {}
            }
        };
        let thread = thread::Builder::new()
            .name(format!("catalog-{version}"))
            .spawn(move || runtime.block_on(serving))?;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes its listener and every connection, in the middle of whatever they carry.
    pub(crate) async fn kill(self) -> Result<Port> {
        let Self {
            address,
            stop,
            thread,
        } = self;
        drop(stop);
        // With its thread ends its runtime, and with that every task and socket.
        let _ = spawn_blocking(|| thread.join()).await?;
        Ok(Port::take(address.port())?)
    }
}

#[derive(Clone)]
struct Shop {
    version: Version,
    log: Log,
}

async fn answer(State(shop): State<Shop>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    shop.log.push(Received {
        id: text(ID).and_then(|id| id.parse().ok()).unwrap_or_default(),
        is_copy: headers.contains_key("x-mirrored-by"),
        host: text(HOST.as_str()).unwrap_or("-").to_owned(),
    });
    sleep(WORK).await;
    let mut answer = match body.len() {
        0 => json!({ "id": 1, "name": "Elinor Glasses", "price": "282.00" }),
        length => json!({ "id": 3, "received": length }),
    };
    if let (Version::V2, Value::Object(item)) = (shop.version, &mut answer) {
        item.insert("imageUrl".into(), "/images/1.png".into());
    }
    (StatusCode::OK, Json(answer)).into_response()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(format!("there is no {name}")),
        }
    }
}
