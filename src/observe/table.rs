//! [`Stats`] as a person reads them.

use std::fmt;

use super::{Stats, StatusClass};

impl fmt::Display for Stats {
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

impl Stats {
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
