//! The cases of other systems. Each has the name of its source and its number there. `docs/conformance.md` lists them
//! all, with what comes of them here and elsewhere.

mod envoy;
mod gateway;
mod ours;
mod split;
mod table;
