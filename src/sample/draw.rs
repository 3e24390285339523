//! `Draw`: the source of the number that is compared with a rate.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{Key, even::Even};
use crate::request_head::RequestHead;

/// The source of the uniform number that decides on a request.
///
/// | draw | use it |
/// |---|---|
/// | [`even`](Self::even) | by default: any window of requests holds its share |
/// | [`random`](Self::random) | where draws must be independent, as for statistics |
/// | [`key`](Self::key) | to keep a user, a session or a trace together |
///
/// Clones share their state: a mirror under several routes draws from one counter.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower_mirror::{RequestHead, sample::{Draw, SampleRate}};
///
/// let quarter = SampleRate::fraction(1, 4).unwrap();
/// let draw = Draw::even();
/// let request = Request::new(String::new());
/// let head = RequestHead::of(&request);
///
/// let taken = (0..1000).filter(|_| quarter.takes(draw.point(&head))).count();
/// assert!((245..=255).contains(&taken));
/// ```
#[derive(Clone, Debug)]
pub struct Draw {
    source: DrawSource,
}

#[derive(Clone, Debug)]
enum DrawSource {
    Even(Arc<Even>),
    Random,
    Key { key: Key, without: Arc<Even> },
    Sequence(Arc<Sequence>),
}

/// Where a number came from: what is keyed must stay with its key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drawn {
    Keyed(u64),
    Unkeyed(u64),
}

#[derive(Debug)]
struct Sequence {
    points: Box<[u64]>,
    turn: AtomicUsize,
}

impl Draw {
    /// Evenly spread over the requests as they come: the default.
    ///
    /// One shared counter that advances by an irrational step, from a random
    /// start. Any window of N requests is within a few of its share; changing
    /// the rate never starts it anew. Traffic that itself repeats with a period of
    /// up to 20 requests is not aliased.
    ///
    /// Up to ten even draws that are in use in a process at the same time have a step
    /// of their own each, so that two of them in one stack meet as often as independent
    /// draws would; with more of them, steps are shared. A draw takes its step when the
    /// first layer with it is built or the first point is drawn from it, and keeps it
    /// until its last clone is dropped. So every layer counts, whatever its rate: a mirror
    /// and a split have this draw by default, and a [keyed](Self::key) one falls back to
    /// it. Layers of one stack that are given clones of the *same* draw share its
    /// counter and are not independent of each other; each should get its own.
    #[must_use]
    pub fn even() -> Self {
        Self::from_even(Even::new())
    }

    /// As [`even`](Self::even), with start and step decided by `seed`: for
    /// tests that must not depend on chance. Seeds that differ in their last
    /// decimal digit have different steps, those that agree in it have the same.
    #[must_use]
    pub fn even_seeded(seed: u64) -> Self {
        Self::from_even(Even::seeded(seed))
    }

    fn from_even(even: Even) -> Self {
        Self {
            source: DrawSource::Even(Arc::new(even)),
        }
    }

    /// Independent at each request.
    #[must_use]
    pub fn random() -> Self {
        Self {
            source: DrawSource::Random,
        }
    }

    /// Decided by a hash of a part of the request, so that requests with the same key
    /// have the same result: on every replica, at every time.
    ///
    /// A user who is in a 5 % sample is also in a 10 % sample. A request without the key is decided by an
    /// even draw.
    #[must_use]
    pub fn key(key: Key) -> Self {
        Self {
            source: DrawSource::Key {
                key,
                without: Arc::new(Even::new()),
            },
        }
    }

    /// These points in turn, over and over: for tests. A point is a fraction of
    /// 2^64: `0` is taken by every rate but none, `1 << 63` by rates above one
    /// half, `u64::MAX` only by 100 %. An empty list does not compile.
    #[must_use]
    pub fn sequence<const N: usize>(points: [u64; N]) -> Self {
        const { assert!(N > 0, "a sequence of draws needs at least one point") };
        Self {
            source: DrawSource::Sequence(Arc::new(Sequence {
                points: Box::new(points),
                turn: AtomicUsize::new(0),
            })),
        }
    }

    /// The next point, a fraction of 2^64, for the request with this head.
    #[must_use]
    pub fn point(&self, head: &RequestHead<'_>) -> u64 {
        match self.draw(head) {
            Drawn::Keyed(hash) => hash,
            Drawn::Unkeyed(point) => point,
        }
    }

    pub(crate) fn draw(&self, head: &RequestHead<'_>) -> Drawn {
        let point = match &self.source {
            DrawSource::Even(even) => even.next(),
            DrawSource::Random => fastrand::u64(..),
            DrawSource::Key { key, without } => match key.hash(head) {
                Some(hash) => return Drawn::Keyed(hash),
                None => without.next(),
            },
            DrawSource::Sequence(sequence) => {
                let turn = sequence.turn.fetch_add(1, Relaxed);
                sequence.points[turn % sequence.points.len()]
            }
        };
        Drawn::Unkeyed(point)
    }

    /// It is part of a layer from now on: its step is taken here, off every request's path.
    pub(crate) fn settle(&self) {
        match &self.source {
            DrawSource::Even(even) | DrawSource::Key { without: even, .. } => {
                even.settle();
            }
            DrawSource::Random | DrawSource::Sequence(_) => {}
        }
    }

    /// For a key that was not given a salt of its own.
    pub(crate) fn default_salt(&mut self, salt: &str) {
        if let DrawSource::Key { key, .. } = &mut self.source {
            key.default_salt(salt);
        }
    }
}

impl Default for Draw {
    /// [`Draw::even`].
    fn default() -> Self {
        Self::even()
    }
}
