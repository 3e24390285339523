//! Faults of shadows and of clients, over real sockets. The client's transcript is the same as
//! without the layer, the outcome is correct, and no resource remains.

mod cell;
mod front;
mod http1;
mod http2;
mod leaks;
mod pool;
mod shadow;
mod uploads;
