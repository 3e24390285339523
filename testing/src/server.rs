//! Servers whose end can be waited for, and the clock of a test.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::timeout,
};
use tower::{BoxError, Service};

/// No test waits for it; it only keeps a broken one from hanging.
pub const HANG: Duration = Duration::from_secs(60);

pub async fn within<F: Future>(future: F) -> F::Output {
    timeout(HANG, future).await.expect("it hangs")
}

/// Holds the paused clock of a test, so that no deadline of the mirror depends on the speed of the machine. tokio
/// advances a paused clock whenever nothing is to be done, although a packet may be on its way, but not while a
/// blocking task runs.
#[derive(Debug)]
pub struct Clock {
    _runs: mpsc::Sender<()>,
}

impl Clock {
    pub fn held() -> Self {
        let (runs, stops) = mpsc::channel();
        spawn_blocking(move || stops.recv_timeout(HANG));
        Self { _runs: runs }
    }
}

#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Over HTTP/1.1 and HTTP/2, upgrades and extended CONNECT included.
    pub async fn start<S, R>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stopped => break,
                };
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().enable_connect_protocol();
                    let stream = TokioIo::new(stream);
                    let _ = builder
                        .serve_connection_with_upgrades(stream, service)
                        .await;
                });
            }
            drop((listener, service));
            while connections.join_next().await.is_some() {}
        });
        Self {
            address,
            stop,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the last of its clients has closed its connection.
    pub async fn stop(self) {
        drop(self.stop);
        within(self.task).await.unwrap();
    }
}
