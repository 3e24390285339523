//! Tests of the layer that reads a whole body before the service is called.

mod random;
mod service;
