//! Tests of the mirror: which requests are copied, the outcomes of copies, and that the primary is
//! not affected.

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
