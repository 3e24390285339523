//! How the body of a request ends, over real sockets and with frames written by hand: the copy is exact, or it does not
//! count as one, and the outcome says whose doing that was.

mod broken;
mod cancelled;
mod declared;
mod marker;
mod offers;
mod primary;
mod rig;
mod trailers;
