//! Sampling: which requests are taken. [`SampleRate`] says how many, [`Draw`] is the source of the
//! number that decides, [`Key`] keeps related requests together, and filters such as
//! [`safe_methods`] exclude requests.
//!
//! A filter is any closure `Fn(&RequestHead<'_>) -> bool`.
//!
//! # Example
//!
//! This samples all requests of ten per cent of the users:
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
//! // The decision on a user is always the same, here and on every other replica.
//! assert_eq!(rate.takes(draw.point(&head)), rate.takes(draw.point(&head)));
//! # Ok(())
//! # }
//! ```
//!
//! A filter restricts which requests may be copied at all:
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
pub(crate) use self::{draw::Drawn, filter::FilterFn, key::cookie};
