//! `Serialize` for outcomes, status classes and statistics.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{MirrorStats, Outcome, StatusClass};

/// Serializes the outcome as its [name](Outcome::as_str).
impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes the class as its [name](StatusClass::as_str).
impl Serialize for StatusClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for MirrorStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("MirrorStats", 7)?;
        fields.serialize_field("requests", &self.requests())?;
        fields.serialize_field("admitted", &self.admitted())?;
        fields.serialize_field("in_flight", &self.in_flight())?;
        fields.serialize_field("buffered_bytes", &self.buffered_bytes())?;
        fields.serialize_field("observer_panics", &self.observer_panics())?;
        fields.serialize_field("outcomes", &Outcomes(self))?;
        fields.serialize_field("statuses", &Statuses(self))?;
        fields.end()
    }
}

struct Outcomes<'a>(&'a MirrorStats);

impl Serialize for Outcomes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.outcomes())
    }
}

/// Serializes the primary's classes that occurred.
struct Statuses<'a>(&'a MirrorStats);

impl Serialize for Statuses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_map(None)?;
        for &primary in StatusClass::ALL {
            let row = StatusRow(self.0, primary);
            if row.counts().next().is_some() {
                rows.serialize_entry(&primary, &row)?;
            }
        }
        rows.end()
    }
}

/// Serializes the shadow's classes that occurred together with one class of the primary.
struct StatusRow<'a>(&'a MirrorStats, StatusClass);

impl StatusRow<'_> {
    fn counts(&self) -> impl Iterator<Item = (StatusClass, u64)> {
        let Self(stats, primary) = *self;
        let counts = StatusClass::ALL
            .iter()
            .map(move |&shadow| (shadow, stats.statuses(primary, shadow)));
        counts.filter(|(_, count)| *count > 0)
    }
}

impl Serialize for StatusRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.counts())
    }
}
