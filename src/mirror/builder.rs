//! The `MirrorBuilder`: every setting of a mirror.

use std::{sync::Arc, time::Duration};

use http::{Extensions, header::IntoHeaderName, request};

#[cfg(feature = "compare")]
use super::shadow::AnyShadow;
use super::{
    admission::Admission,
    follow::Follow,
    layer::MirrorLayer,
    partner::Partner,
    settings::{Limits, MirrorPolicy},
    shadow::{Launch, Shadow},
    state::MirrorState,
};
use crate::{
    body::BodyMode,
    headers::header_name,
    observe::{Observer, Report},
    request_head::RequestHead,
    rewrite::HostRewrite,
    sample::{Draw, SampleRate},
};

impl MirrorLayer {
    /// Mirrors every request to `shadow`, with the defaults of [`MirrorBuilder`].
    pub fn new<R>(shadow: impl Shadow<R>) -> Self {
        Self::builder(shadow).build()
    }

    /// Creates the builder of a mirror that sends its copies to `shadow`, with the defaults of
    /// [`MirrorBuilder`].
    pub fn builder<R>(shadow: impl Shadow<R>) -> MirrorBuilder {
        MirrorBuilder::new(shadow)
    }
}

/// The settings of a mirror. No setting can fail, because the type of each argument permits only
/// valid values. [`MirrorLayer::builder`] creates a builder.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::Method;
/// use tower_mirror::{HttpTarget, MirrorLayer, Outcome, SampleRate};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mirror = MirrorLayer::builder(HttpTarget::new("http://127.0.0.1:9002")?)
///     .name("catalog-v2")
///     .sample_rate(SampleRate::percent(10.0)?)
///     .filter(|head| head.method == Method::GET)
///     .timeout(Duration::from_secs(2))
///     .observer(|report| {
///         if report.outcome == Outcome::TimedOut {
///             println!("{} {:?} was slow", report.method, report.route);
///         }
///     })
///     .build();
/// # let _ = mirror;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MirrorBuilder {
    shadow: Arc<dyn Launch>,
    name: Arc<str>,
    rate: SampleRate,
    policy: MirrorPolicy,
    limits: Limits,
    follow: Option<Arc<dyn Follow>>,
    partner: Option<Arc<dyn Launch>>,
}

impl MirrorBuilder {
    fn new<R>(shadow: impl Shadow<R>) -> Self {
        Self {
            shadow: shadow.erase().0,
            name: Arc::from("mirror"),
            rate: SampleRate::ALL,
            policy: MirrorPolicy::default(),
            limits: Limits::default(),
            follow: None,
            partner: None,
        }
    }

    /// The mirror's name. It is used in reports and as the value of the mark, where characters that
    /// a header cannot contain become `_`. Default: `mirror`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The share of requests to copy.
    /// [`MirrorHandle::set_sample_rate`](super::MirrorHandle::set_sample_rate) changes it while the
    /// mirror runs. Default: all.
    pub fn sample_rate(mut self, rate: SampleRate) -> Self {
        self.rate = rate;
        self
    }

    /// Selects the requests that belong to the share. At 0 % and 100 % there is no draw. Default:
    /// [`Draw::even`].
    pub fn draw(mut self, draw: Draw) -> Self {
        self.policy.draw = draw;
        self
    }

    /// Copies only requests for which `filter` returns `true`. Other requests do not take part in
    /// the draw either. If there are several filters, all of them must return `true`. Default: no
    /// filter.
    ///
    /// A filter is a closure, as in `|head| head.method == Method::GET`, or one of
    /// [`methods`](crate::sample::methods), [`safe_methods`](crate::sample::safe_methods),
    /// [`paths`](crate::sample::paths) and [`skip_paths`](crate::sample::skip_paths). It runs on
    /// the primary's path, for every request: it must not block. A panic in it is caught and
    /// counted as `policy_panicked`; the primary receives its request.
    pub fn filter<F>(mut self, filter: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    {
        self.policy.filters.push(Box::new(filter));
        self
    }

    /// How the host of the copy is rewritten. Default: the suffix `-shadow`.
    pub fn host_rewrite(mut self, rewrite: HostRewrite) -> Self {
        self.policy.host_rewrite = rewrite;
        self
    }

    /// Copies an extension of the request, of type `T`. By default a copy has no extensions,
    /// because some extensions of a request, for example an upgrade handle, must not be shared by
    /// accident.
    ///
    /// Inside a nested router of axum, a request has a shortened path.
    /// `copy_extension::<axum::extract::OriginalUri>()` and a [`rewrite`](Self::rewrite) can
    /// restore the whole path in the copy.
    pub fn copy_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.policy
            .copied_extensions
            .push(|from: &Extensions, to: &mut Extensions| {
                if let Some(extension) = from.get::<T>() {
                    to.insert(extension.clone());
                }
            });
        self
    }

