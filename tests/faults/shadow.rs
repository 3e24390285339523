//! A shadow's server that runs a script for each connection.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, Interest},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use tower_mirror_testing::net::{HANG, listen};

#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) address: SocketAddr,
    /// The number of all accepted connections, and the number of open connections.
    connections: watch::Sender<(usize, usize)>,
    accepting: AbortHandle,
}

impl Shadow {
    /// Starts the server. The script receives each connection with its number, which begins at 0.
    pub(crate) async fn start<F>(
        script: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (listener, address) = listen().await;
        let connections = watch::Sender::new((0, 0));
        let counts = connections.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counts.borrow().0;
                counts.send_modify(|(all, open)| (*all, *open) = (*all + 1, *open + 1));
                let (counts, running) = (counts.clone(), script(number, stream));
                tokio::spawn(async move {
                    let _ = running.await;
                    counts.send_modify(|(_, open)| *open -= 1);
                });
            }
        });
        Self {
            address,
            connections,
            accepting: accepting.abort_handle(),
        }
    }

    /// Creates a shadow without a server at its address.
    pub(crate) async fn refusing() -> Self {
        let (listener, address): (TcpListener, _) = listen().await;
        drop(listener);
        Self {
            address,
            connections: watch::Sender::new((0, 0)),
            accepting: tokio::spawn(std::future::pending::<()>()).abort_handle(),
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.connections.borrow().0
    }

    pub(crate) fn open(&self) -> usize {
        self.connections.borrow().1
    }

    /// Waits until only this number of connections is open. Returns `false` if this does not
    /// happen.
    pub(crate) async fn closes(&self, to: usize) -> bool {
        let mut connections = self.connections.subscribe();
        let closed = connections.wait_for(|(_, open)| *open <= to);
        tokio::time::timeout(HANG, closed).await.is_ok()
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Reads and discards bytes until the peer has closed the connection.
pub(crate) async fn read_on(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Reads one byte per second until the peer has closed the connection.
pub(crate) async fn trickle(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let begun = tokio::time::Instant::now();
        // The peer has closed the connection, even if some bytes were not read.
        if stream.read(&mut [0]).await? == 0 {
            return Ok(());
        }
        while begun.elapsed() < Duration::from_secs(1) {
            if is_closed(stream).await? {
                return Ok(());
            }
            pace(10).await;
        }
    }
}

async fn is_closed(stream: &TcpStream) -> io::Result<bool> {
    match stream
        .ready(Interest::READABLE | Interest::ERROR)
        .now_or_never()
    {
        Some(ready) => ready.map(|ready| ready.is_read_closed() || ready.is_error()),
        None => Ok(false),
    }
}

/// Reads nothing until the peer has closed the connection.
pub(crate) async fn hold(stream: &TcpStream) -> io::Result<()> {
    while !is_closed(stream).await? {
        pace(10).await;
    }
    Ok(())
}

/// The speed of the script.
pub(crate) async fn pace(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Closes the connection with a reset.
pub(crate) fn reset(stream: TcpStream) -> io::Result<()> {
    stream.set_zero_linger()
}
