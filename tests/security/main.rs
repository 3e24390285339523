//! What who controls requests, or the shadow, can make the mirror do. `SECURITY.md` is the list.

mod credentials;
mod document;
mod requests;
mod shown;
