//! How the body of a request ends, over real sockets and with frames written by hand: the copy is exact, or it does not
//! count as one, and the outcome says whose doing that was.

mod broken;
mod cancelled;
mod client;
mod declared;
#[allow(dead_code)] // a part of it is for others
#[path = "../faults/frames.rs"]
mod frames;
mod marker;
mod offers;
mod primary;
mod rig;
mod server;
mod trailers;
