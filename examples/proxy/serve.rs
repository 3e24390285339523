//! Accepting connections, and letting go of them.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, Write},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::Service;

use crate::{proxy::ProxyBody, say, stop::Stop};

/// Serves until told to stop, then gives what is in flight `limit` to end. Returns what is left of it.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    service: S,
    limit: Duration,
    stop: &mut Stop,
) -> Duration
where
    S: Service<Request<Incoming>, Response = Response<ProxyBody>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let server = auto::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            stream = accept(&listener) => stream,
            () = stop.asked() => break,
        };
        let service = TowerToHyperService::new(service.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        // How a connection ends is between it and its client.
        tokio::spawn(connections.watch(connection.into_owned()));
    }
    drop(listener);

    say(format_args!("draining {} connections", connections.count()));
    let begun = Instant::now();
    tokio::select! {
        () = connections.shutdown() => limit.saturating_sub(begun.elapsed()),
        () = sleep(limit) => Duration::ZERO,
        () = stop.asked() => Duration::ZERO,
    }
}

/// The next connection, whatever becomes of others.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it a small answer waits for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Mostly out of descriptors: accepting at once would fail at once.
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
