//! Comparison of answers through the public API: evidence, verdicts, and what differs between two answers.

mod answers;
mod golden;
mod live;
mod masks;
mod rates;
mod tallies;
mod types;
mod verdicts;
