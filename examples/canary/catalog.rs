//! `catalog`, v1 and v2: HTTP servers on loopback. Each runs on its own thread, so that one of them can be
//! killed with all its connections while the other continues.

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

/// The time of an answer, so that some requests are in progress when v2 is killed.
const WORK: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A request as a catalog received it.
pub(crate) struct Received {
    pub(crate) id: usize,
    /// Whether it came from a mirror.
    pub(crate) is_copy: bool,
    pub(crate) host: String,
}

/// The requests that a catalog has received. It outlives the catalog.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Received>>>);

/// A reserved port on which nothing listens, so that connections are refused.
pub(crate) struct Port(TcpSocket);

/// One running catalog. It ends when it is dropped.
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

    /// Takes what was received since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Port {
    /// Reserves this port (0: any free port).
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        Ok(Self(socket))
    }
}

impl Catalog {
    /// Serves on the reserved port, and logs every request.
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

    /// Closes its listener and every connection, including those with requests in progress.
    pub(crate) async fn kill(self) -> Result<Port> {
        let Self {
            address,
            stop,
            thread,
        } = self;
        drop(stop);
        // The thread ends its runtime, and the runtime drops every task and socket.
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
