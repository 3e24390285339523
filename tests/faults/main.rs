//! Faults over real sockets. Whatever a shadow's server does, byte for byte, and whatever clients do: the client's
//! transcript is that of a run without the layer, the outcome is the right one, and nothing is left.

mod cell;
mod frames;
mod front;
mod http1;
mod http2;
mod leaks;
#[allow(dead_code)] // a part of it is for others
#[path = "../support/net.rs"]
mod net;
mod pool;
mod shadow;
mod uploads;
