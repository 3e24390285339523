//! The table of names: which keys a report may show, and which objects are maps from identifiers to values.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use siphasher::sip::SipHasher13;

use super::{
    found::Entry,
    path::{Path, Segment, Step, escaped, is_name},
};

/// A key is shown once it was seen in so many requests.
const SHOWN_FROM: u8 = 5;
/// An object with more different keys than this is a map, and its keys are counted together.
const MOST_KEYS: u16 = 64;
/// Above so many nodes, new keys are counted as `{key}`.
const MOST_NODES: usize = 4096;
/// The hard limit, elements and `{key}` included. What does not fit is counted as `:other`.
const NODE_LIMIT: usize = 2 * MOST_NODES;

const OTHER: u64 = u64::MAX;
const BODY: u64 = 0;

/// Identifies a path within one [`Comparer`](super::Comparer), also before its names may be shown.
///
/// It is a hash with a random key, which `Debug` does not show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub(super) u64);

impl PathId {
    /// All paths that did not fit into a limit.
    pub(super) const OTHER: Self = Self(OTHER);
}

impl fmt::Debug for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathId(..)")
    }
}

/// What is kept of the paths that differed.
pub(super) struct Names {
    key: (u64, u64),
    nodes: HashMap<u64, Node>,
    /// Counts the requests, so that a request counts once for each key.
    request: u64,
}

struct Node {
    parent: u64,
    shown: Shown,
    /// Requests with this node, up to `SHOWN_FROM`.
    seen: u8,
    counted_in: u64,
    /// Different keys below this node.
    keys: u16,
}

enum Shown {
    Fixed(&'static str),
    Listed(Box<str>),
    Element,
    AnyKey,
    /// A key that has been seen in too few requests. Its text is not kept.
    Unnamed,
    Named(Box<str>),
}

impl Names {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let body = Node::new(BODY, Shown::Fixed(":body"));
        Self {
            key: (random.hash_one(1), random.hash_one(2)),
            nodes: HashMap::from([(BODY, body)]),
            request: 0,
        }
    }

