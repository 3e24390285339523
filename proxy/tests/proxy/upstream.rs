//! `Upstream`: a server that records the requests that it receives.

use std::{future::Future, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

use crate::within;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    /// The host it was sent to, as either version says it.
    pub(crate) fn host(&self) -> &str {
        match self.uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.headers["host"].to_str().unwrap(),
        }
    }
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    kill: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

type Reply = Response<Full<Bytes>>;
type Answer = Arc<dyn Fn(Seen) -> BoxFuture<'static, Reply> + Send + Sync>;

impl Upstream {
    /// Answers with the body it was sent.
    pub(crate) async fn echo() -> Self {
        Self::answering(async |seen: Seen| Response::new(Full::new(seen.body))).await
    }

    pub(crate) async fn answering<F, R>(answer: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::at(local, answer).await
    }

    pub(crate) async fn at<F, R>(address: SocketAddr, answer: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let answer: Answer = Arc::new(move |seen| Box::pin(answer(seen)));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (saw, seen) = mpsc::unbounded_channel();
        let (kill, killed) = oneshot::channel();
        let task = tokio::spawn(serve(listener, answer, saw, killed));
        Self {
            address,
            seen,
            kill,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    pub(crate) async fn seen(&mut self) -> Seen {
        within("a request", self.seen.recv()).await.unwrap()
    }

    /// How many requests have come that were not asked for.
    pub(crate) fn unread(&self) -> usize {
        self.seen.len()
    }

    /// Closes everything.
    pub(crate) async fn kill(self) {
        drop(self.kill);
        within("the end of a server", self.task).await.unwrap();
    }
}

async fn serve(
    listener: TcpListener,
    answer: Answer,
    saw: mpsc::UnboundedSender<Seen>,
    mut killed: oneshot::Receiver<()>,
) {
    let server = auto::Builder::new(TokioExecutor::new());
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = &mut killed => break,
        };
        let (answer, saw) = (answer.clone(), saw.clone());
        let service = service_fn(move |request| respond(request, answer.clone(), saw.clone()));
        let connection = server.serve_connection(TokioIo::new(stream), service);
        connections.spawn(connection.into_owned());
    }
    drop(listener);
    connections.shutdown().await;
}

async fn respond(
    request: Request<Incoming>,
    answer: Answer,
    saw: mpsc::UnboundedSender<Seen>,
) -> hyper::Result<Reply> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?;
    let seen = Seen {
        method: head.method,
        uri: head.uri,
        version: head.version,
        headers: head.headers,
        trailers: body.trailers().cloned(),
        body: body.to_bytes(),
    };
    let _ = saw.send(seen.clone());
    Ok(answer(seen).await)
}
