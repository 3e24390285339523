//! TLS: the roots that verify the server, the certificate of the client, and the handshake.

use std::sync::Arc;
use std::{fmt, io};

use http::Version;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::io::{Socket, Stream};

/// The settings of TLS for an `https` target: the roots that verify the certificate of the server, and the certificate of the
/// client, for a server that asks for one.
///
/// The certificate of the server is always verified, including its name and its dates, and this cannot be turned off. The versions are
/// TLS 1.2 and 1.3, with the cryptography of *ring*, or of the
/// [provider](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html) that the process has installed by then.
/// Clones are cheap and share what was loaded, so that one value is enough for many targets.
///
/// ```no_run
/// # use tower_mirror::client::{HttpTarget, Tls};
/// let tls = Tls::with_roots(&std::fs::read("internal-ca.pem")?)?
///     .client_certificate(&std::fs::read("me.pem")?, &std::fs::read("me.key")?)?;
/// let target = HttpTarget::builder("https://catalog-v2.internal").tls(tls).build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    /// Without a client certificate.
    anonymous: ConfigBuilder<ClientConfig, WantsClientCert>,
    config: ClientConfig,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Uses the roots of the platform.
    ///
    /// On Linux these are the roots at the usual places, or at the places that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. They are read
    /// during this call, which blocks the thread for some milliseconds. On Windows and Apple's systems, the system verifies each
    /// certificate.
    ///
    /// # Errors
    ///
    /// [`InvalidTls::PlatformRoots`] when there are none; [`InvalidTls::Provider`].
    pub fn platform() -> Result<Self, InvalidTls> {
        let provider = provider();
        let verifier = Verifier::new(provider.clone()).map_err(InvalidTls::platform)?;
        // The verifier of the platform is not a part of rustls, and so it is a "custom" one.
        let builder = config(provider)?.dangerous();
        Ok(Self::new(
            builder.with_custom_certificate_verifier(Arc::new(verifier)),
        ))
    }

    /// Uses only the certificates in `pem` as roots: one or more, in PEM.
    ///
    /// # Errors
    ///
    /// [`InvalidTls::Roots`] when there is none or one of them is broken; [`InvalidTls::Provider`].
    pub fn with_roots(pem: &[u8]) -> Result<Self, InvalidTls> {
        let mut roots = RootCertStore::empty();
        for root in certificates(pem).map_err(InvalidTls::Roots)? {
            roots
                .add(root)
                .map_err(|error| InvalidTls::Roots(error.to_string()))?;
        }
        let provider = provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| InvalidTls::Roots(error.to_string()))?;
        Ok(Self::new(config(provider)?.with_webpki_verifier(verifier)))
    }

    /// Sets the certificate for servers that ask for one. `chain` begins with the certificate, followed by its intermediates, and
    /// `key` is its private key. Both are PEM; the key is PKCS#8, PKCS#1 or SEC1, and not encrypted.
    ///
    /// A server may refuse the certificate, or a connection without one, after the handshake. Over TLS 1.3 the first request then fails
    /// with an error that is not always a [connect error](super::Error::is_connect).
    ///
    /// # Errors
    ///
    /// [`InvalidTls::ClientCertificate`] when the chain is empty or broken; [`InvalidTls::ClientKey`] when there is no
    /// key, or a key that cannot be used, or that belongs to another certificate.
    pub fn client_certificate(mut self, chain: &[u8], key: &[u8]) -> Result<Self, InvalidTls> {
        let chain = certificates(chain).map_err(InvalidTls::ClientCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| InvalidTls::ClientKey(error.to_string()))?;
        self.config = self
            .anonymous
            .clone()
            .with_client_auth_cert(chain, key)
            .map_err(InvalidTls::client)?;
        Ok(self)
    }

    /// Sets the name that is sent to the server (SNI) and that its certificate must have: a DNS name or an IP address. Default: the
    /// host of the target's URL. The address that is dialled and the field `Host` do not change.
    ///
    /// # Errors
    ///
    /// [`InvalidTls::ServerName`] when it is neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, InvalidTls> {
        self.name = Some(server_name(name)?);
        Ok(self)
    }

    /// The peer at `host`, which is the name to verify unless another one was set.
    pub(super) fn peer(self, host: &str) -> Result<Peer, InvalidTls> {
        let name = match self.name {
            Some(name) => name,
            // An IPv6 literal has brackets only in a URL.
            None => server_name(host.trim_matches(['[', ']']))?,
        };
        let config = self.config;
        Ok(Peer { config, name })
    }

    fn new(anonymous: ConfigBuilder<ClientConfig, WantsClientCert>) -> Self {
        Self {
            config: anonymous.clone().with_no_client_auth(),
            anonymous,
            name: None,
        }
    }
}

/// The name of the server to verify, and the configuration.
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
    /// A handshake that offers the one version, or both with HTTP/2 first.
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
        // A server that selects nothing uses HTTP/1.1.
        if self.only == Some(Version::HTTP_2) && stream.selected() != self.only {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server did not select HTTP/2",
            ));
        }
        Ok(stream)
    }
}

fn provider() -> Arc<CryptoProvider> {
    match CryptoProvider::get_default() {
        Some(installed) => installed.clone(),
        None => Arc::new(ring::default_provider()),
    }
}

fn config(
    provider: Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, InvalidTls> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidTls::Provider(error.to_string()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(none) if none.is_empty() => Err("no certificate in PEM found".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, InvalidTls> {
    ServerName::try_from(name.to_owned()).map_err(|_| InvalidTls::ServerName(name.to_owned()))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
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

/// Why settings for TLS are not valid. Each variant has the reason, and no part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTls {
    /// The roots of the platform cannot be loaded.
    PlatformRoots(String),
    /// There is no root, or one is broken.
    Roots(String),
    /// The chain of the client's certificate is empty or broken.
    ClientCertificate(String),
    /// The key of the client's certificate is missing, cannot be used, or belongs to another certificate.
    ClientKey(String),
    /// This is neither a DNS name nor an IP address.
    ServerName(String),
    /// The cryptography of the process supports neither TLS 1.2 nor 1.3.
    Provider(String),
}

impl InvalidTls {
    fn platform(error: rustls::Error) -> Self {
        Self::PlatformRoots(match error {
            rustls::Error::General(why) => why,
            error => error.to_string(),
        })
    }

    /// rustls reads the key first, and looks at the certificate only to compare the two.
    fn client(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) => Self::ClientCertificate(error.to_string()),
            _ => Self::ClientKey(error.to_string()),
        }
    }
}

impl fmt::Display for InvalidTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why) = match self {
            Self::PlatformRoots(why) => ("no roots from the platform", why),
            Self::Roots(why) => ("invalid roots", why),
            Self::ClientCertificate(why) => ("invalid client certificate", why),
            Self::ClientKey(why) => ("invalid key of the client certificate", why),
            Self::ServerName(name) => {
                return write!(f, "{name:?} is neither a DNS name nor an IP address");
            }
            Self::Provider(why) => ("the process's cryptography cannot speak TLS", why),
        };
        write!(f, "{what}: {why}")
    }
}

impl std::error::Error for InvalidTls {}
