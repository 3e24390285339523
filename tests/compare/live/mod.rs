//! The comparison while it runs: three answers to one request, what the client sees, and what the report says.

mod blocks;
mod cases;
mod limits;
mod metrics;
mod privacy;
mod rig;
mod transcript;
mod verdicts;
