//! What follows the copies of a mirror and the answers to them. The comparison of answers is such a follower.

use std::{any::Any, fmt, sync::Arc, task::Context, task::Poll};

use bytes::Bytes;
use http::{HeaderMap, request, response};

use crate::{observe::Outcome, request_head::RequestHead};

/// Is asked about each request that is admitted, and about no other one.
pub(crate) trait Follow: Send + Sync {
    /// Begins to follow a request, or returns `None`. Runs on the primary's path and contains no code of a user.
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

/// What the layer around the mirror gets back of a followed request.
pub(crate) type Token = Arc<dyn Any + Send + Sync>;

/// Sees one copy from the end of its capture to its outcome. Dropped without an end, the copy was never sent.
pub(crate) trait Side: Send {
    /// The copy is complete and will be sent. `head` is not rewritten yet.
    fn prepare(&mut self, head: &mut request::Parts);

    /// The side of a second copy, which the mirror's partner sends at the same time. `None` from the second call on.
    fn second(&mut self) -> Option<Box<dyn Side>>;

    /// The shadow is ready. Waits until the copy may be sent.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The copy was handed to the shadow.
    fn called(&mut self);

    /// The head of the shadow's answer.
    fn head(&mut self, head: &response::Parts);

    /// A frame of the answer's body.
    fn data(&mut self, data: Bytes);

    /// The trailers of the answer.
    fn trailers(&mut self, trailers: HeaderMap);

    /// The copy has its outcome.
    fn ended(self: Box<Self>, outcome: Outcome);
}

impl fmt::Debug for dyn Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Side")
    }
}
