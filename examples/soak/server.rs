//! A server: HTTP/1.1 and HTTP/2, on a port that the system chooses.

use std::{convert::Infallible, io, net::SocketAddr};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tower::Service;

use crate::Error;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    closing: oneshot::Sender<Infallible>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start<S, B>(app: S) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Error>,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Error>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (closing, mut closed) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    _ = &mut closed => break,
                    Ok((socket, _)) = listener.accept() => {
                        connections.spawn(serve(socket, app.clone()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
            drop(listener);
            while connections.join_next().await.is_some() {}
        });
        Ok(Self {
            address,
            closing,
            serving,
        })
    }

    /// Accepts no more connections, and waits until the clients have ended all connections.
    pub(crate) async fn close(self) {
        drop(self.closing);
        let _ = self.serving.await;
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve<S, B>(socket: TcpStream, app: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Error>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Error>,
{
    let _ = socket.set_nodelay(true);
    let service = TowerToHyperService::new(app);
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder
        .serve_connection(TokioIo::new(socket), service)
        .await;
}
