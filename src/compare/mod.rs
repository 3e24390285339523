//! Is v2 right? Answers of the primary and the shadow side by side, and a verdict with an error rate that holds at every look.
//!
//! Three services answer the same request: the *primary* (what the client received), the *shadow* (v2), and a *baseline*
//! (a second v1). What differs between primary and shadow and also between primary and baseline is noise of the
//! request and is cancelled. A request where only the shadow differs counts against the shadow, and a request where only the baseline
//! differs counts against the baseline. If v2 behaves like v1, each of these requests is a toss of a fair coin.

mod answers;

pub use answers::{
    Answer, Compared, Comparer, Difference, InvalidRules, Json, Kind, NotCompared, NotJudged,
    PathId, Rules, RulesBuilder, UnknownKind, differences,
};
