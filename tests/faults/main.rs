//! Faults over real sockets. Whatever a shadow's server does, byte for byte, and whatever clients do: the client's
//! transcript is that of a run without the layer, the outcome is the right one, and nothing is left.

mod cell;
mod front;
mod http1;
mod http2;
mod leaks;
mod pool;
mod shadow;
mod uploads;
