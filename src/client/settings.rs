//! The settings of a target, as its builder has collected them.

use std::time::Duration;

use http::Version;

use super::resolver::Resolver;
use super::response::HeadLimit;
#[cfg(feature = "rustls")]
use super::tls::Peer;

/// See the setters of [`HttpTargetBuilder`](super::HttpTargetBuilder).
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `None`: what is usual. HTTP/1.1, or over TLS what the server selects.
    pub(super) only: Option<Version>,
    /// There is one if the scheme is `https`.
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<Peer>,
    pub(super) resolver: Resolver,
    pub(super) max_connections: usize,
    pub(super) max_idle: usize,
    pub(super) connect_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) max_response_head: HeadLimit,
    /// Whether an idempotent request is sent again that met a closing connection.
    pub(super) retry: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only: None,
            #[cfg(feature = "rustls")]
            tls: None,
            resolver: Resolver::default(),
            max_connections: 128,
            max_idle: usize::MAX,
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            max_age: Duration::from_secs(600),
            max_response_head: HeadLimit::DEFAULT,
            retry: true,
        }
    }
}