    /// Edits the head of the copy as the last step. The shadow receives the result. Several
    /// rewrites run in the order in which they were added. Default: no rewrite.
    ///
    /// A rewrite is a closure, as in `|copy| { copy.headers.remove("x-internal"); }`, or one of the
    /// module [`rewrite`](crate::rewrite). It runs on the task of the copy, and only if a copy is
    /// sent. It cannot remove the mirror's mark, since a copy without it could be mirrored again
    /// without end: a removed mark is inserted again. A panic in a rewrite ends the copy as
    /// `panicked`.
    pub fn rewrite<F>(mut self, rewrite: F) -> Self
    where
        F: Fn(&mut request::Parts) + Send + Sync + 'static,
    {
        self.policy.rewrites.push(Box::new(rewrite));
        self
    }

    /// Selects how the body is copied. Default: [`BodyMode::Buffered`].
    pub fn body_mode(mut self, mode: BodyMode) -> Self {
        self.policy.body_mode = mode;
        self
    }

    /// The name of the header that marks a copy. Its value is the mirror's name. A request
    /// that carries this header is not copied again. Default: `x-mirrored-by`.
    ///
    /// The name is a `HeaderName` or a `&'static str`, as for
    /// [`HeaderMap::insert`](http::HeaderMap::insert).
    ///
    /// # Panics
    ///
    /// Like `HeaderMap::insert`, if a `&'static str` is not a header name.
    pub fn mark(mut self, name: impl IntoHeaderName) -> Self {
        self.policy.mark = Some(header_name(name));
        self
    }

    /// Copies are not marked, and requests with a mark are not recognised. If the shadow calls this
    /// service, its request is then copied again, without end.
    pub fn without_mark(mut self) -> Self {
        self.policy.mark = None;
        self
    }

    /// Removes the mark from requests that arrive, so that no client can prevent a copy or pretend
    /// that its request is a copy. Use this only in the outermost mirror, at the edge: in a mirror
    /// behind it, this would disable the loop guard. Default: off.
    pub fn strip_inbound_mark(mut self) -> Self {
        self.policy.strip_inbound_mark = true;
        self
    }

    /// The label of a request's route, for [`Report::route`] and for the span of the copy. `label`
    /// is called for each request that is copied. Default: no label.
    ///
    /// The label should be the template of the route, which has few values and contains no user
    /// data: in axum, `|head| Some(head.extensions.get::<MatchedPath>()?.as_str().to_owned())`. The
    /// mirror does not use the path itself, because paths contain names and numbers of users.
    ///
    /// The closure runs on the primary's path. A panic in it is caught and counted as
    /// `policy_panicked`.
    pub fn route_label<F, L>(mut self, label: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Option<L> + Send + Sync + 'static,
        L: Into<Arc<str>>,
    {
        self.policy.route_label = Some(Box::new(move |head| label(head).map(Into::into)));
        self
    }

    /// Calls `observer` with the [`Report`] of each request that was copied, as in `|report|
    /// println!("{}", report.outcome)`. Several observers are called in the order in which they
    /// were added. Default: no observer.
    ///
    /// See [`Observer`] for what an observer must not do; [`observe_with`](Self::observe_with)
    /// takes a type that implements it.
    pub fn observer<F>(self, observer: F) -> Self
    where
        F: Fn(&Report) + Send + Sync + 'static,
    {
        self.observe_with(observer)
    }

    /// Calls an [`Observer`], which can also observe requests that are not copied. Default: no
    /// observer.
    pub fn observe_with(mut self, observer: impl Observer) -> Self {
        self.policy.observers.push(Box::new(observer));
        self
    }

    /// Inserts a [`Mirroring`](super::Mirroring) into the extensions of each response, which says
    /// whether the request was copied. This needs up to three allocations for each response, also
    /// for requests that are not sampled. Default: off.
    pub fn with_mirroring(mut self) -> Self {
        self.policy.with_mirroring = true;
        self
    }

    /// The size of the largest body that is copied, in bytes. A copy with a longer body ends as
    /// `too_large`. If the length was declared, none of its bytes are kept in memory. Default: 2
    /// MiB.
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_body_bytes = bytes;
        self
    }

