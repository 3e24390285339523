//! `catalog`, v1 and v2: HTTP servers on loopback. Each runs on its own thread, so that one of them can
//! hang completely, as a stopped process does, or be switched off.

use std::{
    fmt,
    future::IntoFuture,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header::HOST};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{self, Handle},
    sync::oneshot,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A request as the catalog received it, and its answer.
pub(crate) struct Received {
    version: Version,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) answer: String,
}

/// One running catalog. It ends when it is dropped.
pub(crate) struct Catalog {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    runtime: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// A catalog does nothing at all until this is dropped.
pub(crate) struct Hang {
    _until_dropped: mpsc::Sender<()>,
}

impl Catalog {
    /// Serves on this port (0: any free port), and calls `log` with every request.
    pub(crate) fn start(
        version: Version,
        port: u16,
        log: impl Fn(Received) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = listen(port)?.into_std()?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let app = Router::new().fallback(answer).with_state(Shop {
            version,
            log: Arc::new(log),
        });
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let serving = async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            let listener = listener.tap_io(move |_| {
                accepted.fetch_add(1, Relaxed);
            });
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
            connections,
            runtime: handle,
            stop,
            thread,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Blocks the only thread of the catalog. The kernel still accepts connections, but no data is read from them.
    pub(crate) async fn hang(&self) -> Hang {
        let (until_dropped, dropped) = mpsc::channel();
        let (hanging, hangs) = oneshot::channel();
        self.runtime.spawn(async move {
            let _ = hanging.send(());
            let _ = dropped.recv();
        });
        let _ = hangs.await;
        Hang {
            _until_dropped: until_dropped,
        }
    }

    /// Closes the port and every connection.
    pub(crate) fn switch_off(self, hang: Hang) {
        drop(self.stop);
        drop(hang);
        let _ = self.thread.join();
    }
}

/// Listens with a queue that is long enough for all connections which arrive while the catalog hangs.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(4096)
}

#[derive(Clone)]
struct Shop {
    version: Version,
    log: Arc<dyn Fn(Received) + Send + Sync>,
}

async fn answer(
    State(shop): State<Shop>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (status, mut answer) = match (method.as_str(), uri.path()) {
        ("GET", "/items") => {
            let glasses = json!({ "id": 1, "name": "Elinor Glasses", "price": "282.00" });
            (StatusCode::OK, glasses)
        }
        ("POST", "/items") => {
            let created = json!({ "id": 3, "received": body.len() });
            (StatusCode::CREATED, created)
        }
        _ => (StatusCode::NOT_FOUND, json!("there are only /items")),
    };
    if let (Version::V2, Value::Object(item)) = (shop.version, &mut answer) {
        item.insert("imageUrl".into(), "/images/1.png".into());
    }
    let version = [("x-version", shop.version.to_string())];
    (shop.log)(Received {
        version: shop.version,
        method,
        uri,
        headers,
        body,
        answer: answer.to_string(),
    });
    (status, version, Json(answer)).into_response()
}

impl Received {
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("-")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// One line of a catalog's log.
impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:<4} {} host={} body={} B",
            self.version,
            self.method.as_str(),
            self.uri,
            self.header(HOST),
            self.body.len(),
        )?;
        match self.header("x-mirrored-by") {
            "-" => Ok(()),
            mirror => write!(f, " x-mirrored-by={mirror}"),
        }
    }
}
