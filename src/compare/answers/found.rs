//! The differences of one pair of answers, as a set of paths and kinds.

use std::collections::HashSet;

use super::{
    expected::Expected,
    kind::Kind,
    names::{Names, PathId},
    path::{Path, Segment, segments},
};

/// A pair of answers with more distinct differences than this has the difference `:other` in addition.
const MOST_ENTRIES: usize = 1024;

/// The differences of one pair, in the order in which they were found.
pub(super) struct Found<'n> {
    names: &'n Names,
    expected: &'n [Expected],
    entries: Vec<Entry>,
    index: HashSet<(PathId, Kind, bool)>,
    reports: u64,
    /// Some part of the two bodies is equal, so it could have shown a difference.
    has_equal: bool,
}

/// What was found until a moment.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    entries: usize,
    has_equal: bool,
}

/// One path with one kind of difference. It has no value of any answer.
pub(super) struct Entry {
    pub(super) id: PathId,
    pub(super) kind: Kind,
    pub(super) is_expected: bool,
    pub(super) segments: Box<[Segment]>,
}

impl<'n> Found<'n> {
    pub(super) fn new(names: &'n Names, expected: &'n [Expected]) -> Self {
        Self {
            names,
            expected,
            entries: Vec::new(),
            index: HashSet::new(),
            reports: 0,
            has_equal: false,
        }
    }

    pub(super) fn report(&mut self, path: &Path<'_>, kind: Kind) {
        self.reports += 1;
        let id = PathId(self.names.id(path));
        let is_expected = self.expected.iter().any(|e| e.is(path, kind));
        let is_last =
            |last: &Entry| (last.id, last.kind, last.is_expected) == (id, kind, is_expected);
        if self.entries.last().is_some_and(is_last) || self.index.contains(&(id, kind, is_expected))
        {
            return;
        }
        let entry = if self.entries.len() < MOST_ENTRIES {
            Entry {
                id,
                kind,
                is_expected,
                segments: segments(path),
            }
        } else {
            Entry {
                id: PathId::OTHER,
                kind: Kind::Value,
                is_expected: false,
                segments: Box::new([Segment::Fixed(":other")]),
            }
        };
        if self.index.insert((entry.id, entry.kind, entry.is_expected)) {
            self.entries.push(entry);
        }
    }

    /// Grows with every report, also when the set has the difference already.
    pub(super) const fn reports(&self) -> u64 {
        self.reports
    }

    /// A value, a message or a part is equal in both answers. Not for what the rules ignore.
    pub(super) const fn equal(&mut self) {
        self.has_equal = true;
    }

    /// Whether the bodies differ and no part of them is equal, where the mark is that before the bodies. A wanted difference is not
    /// counted.
    pub(super) fn is_blind(&self, mark: Mark) -> bool {
        let mut of_bodies = self.entries.iter().skip(mark.entries);
        !self.has_equal && of_bodies.any(|entry| !entry.is_expected)
    }

    /// For [`take_back`](Self::take_back).
    pub(super) fn mark(&self) -> Mark {
        Mark {
            entries: self.entries.len(),
            has_equal: self.has_equal,
        }
    }

    /// Removes what was found first after the mark.
    pub(super) fn take_back(&mut self, mark: Mark) {
        self.has_equal = mark.has_equal;
        for entry in self.entries.drain(mark.entries.min(self.entries.len())..) {
            self.index
                .remove(&(entry.id, entry.kind, entry.is_expected));
        }
    }

    pub(super) const fn names(&self) -> &'n Names {
        self.names
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}
