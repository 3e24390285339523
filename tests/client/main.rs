//! The client `HttpTarget` against servers on real sockets.

mod answered_early;
mod hop_by_hop;
mod http_target;
mod lookup;
mod neighbours;
mod response_head;
mod silent_peer;
