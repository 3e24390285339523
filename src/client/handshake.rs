//! The handshake of each connection.

use std::sync::Arc;
use std::{fmt, io};

use http::Version;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::io::Socket;
use super::stream::Stream;

/// Whom to ask for, and how.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) config: ClientConfig,
    pub(super) name: ServerName<'static>,
}

pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
    only: Option<Version>,
}

impl Peer {
    /// One that offers the one version, or both, the newer first.
    pub(super) fn handshake(&self, only: Option<Version>) -> Handshake {
        let offered: &[&[u8]] = match only {
            Some(Version::HTTP_2) => &[b"h2"],
            Some(_) => &[b"http/1.1"],
            None => &[b"h2", b"http/1.1"],
        };
        let mut config = self.config.clone();
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        Handshake {
            connector: TlsConnector::from(Arc::new(config)),
            name: self.name.clone(),
            only,
        }
    }
}

impl Handshake {
    pub(super) async fn shake(&self, socket: Socket) -> io::Result<Stream> {
        let tls = self.connector.connect(self.name.clone(), socket).await?;
        let stream = Stream::Tls(Box::new(tls));
        // A server may select nothing, which is HTTP/1.1.
        if self.only == Some(Version::HTTP_2) && stream.selected() != self.only {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server did not select HTTP/2",
            ));
        }
        Ok(stream)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}
