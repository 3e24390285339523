//! Changes to the head of a copy: its `Host` ([`HostRewrite`]), and the rewrites.
//!
//! A rewrite is a closure `Fn(&mut request::Parts)` for
//! [`MirrorBuilder::rewrite`](crate::MirrorBuilder::rewrite). The functions of this module create
//! common rewrites.
//!
//! # Example
//!
//! ```
//! use tower_mirror::rewrite::HostRewrite;
//!
//! # fn main() -> Result<(), tower_mirror::rewrite::InvalidHost> {
//! let suffix = HostRewrite::default();
//! assert_eq!(suffix.apply("catalog:8000"), "catalog-shadow:8000");
//! assert_eq!(suffix.apply("[::1]:8000"), "[::1]:8000");
//!
//! let literal = HostRewrite::literal("catalog-v2.internal:8443")?;
//! assert_eq!(literal.apply("catalog:8000"), "catalog-v2.internal:8443");
//! # Ok(())
//! # }
//! ```
//!
//! Rewrites edit the headers of the copy, and never those of the request:
//!
//! ```
//! use http::{Request, header::AUTHORIZATION};
//! use tower_mirror::rewrite;
//!
//! let (mut copy, ()) = Request::get("/").header(AUTHORIZATION, "secret").body(()).unwrap().into_parts();
//! rewrite::remove_headers([AUTHORIZATION])(&mut copy);
//! assert!(copy.headers.is_empty());
//! ```
//!
//! For a shadow that is trusted less than the primary, [`strip_credentials`] removes the usual
//! headers with credentials, and [`keep_headers`] removes all headers except those that it names:
//!
//! ```
//! use http::{Request, header::ACCEPT};
//! use tower_mirror::rewrite;
//!
//! let request = Request::get("/").header("accept", "*/*").header("cookie", "a=1").header("x-own-secret", "b");
//! let (mut copy, ()) = request.body(()).unwrap().into_parts();
//!
//! rewrite::strip_credentials()(&mut copy);
//! assert!(!copy.headers.contains_key("cookie") && copy.headers.contains_key("x-own-secret"));
//!
//! rewrite::keep_headers([ACCEPT])(&mut copy);
//! assert_eq!(copy.headers.len(), 1);
//! ```
//!
//! A copy is part of the request's trace, unless [`new_trace`] replaces the trace or
//! [`remove_trace`] removes it.

mod credentials;
mod headers;
mod host;
mod trace;

pub use self::{
    credentials::strip_credentials,
    headers::{keep_headers, remove_headers, set_header},
    host::{HostRewrite, InvalidHost},
    trace::{new_trace, remove_trace},
};
