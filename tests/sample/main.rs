//! Tests of the selection of requests: rates, draws and keys.

mod keys;
mod rates;
