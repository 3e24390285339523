//! `MirrorStats`: a snapshot of the counters, which can be printed as a table.

use std::fmt;

use super::{Outcome, StatusClass};

/// A snapshot of the results of all requests that entered a mirror, over all its clones and routes.
///
/// In every snapshot, [`requests`](Self::requests) is the sum of all outcomes plus
/// [`in_flight`](Self::in_flight). A number is never lower than in an earlier snapshot, except
/// `in_flight` and [`buffered_bytes`](Self::buffered_bytes).
///
/// Its `Display` output is a table with a hint in each line. With the feature `serde` it implements
/// `Serialize`. The result is an object with `requests`, `admitted`, `in_flight`, `buffered_bytes`,
/// `observer_panics`, `outcomes` (each outcome by its name, zeros included) and `statuses` (the
/// class of the primary, then that of the shadow, without zeros).
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
    /// Returns the number of requests that entered the mirror.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.skipped.iter().sum::<u64>() + self.started
    }

    /// Returns the number of requests that were admitted. Their copies have begun, and may have any
    /// outcome.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.started
    }

    /// Returns the number of copies that were admitted and have not ended. Such a copy is
    /// capturing, waiting, sending, or receiving the answer.
    ///
    /// Ends are read before starts. Therefore, while requests arrive and end, this number may
    /// exceed `max_in_flight` by the number of copies that began and ended during the reading.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Returns the number of bytes that are charged for the copies in flight.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// Returns the number of requests that ended in `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.skipped[outcome.index()] + self.ended[outcome.index()]
    }

    /// Returns every outcome with its count, zeros included, in a fixed order.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL
            .iter()
            .map(|&outcome| (outcome, self.outcome(outcome)))
    }

    /// Returns the number of admitted requests that had a `primary` answer of the one class and a
    /// `shadow` answer of the other class. Both sides of these requests have ended. Look at
    /// `statuses(StatusClass::Success, StatusClass::ServerError)` first.
    #[must_use]
    pub fn statuses(&self, primary: StatusClass, shadow: StatusClass) -> u64 {
        self.statuses[primary.index()][shadow.index()]
    }

    /// Returns the number of panics of observers. They were caught.
    #[must_use]
    pub fn observer_panics(&self) -> u64 {
        self.observer_panics
    }

    /// Returns the difference from an earlier snapshot of the same mirror. Counts are differences;
    /// `in_flight` and `buffered_bytes` are those of the later snapshot. In general, the sum of the
    /// outcomes therefore differs from [`requests`](Self::requests), because a copy may begin
    /// before the earlier snapshot and end after it.
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
    /// Writes the classes that occurred: a line for each class of the primary, a column for each
    /// class of the shadow.
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
