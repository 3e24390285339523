//! TLS: whom to believe, and as whom to be known.

use std::fmt;
use std::sync::Arc;

use http::uri::Scheme;
use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::connect::Settings;
use super::handshake::Peer;
use super::target::HttpTarget;
use super::tls_error::{self, InvalidTls};
use super::url::{Endpoint, InvalidUrl, redact};

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
/// let target = HttpTarget::with_tls("https://catalog-v2.internal", tls)?;
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
        let verifier = Verifier::new(provider.clone()).map_err(tls_error::of_platform)?;
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
            .map_err(tls_error::of_client)?;
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

    fn new(anonymous: ConfigBuilder<ClientConfig, WantsClientCert>) -> Self {
        Self {
            config: anonymous.clone().with_no_client_auth(),
            anonymous,
            name: None,
        }
    }
}

impl HttpTarget {
    /// A target at `https://host[:port]`, port 443 if none is given, spoken to in HTTP/2 or HTTP/1.1 as the server
    /// selects.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], as in [`new`](Self::new); [`InvalidUrl::NotHttps`] when the scheme is `http`.
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn with_tls(url: &str, tls: Tls) -> Result<Self, InvalidUrl> {
        Self::secured(url, url.parse()?, tls)
    }

    pub(super) fn platform_tls(url: &str, endpoint: Endpoint) -> Result<Self, InvalidUrl> {
        let tls = Tls::platform().map_err(|why| InvalidUrl::Tls(redact(url), why))?;
        Self::secured(url, endpoint, tls)
    }

    fn secured(url: &str, endpoint: Endpoint, tls: Tls) -> Result<Self, InvalidUrl> {
        if endpoint.scheme != Scheme::HTTPS {
            return Err(InvalidUrl::NotHttps(redact(url)));
        }
        let name = match tls.name {
            Some(name) => name,
            None => {
                // An IPv6 literal has brackets in a URL only.
                let host = endpoint.authority.host().trim_matches(['[', ']']);
                server_name(host).map_err(|why| InvalidUrl::Tls(redact(url), why))?
            }
        };
        let config = tls.config;
        let settings = Settings {
            tls: Some(Peer { config, name }),
            ..Settings::default()
        };
        Ok(Self::with(endpoint, settings))
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
