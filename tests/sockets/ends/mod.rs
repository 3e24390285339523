//! The ends of request bodies, over real sockets and with frames that the tests write: a copy is
//! exact or does not count as complete, and the outcome names the cause.

mod broken;
mod cancelled;
mod declared;
mod marker;
mod offers;
mod primary;
mod rig;
mod trailers;
