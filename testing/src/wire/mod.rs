//! Cases that test a mirroring proxy from outside. The proxy is between a client and a primary, and
//! mirrors to a shadow; the case controls all three. The proxy is given by its address, so that
//! each case can test any proxy.

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

/// Returns all cases, in the order in which they are reported.
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
