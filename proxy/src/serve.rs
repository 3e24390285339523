//! Accepts connections, serves them, and closes them at the end.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, Write},
    pin::pin,
    time::{Duration, Instant},
};

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
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tower::{BoxError, Service};

use crate::{say, stop::Stop};

/// Serves until `stop` is notified. Requests in flight then have `limit` to end. Returns the rest of `limit`.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limit: Duration,
    stop: &mut Stop,
) -> Duration
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let connections = watch::Sender::new(());
    loop {
        let stream = tokio::select! {
            stream = accept(&listener) => stream,
            () = stop.asked() => break,
        };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(connection(stream, service, connections.subscribe()));
    }
    drop(listener);

    say(format_args!(
        "draining {} connections",
        connections.receiver_count()
    ));
    connections.send_replace(());
    let begun = Instant::now();
    tokio::select! {
        () = connections.closed() => limit.saturating_sub(begun.elapsed()),
        () = sleep(limit) => Duration::ZERO,
        () = stop.asked() => Duration::ZERO,
    }
}

/// Serves one connection, until it ends or switches protocols. After a change of `stop` it ends with the requests in flight.
///
/// hyper-util's `GracefulShutdown` does not support connections that can switch protocols.
async fn connection<S, B>(
    stream: TcpStream,
    service: TowerToHyperService<S>,
    mut stop: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let server = auto::Builder::new(TokioExecutor::new());
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // An error of one connection concerns its client only.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Accepts the next connection. A failed `accept` does not end the loop.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without this option a small answer waits for the acknowledgement of the answer before it.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // In most cases no descriptor is left, so that an immediate second attempt would fail too.
                let _ = writeln!(io::stderr(), "cannot accept a connection: {error}");
                sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