    pub(super) fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.key.0, self.key.1)
    }

    /// The identity of a path, as it is at this moment. It changes only in [`record`](Self::record), when no path exists.
    pub(super) fn id(&self, path: &Path<'_>) -> u64 {
        if let Some(id) = path.id.get() {
            return id;
        }
        let id = self.new_id(path);
        path.id.set(Some(id));
        id
    }

    fn new_id(&self, path: &Path<'_>) -> u64 {
        let parent = path.parent.map_or(BODY, |parent| self.id(parent));
        match path.step {
            Step::Body => BODY,
            Step::Fixed(name) => self.child(parent, 1, name.as_bytes()),
            Step::Listed(name) => self.child(parent, 2, name.as_bytes()),
            Step::Element => self.child(parent, 3, b""),
            Step::Key(raw) => match raw.name() {
                Some(name) => self.key_id(parent, &name),
                None => self.any_key(parent),
            },
            Step::Name(name) => self.key_id(parent, name),
        }
    }

    /// The identity of a key. Above a limit, the new keys of an object are counted together.
    fn key_id(&self, parent: u64, name: &str) -> u64 {
        if !is_name(name) {
            return self.any_key(parent);
        }
        let own = self.child(parent, 4, name.as_bytes());
        let is_map = |node: &Node| node.keys >= MOST_KEYS;
        let is_full = self.nodes.len() >= MOST_NODES || self.nodes.get(&parent).is_some_and(is_map);
        if is_full && !self.nodes.contains_key(&own) {
            return self.any_key(parent);
        }
        own
    }

    fn any_key(&self, parent: u64) -> u64 {
        self.child(parent, 5, b"")
    }

    fn child(&self, parent: u64, tag: u8, name: &[u8]) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u64(parent);
        hasher.write_u8(tag);
        hasher.write(name);
        // Two values have a meaning of their own.
        hasher.finish().clamp(BODY + 1, OTHER - 1)
    }

    /// Counts the paths of one request, and returns those that are counted under another identity, because a limit
    /// was reached: `(found as, counted as)`.
    ///
    /// The entries of the shadow and of the baseline are counted in the order of their random hashes, so that a limit
    /// does not treat one of them better than the other.
    pub(super) fn record(&mut self, mut entries: Vec<&Entry>) -> Vec<(PathId, PathId)> {
        self.request += 1;
        entries.sort_unstable_by_key(|entry| entry.id);
        let mut moved = Vec::new();
        for entry in entries {
            let count = |at, segment| self.count(at, segment);
            let counted = entry.segments.iter().try_fold(BODY, count);
            let counted = counted.map_or(PathId::OTHER, PathId);
            if counted != entry.id {
                moved.push((entry.id, counted));
            }
        }
        moved
    }

    /// Counts a step below a node, and returns the node of the step. `None`: the table is full.
    fn count(&mut self, parent: u64, segment: &Segment) -> Option<u64> {
        let id = match segment {
            Segment::Fixed(name) => self.child(parent, 1, name.as_bytes()),
            Segment::Listed(name) => self.child(parent, 2, name.as_bytes()),
            Segment::Element => self.child(parent, 3, b""),
            Segment::AnyKey => self.any_key(parent),
            Segment::Key(name) => self.key_id(parent, name),
        };
        if !self.nodes.contains_key(&id) {
            if self.nodes.len() >= NODE_LIMIT {
                return None;
            }
            let (shown, is_key) = match segment {
                Segment::Fixed(name) => (Shown::Fixed(name), false),
                Segment::Listed(name) => (Shown::Listed(name.clone()), false),
                Segment::Element => (Shown::Element, false),
                Segment::Key(_) if id != self.any_key(parent) => (Shown::Unnamed, true),
                Segment::Key(_) | Segment::AnyKey => (Shown::AnyKey, false),
            };
            self.nodes.insert(id, Node::new(parent, shown));
            if let Some(node) = self.nodes.get_mut(&parent).filter(|_| is_key) {
                node.keys = node.keys.saturating_add(1);
            }
        }
        let node = self.nodes.get_mut(&id)?;
        if node.counted_in != self.request {
            node.counted_in = self.request;
            node.seen = node.seen.saturating_add(1).min(SHOWN_FROM);
        }
        if let (Segment::Key(name), Shown::Unnamed) = (segment, &node.shown) {
            if node.seen >= SHOWN_FROM {
                node.shown = Shown::Named(name.clone());
            }
        }
        Some(id)
    }

    /// The path as a report shows it.
    pub(super) fn path(&self, id: PathId) -> String {
        if id.0 == BODY {
            return ":body".into();
        }
        let (mut at, mut steps) = (id.0, Vec::new());
        while at != BODY {
            let Some(node) = self.nodes.get(&at) else {
                return ":other".into();
            };
            steps.push(match &node.shown {
                Shown::Fixed(name) => Cow::Borrowed(*name),
                Shown::Listed(name) => Cow::Borrowed(&**name),
                Shown::Element => "*".into(),
                Shown::AnyKey | Shown::Unnamed => "{key}".into(),
                Shown::Named(name) => escaped(name),
            });
            at = node.parent;
        }
        joined(steps.into_iter().rev())
    }
}

impl Node {
    const fn new(parent: u64, shown: Shown) -> Self {
        Self {
            parent,
            shown,
            seen: 0,
            counted_in: 0,
            keys: 0,
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Names");
        debug
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// A path with every name, for the caller that has both answers.
pub(super) fn named(segments: &[Segment]) -> String {
    if segments.is_empty() {
        return ":body".into();
    }
    joined(segments.iter().map(|segment| match segment {
        Segment::Fixed(name) => Cow::Borrowed(*name),
        Segment::Listed(name) => Cow::Borrowed(&**name),
        Segment::Element => "*".into(),
        Segment::AnyKey => "{key}".into(),
        Segment::Key(name) => escaped(name),
    }))
}

/// A path begins with `:` where the place has a name of its own, and with `/` elsewhere. [`is_name`] excludes keys with a first `:`.
fn joined<'s>(steps: impl Iterator<Item = Cow<'s, str>>) -> String {
    let mut path = String::new();
    for step in steps {
        if !(path.is_empty() && step.starts_with(':')) {
            path.push('/');
        }
        path.push_str(&step);
    }
    path
}
