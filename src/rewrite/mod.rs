//! What differs on the copy: its `Host` ([`HostRewrite`]) and its headers ([`Rewrite`]).
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

mod headers;
mod host;

pub use self::{
    headers::{RemoveHeaders, Rewrite, SetHeader, remove_headers, set_header},
    host::{HostRewrite, InvalidHost},
};
