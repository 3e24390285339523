//! Tunnels: after both sides have switched protocols, the connection of the client and that of the target are joined.

use std::io;
use std::time::Duration;

use futures_util::future::try_join;
use http::header::{HeaderValue, UPGRADE};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::runtime::Handle;

use super::error::Error;
use super::hop;
use crate::time::within;

/// The protocols that a client offers to switch to, and its connection.
pub(super) struct Offer {
    protocols: Vec<HeaderValue>,
    client: OnUpgrade,
}

impl Offer {
    /// Takes the client's connection out of a request that makes an offer.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Box<Self>> {
        if !request.headers().contains_key(UPGRADE) {
            return None;
        }
        let client = request.extensions_mut().remove::<OnUpgrade>()?;
        Some(Box::new(Self {
            protocols: protocols(request.headers()),
            client,
        }))
    }

    /// Returns it to the request, which is sent again.
    pub(super) fn put_back<B>(self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.client);
    }
}

/// Handles the 101 of the target: the response becomes one for the client, whose connection then switches too.
pub(super) fn switch(
    offer: Option<Box<Offer>>,
    protocols: Vec<HeaderValue>,
    answer: &mut Response<Incoming>,
    limit: Duration,
) -> Result<(), Error> {
    let unasked = || {
        let unasked = "the target switched to a protocol that it was not offered";
        Error::io(io::Error::new(io::ErrorKind::InvalidData, unasked))
    };
    let offer = offer.ok_or_else(unasked)?;
    if !hop::are_offered(&protocols, &offer.protocols) {
        return Err(unasked());
    }
    let runtime = Handle::try_current().map_err(|e| Error::io(io::Error::other(e)))?;
    hop::put_upgrade(answer.headers_mut(), protocols);
    runtime.spawn(join(offer.client, hyper::upgrade::on(answer), limit));
    Ok(())
}

/// The protocols that are offered or accepted.
pub(super) fn protocols(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(UPGRADE).iter().cloned().collect()
}

/// Passes on what either side sends until both have ended. The connection to the target counts until then.
async fn join(client: OnUpgrade, target: OnUpgrade, limit: Duration) {
    // The client's connection switches when the response is written, which may never happen.
    let both = within(limit, try_join(client, target)).await;
    if let Some(Ok((client, target))) = both {
        let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(target)).await;
    }
}
