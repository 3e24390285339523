//! Everything that can be decided about a mirror.

use std::{sync::Arc, time::Duration};

use http::{Extensions, HeaderName};

use super::{
    layer::MirrorLayer,
    limits::Limits,
    policy::Policy,
    shadow::{Launch, Shadow},
    shared::Shared,
};
use crate::{
    body::BodyMode,
    head::RequestHead,
    observe::Observer,
    rewrite::{HostRewrite, Rewrite},
    sample::{Draw, Filter, SampleRate},
};

/// Decides how a mirror behaves. Nothing here can fail: every argument is valid by
/// its type. Begun by [`MirrorLayer::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MirrorBuilder {
    shadow: Arc<dyn Launch>,
    name: Arc<str>,
    rate: SampleRate,
    policy: Policy,
    limits: Limits,
}

impl MirrorBuilder {
    pub(super) fn new<R>(shadow: impl Shadow<R>) -> Self {
        Self {
            shadow: shadow.erase().0,
            name: Arc::from("mirror"),
            rate: SampleRate::ALL,
            policy: Policy::default(),
            limits: Limits::default(),
        }
    }

    /// The mirror's name, in reports and as the mark's value, where characters that
    /// a header cannot hold become `_`. Default: `mirror`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The share of requests to copy; can be changed while running. Default: all.
    pub fn sample(mut self, rate: SampleRate) -> Self {
        self.rate = rate;
        self
    }

    /// Which requests make up the share. At 0 % and 100 % nothing is drawn.
    /// Default: [`Draw::even`].
    pub fn draw(mut self, draw: Draw) -> Self {
        self.policy.draw = draw;
        self
    }

    /// Requests that do not pass are not copied, nor do they take part in the draw.
    /// Several filters must all be passed. A closure says the type of what it is given:
    /// `|head: &RequestHead<'_>| head.method == Method::GET`. Default: none.
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.policy.filters.push(Box::new(filter));
        self
    }

    /// What becomes of the host on the copy. Default: the suffix `-shadow`.
    pub fn host(mut self, host: HostRewrite) -> Self {
        self.policy.host = host;
        self
    }

    /// An extension that the copy takes along. By default it has none: what hangs on
    /// a request, an upgrade handle above all, must not be shared unseen.
    ///
    /// `carry::<axum::extract::OriginalUri>()` with a [`rewrite`](Self::rewrite) gives a
    /// copy made in a nested router the whole path.
    pub fn carry<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.policy
            .carries
            .push(|from: &Extensions, to: &mut Extensions| {
                if let Some(extension) = from.get::<T>() {
                    to.insert(extension.clone());
                }
            });
        self
    }

    /// Has the last word on the copy's head. Several run in turn. A closure says the type of
    /// what it is given: `|copy: &mut request::Parts| { .. }`. Default: none.
    pub fn rewrite(mut self, rewrite: impl Rewrite) -> Self {
        self.policy.rewrites.push(Box::new(rewrite));
        self
    }

    /// What body the copy has. Default: [`BodyMode::Tee`].
    pub fn body(mut self, mode: BodyMode) -> Self {
        self.policy.body = mode;
        self
    }

    /// The header that marks a copy, with the mirror's name as its value; a request
    /// that carries it is not copied again. Default: `x-mirrored-by`.
    pub fn mark(mut self, name: HeaderName) -> Self {
        self.policy.mark = Some(name);
        self
    }

    /// Neither marks copies nor recognises them: a shadow that calls back into this
    /// service is then copied again, and again.
    pub fn without_mark(mut self) -> Self {
        self.policy.mark = None;
        self
    }

    /// Removes the mark from requests that arrive, so that nobody outside can keep
    /// requests from being copied or pass them off as copies. For the outermost
    /// mirror, at an edge; behind it this would undo the loop guard. Default: off.
    pub fn strip_inbound_mark(mut self) -> Self {
        self.policy.strip_inbound_mark = true;
        self
    }

    /// A label for [`Report::route`](crate::Report::route), of each request that is copied;
    /// in axum, the `MatchedPath` among `head.extensions`. Runs on the primary's path, where a
    /// panic in it is caught and counted as `policy_panicked`. Default: none.
    pub fn route<F, L>(mut self, label: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Option<L> + Send + Sync + 'static,
        L: Into<Arc<str>>,
    {
        self.policy.route = Some(Box::new(move |head| label(head).map(Into::into)));
        self
    }

    /// Tells an observer of every request. Several are told in turn. A closure says the type
    /// of what it is given: `|report: &Report| { .. }`. Default: none.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.policy.observers.push(Box::new(observer));
        self
    }

    /// Bytes of the largest body that is copied. A longer one ends as `too_large`, before
    /// a byte is held where its length was declared. Default: 2 MiB.
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_body_bytes = bytes;
        self
    }

    /// Bytes that all copies together may be charged. The charge is within a factor of two of the memory that they hold:
    /// for its head and its task a copy is charged 8 KiB, or one and a half times the length of the head if that is more; for a
    /// frame below 128 KiB (8 KiB over HTTP/2), which is copied, its length and 64 bytes; for a longer one, which is shared with the
    /// read buffer it came in, twice its length.
    ///
    /// A frame is charged until the shadow's client has dropped it, and the head until the answer begins; all of it is given back when the
    /// copy ends. What does not fit ends as `no_bytes`. Connections to the shadow are not counted. Default: 16 MiB.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_buffered_bytes = bytes;
        self
    }

    /// Copies that may be in flight: capturing, waiting, sending, answering. A further
    /// one ends as `no_room`. Default: 128.
    pub fn max_in_flight(mut self, copies: usize) -> Self {
        self.limits.max_in_flight = copies;
        self
    }

    /// How far the shadow of a live copy may be behind, in bytes and in frames, before the copy is given up
    /// and ends as `lagged`; for [`BodyMode::Stream`] alone. A frame larger than the window never fits.
    /// Default: 1 MiB, 256 frames.
    pub fn lag_window(mut self, bytes: usize, frames: usize) -> Self {
        self.limits.lag_bytes = bytes;
        self.limits.lag_frames = frames;
        self
    }

    /// How long a copy waits for its request's body. In [`BodyMode::Tee`] from the request's arrival to the end of the body; in
    /// [`BodyMode::Stream`] from each frame that the primary reads to the next one or the end, so that an upload may last as
    /// long as its frames come. A slower upload has no copy, or one that breaks off, and ends as `timed_out`; the upload itself goes on
    /// undisturbed. A live copy whose declared bytes have all been read is whole, and is not broken off for an
    /// end that does not come. [`BodyMode::Omit`] waits for no body. Default: 30 s.
    pub fn capture_timeout(mut self, timeout: Duration) -> Self {
        self.limits.capture_timeout = timeout;
        self
    }

    /// From the end of the request's body to the end of the shadow's answer, waiting for a
    /// connection included. Ends as `timed_out`. In [`BodyMode::Stream`] a body counts as ended, too, when
    /// [`capture_timeout`](Self::capture_timeout) has passed after the last of its declared bytes. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Bytes that are received of an answer's body; one that is longer is cut off
    /// and ends as `completed_truncated`, and over HTTP/1 its connection is closed. Default: 1 MiB.
    pub fn max_response_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_response_bytes = bytes;
        self
    }

    /// The layer. What its services share is made here, once.
    #[must_use]
    pub fn build(self) -> MirrorLayer {
        let Self {
            shadow,
            name,
            rate,
            policy,
            limits,
        } = self;
        policy.draw.settle();
        MirrorLayer::from_shared(Shared::new(name, shadow, rate, policy, limits))
    }
}
