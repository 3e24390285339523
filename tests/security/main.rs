//! What who controls requests, or the shadow, can make the mirror do. `SECURITY.md` is the list.

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code)] // a part of it
#[path = "../support/net.rs"]
mod net;

mod credentials;
mod document;
mod requests;
mod shown;
