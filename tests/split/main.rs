//! Tests of the weighted split.

mod contract;
mod fallback;
mod handle;
mod keys;
mod policy;
mod together;
mod weights;
