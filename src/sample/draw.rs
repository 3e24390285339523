//! `Draw`: the source of the number that is compared with a rate.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{Key, even::Even};
use crate::request_head::RequestHead;

/// The source of the uniformly distributed number that decides whether a request is taken.
///
/// | draw | use it |
/// |---|---|
/// | [`even`](Self::even) | by default: any window of requests contains its share |
/// | [`random`](Self::random) | if draws must be independent, for example for statistics |
/// | [`key`](Self::key) | to keep a user, a session or a trace together |
///
/// Clones share their state: a mirror in front of several routes draws from one counter.
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

/// A number and its origin. A decision by key must always be made with the number of the key.
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
    /// Takes requests evenly, in the order of their arrival. This is the default.
    ///
    /// The numbers come from one shared counter that starts at a random value and advances by an
    /// irrational step. In any window of N requests, the number of requests that are taken differs
    /// from its share by only a few. A change of the rate does not restart the counter. There is no
    /// aliasing with traffic that repeats with a period of up to 20 requests.
    ///
    /// Up to ten even draws that are in use in a process at the same time each have a different
    /// step, so that the decisions of two draws in one stack coincide as often as independent ones
    /// would. With more draws, some steps are shared. A draw takes its step when the first layer
    /// that uses it is built or the first point is drawn from it, and keeps this step until its
    /// last clone is dropped. So every layer counts, even at a rate of 0 or 100 %: a mirror and a
    /// split use an even draw by default, and a [keyed](Self::key) draw uses one for requests
    /// without the key. If layers of one stack have clones of the *same* draw, they share its
    /// counter and are not independent of each other. Give each layer a separate draw.
    #[must_use]
    pub fn even() -> Self {
        Self::from_even(Even::new())
    }

    /// Like [`even`](Self::even), but `seed` determines the start and the step. It is intended for
    /// tests that must not depend on chance. Seeds with different last decimal digits have
    /// different steps; seeds with the same last digit have the same step.
    #[must_use]
    pub fn even_seeded(seed: u64) -> Self {
        Self::from_even(Even::seeded(seed))
    }

    fn from_even(even: Even) -> Self {
        Self {
            source: DrawSource::Even(Arc::new(even)),
        }
    }

    /// Draws an independent random number for each request.
    #[must_use]
    pub fn random() -> Self {
        Self {
            source: DrawSource::Random,
        }
    }

    /// Decides by a hash of a part of the request, so that requests with the same key always have
    /// the same result, on every replica.
    ///
    /// A user who is in a 5 % sample is also in a 10 % sample. An even draw decides on requests
    /// without the key.
    #[must_use]
    pub fn key(key: Key) -> Self {
        Self {
            source: DrawSource::Key {
                key,
                without: Arc::new(Even::new()),
            },
        }
    }

    /// Returns these points one after another, and then starts again with the first. It is intended
    /// for tests. A point is a fraction of 2^64: `0` is taken by every rate except 0 %, `1 << 63`
    /// by rates above one half, and `u64::MAX` only by 100 %. An empty list does not compile.
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

    /// Draws the next point, a fraction of 2^64, for the request with this head.
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

    /// Must be called when the draw becomes part of a layer. The draw takes its step here, so that
    /// no request has to do this.
    pub(crate) fn settle(&self) {
        match &self.source {
            DrawSource::Even(even) | DrawSource::Key { without: even, .. } => {
                even.settle();
            }
            DrawSource::Random | DrawSource::Sequence(_) => {}
        }
    }

    /// Sets the salt of the key, unless the user has set one.
    pub(crate) fn default_salt(&mut self, salt: &str) {
        if let DrawSource::Key { key, .. } = &mut self.source {
            key.default_salt(salt);
        }
    }
}

impl Default for Draw {
    /// Returns [`Draw::even`].
    fn default() -> Self {
        Self::even()
    }
}
