//! `MirrorPolicy` and `Limits`: the settings of a mirror that the user has configured.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderName, HeaderValue, request};

use crate::{
    body::{BodyMode, LagWindow},
    marker::MARK,
    observe::Observer,
    request_head::RequestHead,
    rewrite::HostRewrite,
    sample::{Draw, FilterFn},
};

pub(super) type RouteLabelFn = dyn Fn(&RequestHead<'_>) -> Option<Arc<str>> + Send + Sync;
pub(super) type RewriteFn = dyn Fn(&mut request::Parts) + Send + Sync;
/// Copies one extension of the request into the copy, if the request has it.
pub(super) type CopyExtensionFn = fn(&Extensions, &mut Extensions);

/// How requests are chosen, copied and observed.
pub(super) struct MirrorPolicy {
    pub(super) draw: Draw,
    pub(super) filters: Vec<Box<FilterFn>>,
    pub(super) host_rewrite: HostRewrite,
    pub(super) copied_extensions: Vec<CopyExtensionFn>,
    pub(super) rewrites: Vec<Box<RewriteFn>>,
    pub(super) body_mode: BodyMode,
    /// The name of the header that marks copies. `None` means that copies are neither marked nor
    /// recognised.
    pub(super) mark: Option<HeaderName>,
    pub(super) strip_inbound_mark: bool,
    pub(super) route_label: Option<Box<RouteLabelFn>>,
    pub(super) observers: Vec<Box<dyn Observer>>,
    /// Whether a [`Mirroring`](super::Mirroring) is inserted into the extensions of responses.
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

/// The limits for the copies of one mirror. The builder documents the defaults.
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
    /// Returns the window for a body that is relayed live. `declared` is the body's declared length
    /// in bytes, if it has one.
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

/// Makes the value of a mirror's mark from its name. Characters that a header cannot contain become
/// `_`.
pub(super) fn mark_value(name: &str) -> HeaderValue {
    let visible = |c: char| if matches!(c, ' '..='~') { c } else { '_' };
    let name: String = name.chars().map(visible).collect();
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("mirror"))
}
