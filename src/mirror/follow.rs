//! `Follow` and `Side`: the traits of code that sees the copies of a mirror and the shadow's
//! responses. The comparison of answers implements them.

use std::{any::Any, fmt, sync::Arc, task::Context, task::Poll};

use bytes::Bytes;
use http::{HeaderMap, request, response};

use crate::{observe::Outcome, request_head::RequestHead};

/// Decides for each admitted request whether it is followed. Other requests do not reach it.
pub(crate) trait Follow: Send + Sync {
    /// Begins to follow a request, or returns `None`. This runs on the primary's path, outside
    /// `catch_unwind`: an implementation must not call code of a user.
    fn begin(&self, head: &RequestHead<'_>, route: Option<&Arc<str>>) -> Option<Followed>;
}

impl fmt::Debug for dyn Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follow")
    }
}

/// One request that is followed.
pub(crate) struct Followed {
    /// For the layer around the mirror, which sees the answer of the primary.
    pub(crate) token: Token,
    /// For the copy.
    pub(crate) side: Box<dyn Side>,
}

/// The value that identifies a followed request for the layer around the mirror.
pub(crate) type Token = Arc<dyn Any + Send + Sync>;

/// Sees one copy from the end of its capture to its outcome.
pub(crate) trait Side: Send {
    /// The copy is complete and will be sent. `head` is not rewritten yet.
    fn prepare(&mut self, head: &mut request::Parts);

    /// Returns the side of a second copy, which the mirror's partner sends at the same time. The
    /// first call may return a side; every further call returns `None`.
    fn second(&mut self) -> Option<Box<dyn Side>>;

    /// The shadow is ready. Waits until the copy may be sent.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The copy was handed to the shadow.
    fn called(&mut self);

    /// The shadow has answered with this head.
    fn head(&mut self, head: &response::Parts);

    /// A frame of the response's body has arrived.
    fn data(&mut self, data: Bytes);

    /// The trailers of the response have arrived.
    fn trailers(&mut self, trailers: HeaderMap);

    /// The copy has its outcome.
    fn ended(self: Box<Self>, outcome: Outcome);
}

impl fmt::Debug for dyn Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Side")
    }
}
