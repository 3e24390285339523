//! `MirrorStats`: a snapshot of the counters, also as a table.

use std::fmt;

use super::{Outcome, StatusClass};

/// A snapshot of what became of all requests that entered a mirror, over all its
/// clones and routes.
///
/// In every snapshot [`requests`](Self::requests) is the sum of all outcomes plus
/// [`in_flight`](Self::in_flight). No number is ever lower than in an earlier
/// snapshot, except `in_flight` and [`buffered_bytes`](Self::buffered_bytes).
///
/// Its `Display` is a table with a hint in each line. With the feature `serde` it implements `Serialize`: an object with
/// `requests`, `admitted`, `in_flight`, `buffered_bytes`, `observer_panics`, `outcomes` (each outcome by its name, zeros
/// included) and `statuses` (the class of the primary, then that of the shadow, without zeros).
///
/// # Example
///
/// ```
/// use tower_mirror::{HttpTarget, MirrorLayer, Outcome};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mirror = MirrorLayer::new(HttpTarget::new("http://127.0.0.1:9002")?);
/// let before = mirror.handle().stats();
/// // Requests are served.
/// let of_the_last_minute = mirror.handle().stats().since(&before);
/// if of_the_last_minute.outcome(Outcome::FailedConnect) > 0 {
///     println!("{of_the_last_minute}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MirrorStats {
    pub(super) skipped: [u64; Outcome::COUNT],
    pub(super) started: u64,
    pub(super) ended: [u64; Outcome::COUNT],
    pub(super) statuses: [[u64; StatusClass::COUNT]; StatusClass::COUNT],
    pub(super) in_flight: u64,
    pub(super) buffered_bytes: usize,
    pub(super) observer_panics: u64,
}

impl MirrorStats {
    /// Requests that entered the mirror.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.skipped.iter().sum::<u64>() + self.started
    }

    /// Requests that were admitted: copies that began, with any outcome.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.started
    }

    /// Copies admitted and not ended: capturing, waiting, sending, answering.
    ///
    /// Ends are read before starts, so while requests come and go this may exceed
    /// `max_in_flight` by those that came and went during the reading.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Bytes charged for the copies in flight.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Requests that ended in `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.skipped[outcome.index()] + self.ended[outcome.index()]
    }

    /// Every outcome with its count, zeros included, in a fixed order.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL
            .iter()
            .map(|&outcome| (outcome, self.outcome(outcome)))
    }

    /// Admitted requests of which both sides have ended, by status class: how many
    /// had a `primary` answer of the one class and a `shadow` answer of the other.
    /// `statuses(StatusClass::Success, StatusClass::ServerError)` is what to look
    /// at first.
    #[must_use]
    pub fn statuses(&self, primary: StatusClass, shadow: StatusClass) -> u64 {
        self.statuses[primary.index()][shadow.index()]
    }

    /// Panics of observers, caught.
    #[must_use]
    pub fn observer_panics(&self) -> u64 {
        self.observer_panics
    }

    /// What happened since an earlier snapshot of the same mirror: counts are differences. `in_flight` and
    /// `buffered_bytes` are those of the later snapshot. So the sum of the outcomes is not
    /// [`requests`](Self::requests) in general: a copy may begin before the earlier snapshot and end after it.
    #[must_use]
    pub fn since(&self, earlier: &MirrorStats) -> MirrorStats {
        let mut since = self.clone();
        subtract(&mut since.skipped, &earlier.skipped);
        subtract(&mut since.ended, &earlier.ended);
        for (row, earlier) in since.statuses.iter_mut().zip(&earlier.statuses) {
            subtract(row, earlier);
        }
        subtract(
            [&mut since.started, &mut since.observer_panics],
            &[earlier.started, earlier.observer_panics],
        );
        since
    }
}

fn subtract<'a>(counts: impl IntoIterator<Item = &'a mut u64>, earlier: &[u64]) {
    for (count, earlier) in counts.into_iter().zip(earlier) {
        *count = count.saturating_sub(*earlier);
    }
}

impl fmt::Display for MirrorStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests, {} copies in flight holding {} bytes",
            self.requests(),
            self.in_flight(),
            self.buffered_bytes()
        )?;
        for (outcome, count) in self.outcomes().filter(|(_, count)| *count > 0) {
            writeln!(f, "{count:>12}  {outcome:<20} {}", outcome.hint())?;
        }
        if self.observer_panics() > 0 {
            let count = self.observer_panics();
            writeln!(
                f,
                "{count:>12}  observer panics      a bug in your observer"
            )?;
        }
        self.write_statuses(f)
    }
}

impl MirrorStats {
    /// The classes that occur, primary down, shadow across.
    fn write_statuses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = || StatusClass::ALL.iter().copied();
        let occurs_above = |shadow| classes().any(|primary| self.statuses(primary, shadow) > 0);
        let occurs_beside = |primary| classes().any(|shadow| self.statuses(primary, shadow) > 0);
        let columns: Vec<_> = classes().filter(|shadow| occurs_above(*shadow)).collect();
        if columns.is_empty() {
            return Ok(());
        }
        write!(f, "{:>12}", "primary")?;
        for shadow in &columns {
            write!(f, "{:>14}", format!("shadow {shadow}"))?;
        }
        writeln!(f)?;
        for primary in classes().filter(|primary| occurs_beside(*primary)) {
            write!(f, "{primary:>12}")?;
            for &shadow in &columns {
                write!(f, "{:>14}", self.statuses(primary, shadow))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
