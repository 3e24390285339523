//! Which requests are taken: how many ([`SampleRate`]), by which number ([`Draw`]), by what they
//! have in common ([`Key`]), and out of which requests (filters such as [`safe_methods`]).
//!
//! A filter is any closure `Fn(&RequestHead<'_>) -> bool`.
//!
//! # Example
//!
//! All requests of ten per cent of the users:
//!
//! ```
//! use http::Request;
//! use tower_mirror::{RequestHead, sample::{Draw, Key, SampleRate}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rate = SampleRate::percent(10.0)?;
//! let draw = Draw::key(Key::cookie("uid").or(Key::header("x-user")));
//!
//! let request = Request::get("/").header("cookie", "uid=ada").body(String::new())?;
//! let head = RequestHead::of(&request);
//! // A user's answer never changes, here or on any other replica.
//! assert_eq!(rate.takes(draw.point(&head)), rate.takes(draw.point(&head)));
//! # Ok(())
//! # }
//! ```
//!
//! Only some requests may be copied at all:
//!
//! ```
//! use http::{Method, Request};
//! use tower_mirror::{RequestHead, sample};
//!
//! let reads = sample::safe_methods();
//! let request = Request::delete("/items/7").body(String::new()).unwrap();
//! assert!(!reads(&RequestHead::of(&request)));
//! ```

mod draw;
mod even;
mod filter;
mod key;
mod rate;

pub use self::{
    draw::Draw,
    filter::{methods, paths, safe_methods, skip_paths},
    key::Key,
    rate::{InvalidRate, SampleRate},
};
pub(crate) use self::{draw::Drawn, key::cookie};