    /// The limit for the sum of the charges of all copies, in bytes. The charge is within a factor
    /// of two of the memory that the copies use. For its head and its task, a copy is charged 8
    /// KiB, or one and a half times the length of the head if that is more. A frame below 128 KiB
    /// (8 KiB over HTTP/2) is copied and charged its length and 64 bytes. A longer frame is shared
    /// with the read buffer of its connection and charged twice its length.
    ///
    /// A frame is charged until the shadow's client has dropped it, and the head until the response
    /// begins. The whole charge ends when the copy ends. A copy that does not fit ends as
    /// `buffer_limit`. Connections to the shadow are not counted. Default: 16 MiB.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_buffered_bytes = bytes;
        self
    }

    /// The number of copies that may be in flight, from their admission to the end of the response.
    /// A further copy ends as `in_flight_limit`. Default: 128.
    pub fn max_in_flight(mut self, copies: usize) -> Self {
        self.limits.max_in_flight = copies;
        self
    }

    /// How far the shadow of a live copy may be behind, in bytes and in frames, before the copy is
    /// aborted and ends as `lagged`. It applies only to [`BodyMode::Streaming`]. A frame larger
    /// than the window never fits. Default: 1 MiB, 256 frames.
    pub fn lag_window(mut self, bytes: usize, frames: usize) -> Self {
        self.limits.lag_bytes = bytes;
        self.limits.lag_frames = frames;
        self
    }

    /// How long a copy waits for the body of its request.
    ///
    /// - In [`BodyMode::Buffered`] the time runs from the request's arrival to the end of the body.
    /// - In [`BodyMode::Streaming`] it runs from each frame that the primary reads to the next
    ///   frame or the end, so that an upload may take any time as long as its frames arrive. A live
    ///   copy is complete when all declared bytes have been read. It is not aborted if the end of
    ///   the body does not arrive.
    /// - [`BodyMode::HeadOnly`] does not wait for a body.
    ///
    /// The copy of a slower upload is not sent, or is aborted, and ends as `timed_out`. The upload
    /// itself is not disturbed. Default: 30 s.
    pub fn capture_timeout(mut self, timeout: Duration) -> Self {
        self.limits.capture_timeout = timeout;
        self
    }

    /// The time from the end of the request's body to the end of the shadow's response, including
    /// the time to obtain a connection. A longer exchange ends as `timed_out`. In
    /// [`BodyMode::Streaming`], a body also counts as ended when
    /// [`capture_timeout`](Self::capture_timeout) has passed after the last of its declared bytes.
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// The number of bytes that are received of the body of the shadow's response. The rest of a
    /// longer response is not received, and the copy ends as `completed_truncated`; over HTTP/1 its
    /// connection is closed. Default: 1 MiB.
    pub fn max_response_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_response_bytes = bytes;
        self
    }

    /// Configures the code that follows copies and responses. Each followed request is also sent to
    /// `partner`.
    #[cfg(feature = "compare")]
    pub(crate) fn follow(mut self, follow: Arc<dyn Follow>, partner: Option<AnyShadow>) -> Self {
        self.follow = Some(follow);
        self.partner = partner.map(|partner| partner.0);
        self
    }

    /// Whether the body of a copy is sent while it is captured.
    #[cfg(feature = "compare")]
    pub(crate) fn is_streaming(&self) -> bool {
        self.policy.body_mode == BodyMode::Streaming
    }

    /// The name of the mirror.
    #[cfg(feature = "compare")]
    pub(crate) fn mirror_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Creates the layer, and the state that all its services share.
    #[must_use]
    pub fn build(self) -> MirrorLayer {
        let Self {
            shadow,
            name,
            rate,
            policy,
            limits,
            follow,
            partner,
        } = self;
        policy.draw.settle();
        let policy = Arc::new(policy);
        let partner = partner.map(|partner| {
            let name = format!("{name}-baseline").into();
            let (policy, limits) = (Arc::clone(&policy), limits.clone());
            let shared = MirrorState::new(name, SampleRate::ALL, policy, limits);
            Arc::new(Partner::new(shared, partner))
        });
        let shared = MirrorState::new(name, rate, policy, limits);
        let mut admission = Admission::new(shared, shadow);
        (admission.follow, admission.partner) = (follow, partner);
        MirrorLayer::from_admission(admission)
    }
}
