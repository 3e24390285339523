//! What differs on the copy: its `Host` ([`HostRewrite`]), its headers ([`Rewrite`]), and, if told
//! so, its trace ([`TraceContext`]).
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
//! Headers, on the copy alone:
//!
//! ```
//! use http::{Request, header::AUTHORIZATION};
//! use tower_mirror::rewrite::{self, Rewrite};
//!
//! let (mut copy, ()) = Request::get("/").header(AUTHORIZATION, "secret").body(()).unwrap().into_parts();
//! rewrite::remove_headers([AUTHORIZATION]).rewrite(&mut copy);
//! assert!(copy.headers.is_empty());
//! ```
//!
//! For a shadow that is trusted less than the primary, [`strip_credentials`] removes what usually
//! carries them, and [`only`] all but what it is given:
//!
//! ```
//! use http::{Request, header::ACCEPT};
//! use tower_mirror::rewrite::{self, Rewrite};
//!
//! let request = Request::get("/").header("accept", "*/*").header("cookie", "a=1").header("x-own-secret", "b");
//! let (mut copy, ()) = request.body(()).unwrap().into_parts();
//!
//! rewrite::strip_credentials().rewrite(&mut copy);
//! assert!(!copy.headers.contains_key("cookie") && copy.headers.contains_key("x-own-secret"));
//!
//! rewrite::only([ACCEPT]).rewrite(&mut copy);
//! assert_eq!(copy.headers.len(), 1);
//! ```
//!
//! A copy keeps the request's trace, unless told otherwise:
//!
//! ```
//! use http::Request;
//! use tower_mirror::rewrite::{Rewrite, TraceContext};
//!
//! let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
//! let (mut copy, ()) = Request::get("/").header("traceparent", parent).body(()).unwrap().into_parts();
//!
//! TraceContext::Keep.rewrite(&mut copy);
//! assert_eq!(copy.headers["traceparent"], parent);
//! TraceContext::New.rewrite(&mut copy);
//! assert_ne!(copy.headers["traceparent"], parent);
//! TraceContext::Drop.rewrite(&mut copy);
//! assert!(copy.headers.is_empty());
//! ```

mod credentials;
mod headers;
mod host;
mod trace;

pub use self::{
    credentials::{OnlyHeaders, only, strip_credentials},
    headers::{RemoveHeaders, Rewrite, SetHeader, remove_headers, set_header},
    host::{HostRewrite, InvalidHost},
    trace::TraceContext,
};
