//! The mirror: what is copied, what comes of it, and what the primary notices of it (nothing).

mod bounds;
mod chain;
mod drain;
mod exchange;
mod fidelity;
mod fidelity_random;
mod head;
mod host;
mod isolation;
mod metrics;
mod outcomes;
mod panics;
mod said;
mod stacks;
mod start_line;
mod stream;
mod trace_context;
