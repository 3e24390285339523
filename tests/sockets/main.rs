//! Tests of the layers between real clients and real servers.

mod ends;
mod grpc;
mod receive;
mod shadows;
mod stream;
mod versions;
