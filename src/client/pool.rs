//! Either protocol's pool, and a connection from it.

use std::future::ready;
use std::sync::Arc;

use http::Request;

use super::body::RequestBody;
use super::connect::Connector;
use super::error::Error;
use super::future::ResponseFuture;
use super::idle::Lease;
use super::{http1, http2};

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Http1(Arc<http1::Pool>),
    Http2(Arc<http2::Pool>),
}

/// A connection, with the pool that has another should this one be closing.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(Arc<http1::Pool>, Lease),
    Http2(Arc<http2::Pool>, http2::Sender),
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        if connector.settings.http2 {
            Self::Http2(Arc::new(http2::Pool::new(connector)))
        } else {
            Self::Http1(Arc::new(http1::Pool::new(connector)))
        }
    }

    /// A connection that is there already.
    pub(super) fn at_hand(&self) -> Option<Connection> {
        match self {
            Self::Http1(pool) => Some(Connection::Http1(pool.clone(), pool.idle.pop()?)),
            Self::Http2(pool) => Some(Connection::Http2(pool.clone(), pool.made()?)),
        }
    }

    pub(super) async fn obtain(self) -> Result<Connection, Error> {
        match self {
            Self::Http1(pool) => pool
                .obtain()
                .await
                .map(|lease| Connection::Http1(pool, lease)),
            Self::Http2(pool) => pool
                .obtain()
                .await
                .map(|sender| Connection::Http2(pool, sender)),
        }
    }
}

impl Connection {
    pub(super) fn send(self, request: Request<RequestBody>) -> ResponseFuture {
        match self {
            Self::Http1(pool, lease) => match lease.into_use() {
                Some(connection) => {
                    ResponseFuture::http1(http1::Sending::new(pool, connection, request))
                }
                None => ResponseFuture::boxed(ready(Err(Error::closed()))),
            },
            Self::Http2(pool, sender) => {
                ResponseFuture::boxed(async move { pool.send(sender, request).await })
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(_, lease) => lease.is_closed(),
            Self::Http2(_, sender) => sender.is_closed(),
        }
    }
}
