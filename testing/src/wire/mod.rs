//! Cases that show on the wire: a proxy stands between a client and a primary, mirrors to a shadow, and all three
//! ends are in the hands of the case. The proxy itself is a URL, so that each case can be put to any.

#[macro_use]
mod case;
mod bench;
mod client;
mod http1;
mod upstream;

mod answers;
mod bodies;
mod connections;
mod heads;
mod isolation;
mod refusals;
mod shares;
mod uploads;

pub use self::{
    bench::{Bench, Settled},
    case::{Case, Setting, Verdict},
    upstream::Upstream,
};

/// Every case, in the order in which it is reported.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let files = [
        heads::CASES,
        bodies::CASES,
        uploads::CASES,
        answers::CASES,
        isolation::CASES,
        connections::CASES,
        refusals::CASES,
        shares::CASES,
    ];
    files.into_iter().flatten()
}
