//! Tests for the threats in `SECURITY.md`: attackers who control requests, or the shadow.

mod credentials;
mod document;
mod requests;
mod shown;
