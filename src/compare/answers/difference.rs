//! `Difference`: what differs between two answers, for a caller that has both of them.

use std::fmt;

use super::{
    answer::{Answer, End},
    comparer::{not_judged, pair},
    kind::Kind,
    names::{Names, named},
    reason::NotCompared,
    rules::Rules,
};

/// What differs between two answers at one path.
///
/// `Display` shows the path and the kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Difference {
    /// The normalised path: `*` is an element of an array, `{key}` a key that is an identifier.
    pub path: String,
    /// In which way the answers differ.
    pub kind: Kind,
    /// Whether [`RulesBuilder::expect`](super::RulesBuilder::expect) names the difference.
    pub is_expected: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind)
    }
}

/// What differs between two answers to the same request, in the order of their texts.
///
/// This is the comparison of one pair, with the names of all keys. The caller has both answers, so nothing
/// is hidden from it. [`Comparer`](super::Comparer) is for many requests, and hides names until they are frequent.
///
/// # Errors
///
/// [`NotCompared::Body`] if a body is a stream or encoded, [`NotCompared::PrimaryIncomplete`] if the first answer did not
/// arrive completely, and [`NotCompared::TooCostly`].
///
/// # Example
///
/// See [`Answer`].
pub fn differences(rules: &Rules, a: &Answer, b: &Answer) -> Result<Vec<Difference>, NotCompared> {
    if !matches!(a.end, End::Whole | End::Streaming) {
        return Err(NotCompared::PrimaryIncomplete);
    }
    if let Some(reason) = not_judged(a, b) {
        return Err(NotCompared::Body(reason));
    }
    let names = Names::new();
    let (found, _) = pair(a, b, rules, &names, None)?;
    let entries = found.into_entries();
    let differences = entries.iter().map(|entry| Difference {
        path: named(&entry.segments),
        kind: entry.kind,
        is_expected: entry.is_expected,
    });
    Ok(differences.collect())
}
