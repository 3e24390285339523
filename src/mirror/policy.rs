//! What the user decided: plain data plus closures.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderName};

use crate::{
    body::BodyMode,
    head::RequestHead,
    mark::MARK,
    observe::Observer,
    rewrite::{HostRewrite, Rewrite},
    sample::{Draw, Filter},
};

pub(super) type RouteLabel = dyn Fn(&RequestHead<'_>) -> Option<Arc<str>> + Send + Sync;
pub(super) type Carry = fn(&Extensions, &mut Extensions);

pub(super) struct Policy {
    pub(super) draw: Draw,
    pub(super) filters: Vec<Box<dyn Filter>>,
    pub(super) host: HostRewrite,
    pub(super) carries: Vec<Carry>,
    pub(super) rewrites: Vec<Box<dyn Rewrite>>,
    pub(super) body: BodyMode,
    /// `None`: copies are not marked, and not recognised.
    pub(super) mark: Option<HeaderName>,
    pub(super) strip_inbound_mark: bool,
    pub(super) route: Option<Box<RouteLabel>>,
    pub(super) observers: Vec<Box<dyn Observer>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            draw: Draw::default(),
            filters: Vec::new(),
            host: HostRewrite::default(),
            carries: Vec::new(),
            rewrites: Vec::new(),
            body: BodyMode::default(),
            mark: Some(MARK.clone()),
            strip_inbound_mark: false,
            route: None,
            observers: Vec::new(),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("draw", &self.draw)
            .field("filters", &self.filters.len())
            .field("host", &self.host)
            .field("carries", &self.carries.len())
            .field("rewrites", &self.rewrites.len())
            .field("body", &self.body)
            .field("mark", &self.mark)
            .field("strip_inbound_mark", &self.strip_inbound_mark)
            .field("route", &self.route.is_some())
            .field("observers", &self.observers.len())
            .finish()
    }
}
