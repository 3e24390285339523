//! `Server`, which a test can stop and wait for, and `Clock`, which holds the paused clock of a
//! test.

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

/// A limit for tests that would otherwise hang. A test that passes never waits for it.
pub const HANG: Duration = Duration::from_secs(60);

pub async fn within<F: Future>(future: F) -> F::Output {
    timeout(HANG, future).await.expect("it hangs")
}

/// Holds the paused clock of a test, so that no deadline of the mirror depends on the speed of the
/// machine. tokio advances a paused clock when no task can run, even if a packet is on its way. It
/// does not advance the clock while a blocking task runs.
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
    /// Serves HTTP/1.1 and HTTP/2, including upgrades and extended CONNECT.
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

    /// Waits until the last client has closed its connection.
    pub async fn stop(self) {
        drop(self.stop);
        within(self.task).await.unwrap();
    }
}
