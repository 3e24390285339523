//! What differs between two answers: heads, bodies by their content type, and names that a report may show.

mod answer;
mod body;
mod comparer;
mod difference;
mod expected;
mod found;
mod head;
mod invalid;
mod json;
mod kind;
mod names;
mod path;
mod reason;
mod rules;

pub use answer::Answer;
pub use comparer::{Compared, Comparer};
pub use difference::{Difference, differences};
pub use invalid::InvalidRules;
pub use kind::{Kind, UnknownKind};
pub use names::PathId;
pub use reason::{NotCompared, NotJudged};
pub use rules::{Json, Rules, RulesBuilder};
