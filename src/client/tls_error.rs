//! What is wrong with settings for TLS.

use std::fmt;

use tokio_rustls::rustls;

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

pub(super) fn of_platform(error: rustls::Error) -> InvalidTls {
    InvalidTls::PlatformRoots(match error {
        rustls::Error::General(why) => why,
        error => error.to_string(),
    })
}

/// rustls looks at the key first, and at the certificate only to compare the two.
pub(super) fn of_client(error: rustls::Error) -> InvalidTls {
    match error {
        rustls::Error::InvalidCertificate(_) => InvalidTls::ClientCertificate(error.to_string()),
        _ => InvalidTls::ClientKey(error.to_string()),
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
