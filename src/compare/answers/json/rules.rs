//! The rules for JSON paths, as a tree that the walker descends together with the texts.

use super::{number::Tolerance, raw::Raw};

/// What a rule does at its path.
#[derive(Clone, Copy, Debug)]
pub(in crate::compare::answers) enum Action {
    Ignore,
    Shape,
    Unordered,
    Tolerance(Tolerance),
}

/// One step of a rule's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compare::answers) enum Pattern {
    Element,
    AnyKey,
    Key(Box<str>),
}

/// The rules at one path, and those below it.
#[derive(Clone, Debug, Default)]
pub(in crate::compare::answers) struct Node {
    pub(super) is_ignored: bool,
    pub(super) is_shape: bool,
    pub(super) is_unordered: bool,
    pub(super) tolerance: Option<Tolerance>,
    element: Option<Box<Node>>,
    any_key: Option<Box<Node>>,
    /// Sorted by key.
    keys: Vec<(Box<str>, Node)>,
}

impl Node {
    pub(in crate::compare::answers) fn add(&mut self, path: &[Pattern], action: Action) {
        let Some((step, rest)) = path.split_first() else {
            match action {
                Action::Ignore => self.is_ignored = true,
                Action::Shape => self.is_shape = true,
                Action::Unordered => self.is_unordered = true,
                Action::Tolerance(tolerance) => {
                    let own = self.tolerance.get_or_insert_default();
                    own.absolute = own.absolute.max(tolerance.absolute);
                    own.relative = own.relative.max(tolerance.relative);
                }
            }
            return;
        };
        let child = match step {
            Pattern::Element => self.element.get_or_insert_default(),
            Pattern::AnyKey => self.any_key.get_or_insert_default(),
            Pattern::Key(name) => {
                let found = self.keys.binary_search_by(|(key, _)| key.cmp(name));
                let at = found.unwrap_or_else(|at| {
                    self.keys.insert(at, (name.clone(), Self::default()));
                    at
                });
                &mut self.keys[at].1
            }
        };
        child.add(rest, action);
    }

    /// Copies the rules of `{key}` to the named keys beside it, so that the walker follows a single node.
    pub(in crate::compare::answers) fn spread(&mut self) {
        if let Some(any_key) = &self.any_key {
            for (_, named) in &mut self.keys {
                named.merge(any_key);
            }
        }
        let children = self.element.iter_mut().chain(&mut self.any_key);
        children.for_each(|child| child.spread());
        self.keys.iter_mut().for_each(|(_, child)| child.spread());
    }

    fn merge(&mut self, other: &Self) {
        self.is_ignored |= other.is_ignored;
        self.is_shape |= other.is_shape;
        self.is_unordered |= other.is_unordered;
        if let Some(tolerance) = other.tolerance {
            self.add(&[], Action::Tolerance(tolerance));
        }
        for (own, other) in [
            (&mut self.element, &other.element),
            (&mut self.any_key, &other.any_key),
        ] {
            if let Some(other) = other {
                own.get_or_insert_default().merge(other);
            }
        }
        for (name, other) in &other.keys {
            match self.keys.binary_search_by(|(key, _)| key.cmp(name)) {
                Ok(at) => self.keys[at].1.merge(other),
                Err(at) => self.keys.insert(at, (name.clone(), other.clone())),
            }
        }
    }

    pub(super) fn key(&self, key: Raw<'_>) -> Option<&Self> {
        if !self.keys.is_empty() {
            let name = key.decoded();
            let order = |(own, _): &(Box<str>, Self)| own.as_bytes().cmp(&name);
            if let Ok(at) = self.keys.binary_search_by(order) {
                return Some(&self.keys[at].1);
            }
        }
        self.any_key.as_deref()
    }

    pub(in crate::compare::answers) fn element(&self) -> Option<&Self> {
        self.element.as_deref()
    }
}
