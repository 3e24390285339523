//! TLS: whom to believe, and as whom to be known.

use std::sync::Arc;
use std::{fmt, io};

use http::Version;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore};

use super::io::{Socket, Stream};

/// How an `https` target is to be spoken to: the roots that must vouch for its certificate, and, if it asks for one,
/// the certificate to show it.
///
/// The server's certificate is always verified, its name and dates included; there is no way to turn that off. TLS 1.2
/// and 1.3 are spoken, with the cryptography of *ring*, or of the
/// [provider](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html) the process has installed by then.
/// Clones are cheap and share what they have loaded: make one, for as many targets as it fits.
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
    /// Believes whom the platform believes.
    ///
    /// On Linux those are the roots found at the usual places, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say, read
    /// here and now, which blocks the thread for some milliseconds. On Windows and Apple's systems the system is asked
    /// each time.
    ///
    /// # Errors
    ///
    /// [`InvalidTls::PlatformRoots`] when there are none; [`InvalidTls::Provider`].
    pub fn platform() -> Result<Self, InvalidTls> {
        let provider = provider();
        let verifier = Verifier::new(provider.clone()).map_err(InvalidTls::platform)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidTls::Provider(error.to_string()))?;
        // The platform's verifier is no part of rustls, hence "custom".
        let builder = builder.dangerous();
        Ok(Self::new(
            builder.with_custom_certificate_verifier(Arc::new(verifier)),
        ))
    }

    /// Believes the certificates in `pem` and nobody else: one or more, in PEM.
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
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidTls::Provider(error.to_string()))?;
        Ok(Self::new(builder.with_webpki_verifier(verifier)))
    }

    /// Shows servers that ask for a certificate the one that `chain` begins with, followed by its intermediates, whose
    /// key is `key`; both in PEM, the key as PKCS#8, PKCS#1 or SEC1 and not encrypted.
    ///
    /// A server may refuse it, or its absence, only after the handshake: over TLS 1.3 that fails the first request with
    /// an error that is not always a [connect error](super::Error::is_connect).
    ///
    /// # Errors
    ///
    /// [`InvalidTls::ClientCertificate`] when the chain is empty or broken; [`InvalidTls::ClientKey`] when there is no
    /// key, one that cannot be used, or another certificate's.
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

    /// The name to ask the server for (SNI) and to find in its certificate: a DNS name or an IP address. Default: the
    /// host of the target's URL. Where the target dials and what `Host` says do not change.
    ///
    /// # Errors
    ///
    /// [`InvalidTls::ServerName`] when it is neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, InvalidTls> {
        self.name = Some(server_name(name)?);
        Ok(self)
    }

    /// For a server at `host`, which is the name to ask for unless another was set.
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

fn provider() -> Arc<CryptoProvider> {
    match CryptoProvider::get_default() {
        Some(installed) => installed.clone(),
        None => Arc::new(ring::default_provider()),
    }
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

/// Why TLS cannot be spoken as told. Each variant carries the reason, and nothing of any key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTls {
    /// The platform's roots cannot be had.
    PlatformRoots(String),
    /// The roots given: none, or a broken one.
    Roots(String),
    /// The client certificate's chain: none, or a broken one.
    ClientCertificate(String),
    /// The client certificate's key: none, one that cannot be used, or another certificate's.
    ClientKey(String),
    /// This is neither a DNS name nor an IP address.
    ServerName(String),
    /// The process's provider of cryptography can speak neither TLS 1.2 nor 1.3.
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
