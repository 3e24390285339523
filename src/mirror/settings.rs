//! What the user has configured for a mirror: its policies and its limits.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderName, HeaderValue, request};

use crate::{
    body::{BodyMode, LagWindow},
    marker::MARK,
    observe::Observer,
    request_head::RequestHead,
    rewrite::HostRewrite,
    sample::Draw,
};

pub(super) type FilterFn = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;
pub(super) type RouteLabelFn = dyn Fn(&RequestHead<'_>) -> Option<Arc<str>> + Send + Sync;
pub(super) type RewriteFn = dyn Fn(&mut request::Parts) + Send + Sync;
/// Copies one extension of the request, if it is there, into the copy.
pub(super) type CopyExtensionFn = fn(&Extensions, &mut Extensions);

/// How requests are chosen, copied and observed.
pub(super) struct MirrorPolicy {
    pub(super) draw: Draw,
    pub(super) filters: Vec<Box<FilterFn>>,
    pub(super) host_rewrite: HostRewrite,
    pub(super) copied_extensions: Vec<CopyExtensionFn>,
    pub(super) rewrites: Vec<Box<RewriteFn>>,
    pub(super) body_mode: BodyMode,
    /// The name of the header that marks copies. `None`: copies are not marked, and not recognised.
    pub(super) mark: Option<HeaderName>,
    pub(super) strip_inbound_mark: bool,
    pub(super) route_label: Option<Box<RouteLabelFn>>,
    pub(super) observers: Vec<Box<dyn Observer>>,
    /// Whether responses have a [`Mirroring`](super::Mirroring) among their extensions.
    pub(super) with_mirroring: bool,
}

impl Default for MirrorPolicy {
    fn default() -> Self {
        Self {
            draw: Draw::default(),
            filters: Vec::new(),
            host_rewrite: HostRewrite::default(),
            copied_extensions: Vec::new(),
            rewrites: Vec::new(),
            body_mode: BodyMode::default(),
            mark: Some(MARK.clone()),
            strip_inbound_mark: false,
            route_label: None,
            observers: Vec::new(),
            with_mirroring: false,
        }
    }
}

impl fmt::Debug for MirrorPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorPolicy")
            .field("draw", &self.draw)
            .field("filters", &self.filters.len())
            .field("host_rewrite", &self.host_rewrite)
            .field("copied_extensions", &self.copied_extensions.len())
            .field("rewrites", &self.rewrites.len())
            .field("body_mode", &self.body_mode)
            .field("mark", &self.mark)
            .field("strip_inbound_mark", &self.strip_inbound_mark)
            .field("route_label", &self.route_label.is_some())
            .field("observers", &self.observers.len())
            .field("with_mirroring", &self.with_mirroring)
            .finish()
    }
}

/// What the copies of one mirror may use. The builder documents the defaults.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) max_body_bytes: u64,
    pub(super) max_buffered_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) capture_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: u64,
    pub(super) lag_bytes: usize,
    pub(super) lag_frames: usize,
}

impl Limits {
    /// For a body that is relayed live, whose length is declared or not.
    pub(super) fn lag_window(&self, declared: Option<u64>) -> LagWindow {
        LagWindow {
            max_bytes: self.lag_bytes,
            max_frames: self.lag_frames,
            declared,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 2 << 20,
            max_buffered_bytes: 16 << 20,
            max_in_flight: 128,
            capture_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            max_response_bytes: 1 << 20,
            lag_bytes: 1 << 20,
            lag_frames: 256,
        }
    }
}

/// A mirror's name as the value of its mark. Characters that a header cannot contain become `_`.
pub(super) fn mark_value(name: &str) -> HeaderValue {
    let visible = |c: char| if matches!(c, ' '..='~') { c } else { '_' };
    let name: String = name.chars().map(visible).collect();
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("mirror"))
}
