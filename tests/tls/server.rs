//! A server over TLS, for both versions of HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, SupportedProtocolVersion, crypto::ring, server::WebPkiClientVerifier,
        version::TLS12,
    },
};
use tower::ServiceExt;
use tower_mirror::client::{HttpTarget, HttpTargetBuilder, Tls};

use super::{
    certificates::{Authority, Identity, NAME},
    within,
};
use tower_mirror_testing::Primary;

pub(crate) const BOTH: &[&str] = &["h2", "http/1.1"];
pub(crate) const HTTP1: &[&str] = &["http/1.1"];
pub(crate) const HTTP2: &[&str] = &["h2"];

/// What the server has learned about its client in the handshake. It is an extension of each
/// request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) asked_for: Option<String>,
    pub(crate) has_certificate: bool,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) app: Primary,
    shared: Arc<Shared>,
}

struct Shared {
    config: Mutex<ServerConfig>,
    accepted: AtomicUsize,
    peak: AtomicUsize,
    open: watch::Sender<usize>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// Counts a connection as open while it lives.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// Starts a server with these protocols and the name [`NAME`]. Also returns the settings that trust
/// it.
pub(crate) async fn named(protocols: &[&str]) -> (Server, Tls) {
    let authority = Authority::new();
    let server = Server::start(config(&authority.issue(NAME)), protocols).await;
    (server, believing(&authority).server_name(NAME).unwrap())
}

pub(crate) fn believing(authority: &Authority) -> Tls {
    Tls::with_roots(authority.pem().as_bytes()).unwrap()
}

pub(crate) fn config(identity: &Identity) -> ServerConfig {
    let (chain, key) = identity.der();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_no_client_auth();
    builder.with_single_cert(chain, key).unwrap()
}

/// Returns the configuration of a server that requires a certificate from its clients.
pub(crate) fn strict_config(
    identity: &Identity,
    clients: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let (chain, key) = identity.der();
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider.clone());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
    builder.with_single_cert(chain, key).unwrap()
}

pub(crate) const OLD: &[&SupportedProtocolVersion] = &[&TLS12];

impl Server {
    pub(crate) async fn start(config: ServerConfig, protocols: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            app: Primary::reading(),
            shared: Arc::new(Shared {
                config: Mutex::new(config),
                accepted: AtomicUsize::new(0),
                peak: AtomicUsize::new(0),
                open: watch::channel(0).0,
                tasks: Mutex::default(),
            }),
        };
        server.speak(protocols);
        let (shared, app) = (server.shared.clone(), server.app.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                shared.open.send_modify(|open| {
                    *open += 1;
                    shared.peak.fetch_max(*open, Ordering::SeqCst);
                });
                let open = Open(shared.clone());
                let config = shared.config.lock().unwrap().clone();
                let task = tokio::spawn(serve(stream, config, app.clone(), open));
                shared.tasks.lock().unwrap().push(task.abort_handle());
            }
        });
        server
    }

    /// Changes the protocols that the server offers from now on.
    pub(crate) fn speak(&self, protocols: &[&str]) {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        self.shared.config.lock().unwrap().alpn_protocols = protocols.collect();
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn builder(&self, tls: Tls) -> HttpTargetBuilder {
        HttpTarget::builder(self.url()).tls(tls)
    }

    pub(crate) fn target(&self, tls: Tls) -> HttpTarget {
        self.builder(tls).build().unwrap()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns the maximum number of connections that were open at the same time.
    pub(crate) fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// Returns the client that sent the only request.
    pub(crate) fn client(&self) -> Client {
        self.app.one().0.extensions.remove().unwrap()
    }

    /// Closes all connections, as a restart does, and waits until they are closed.
    pub(crate) async fn close_all(&self) {
        for task in self.shared.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
        self.all_closed().await;
    }

    pub(crate) async fn all_closed(&self) {
        let mut open = self.shared.open.subscribe();
        within(open.wait_for(|open| *open == 0)).await.unwrap();
    }
}

async fn serve(stream: TcpStream, config: ServerConfig, app: Primary, _open: Open) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let session = stream.get_ref().1;
    let client = Client {
        asked_for: session.server_name().map(str::to_owned),
        has_certificate: session.peer_certificates().is_some(),
    };
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client.clone());
        app.clone().oneshot(request)
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(stream, service).await;
    } else {
        let builder = http1::Builder::new();
        let _ = builder.serve_connection(stream, service).await;
    }
}
