//! The report as JSON, for tools.
//!
//! It is written by hand: strings, numbers and nesting are all that it needs, and a user of the comparison then gets no further dependency.

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use super::features::InCommon;
use super::report::{CompareReport, NoisyPath, PathReport, RouteReport};
use crate::compare::Verdict;

/// The version of the fields. It changes when a field is removed or changes its meaning.
const SCHEMA: &str = "tower-mirror/verdict/1";

impl CompareReport {
    /// The report as JSON, in the schema `tower-mirror/verdict/1`.
    ///
    /// `verdict` is `pass`, `fail` or `inconclusive`, and `compared` is the number of compared requests. `missing` is the number of requests
    /// that PASS still needs, or null. `since` is the time of the FAIL, or null. `n` is a short name of `compared`, and `v2_only` is one of
    /// `shadow_only`. Shares are from 0 to 1, evidence is in nats, times are in seconds, and points of time
    /// are seconds since 1970.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        // A string cannot fail.
        let _ = write_report(&mut text, self);
        text
    }
}

fn write_report(out: &mut String, report: &CompareReport) -> fmt::Result {
    let why = match &report.verdict {
        Verdict::Inconclusive { why, .. } => Some(why.to_string()),
        _ => None,
    };
    let mut json = Object::begin(out)?;
    json.field("schema", Value::Text(SCHEMA))?;
    json.field("mirror", Value::Text(&report.mirror))?;
    json.field("verdict", Value::Text(report.verdict.as_str()))?;
    json.field("inconclusive_because", Value::MaybeText(why.as_deref()))?;
    json.field("text", Value::Text(&report.one_line()))?;
    // When the FAIL was found.
    json.field("since", Value::Number(report.failed_at.and_then(unix)))?;
    json.field("began_at", Value::Number(unix(report.began_at)))?;
    let elapsed = report.elapsed.as_secs_f64();
    json.field("elapsed_seconds", Value::Number(Some(elapsed)))?;
    json.field("baseline", Value::Text(report.baseline.as_str()))?;
    json.field("warning", Value::MaybeText(report.baseline.warning()))?;
    json.object("tolerated", |tolerated| {
        let excess = report.accept.tolerated();
        tolerated.field("excess", Value::Number(Some(excess)))?;
        if let Some(limit) = report.accept.latency_limit() {
            tolerated.object("latency", |latency| {
                let quantile = limit.quantile().to_string();
                latency.field(&quantile, Value::Number(Some(limit.ratio())))
            })?;
        }
        Ok(())
    })?;
    let confidence = report.accept.level().get();
    json.field("confidence", Value::Number(Some(confidence)))?;
    json.field("compared", Value::Count(Some(report.compared)))?;
    json.field("warm_up", Value::Count(Some(report.warm_up)))?;
    json.field("open", Value::Count(Some(report.open)))?;
    json.field("missing", Value::Count(report.missing()))?;
    json.object("dropped", |dropped| {
        let mut reasons = report.not_compared.iter();
        reasons.try_for_each(|(reason, count)| {
            dropped.field(reason.as_str(), Value::Count(Some(*count)))
        })
    })?;
    json.list("routes", &report.routes, write_route)?;
    json.list("not_judged", &report.noisy_paths, write_noisy)?;
    json.end()
}

fn write_route(json: &mut Object<'_>, route: &RouteReport) -> fmt::Result {
    let counts = route.tally.requests();
    let blocks = route.tally.blocks();
    let interval = route.evidence.interval();
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
    json.field("route", Value::Text(&route.route))?;
    json.field("compared", Value::Count(Some(counts.compared())))?;
    // The short names of the schema for the same two numbers.
    json.field("n", Value::Count(Some(counts.compared())))?;
    json.field("v2_only", Value::Count(Some(counts.shadow_only())))?;
    json.field("shadow_only", Value::Count(Some(counts.shadow_only())))?;
    json.field("baseline_only", Value::Count(Some(counts.baseline_only())))?;
    json.field("both", Value::Count(Some(route.both)))?;
    json.field("expected", Value::Count(Some(route.expected)))?;
    json.field("not_judged", Value::Count(Some(route.not_judged)))?;
    json.field("excess", Value::Number(Some(interval.excess())))?;
    json.field("low", Value::Number(Some(interval.low())))?;
    json.field("high", Value::Number(Some(interval.high())))?;
    json.object("blocks", |json| {
        json.field("all", Value::Count(Some(blocks.compared())))?;
        json.field("shadow_only", Value::Count(Some(blocks.shadow_only())))?;
        json.field("baseline_only", Value::Count(Some(blocks.baseline_only())))
    })?;
    let capped = route.tally.baseline_capped();
    json.field("baseline_capped", Value::Count(Some(capped)))?;
    json.object("evidence", |json| {
        json.field("above", Value::Number(Some(route.evidence.ln_e_above())))?;
        json.field("below", Value::Number(Some(route.evidence.ln_e_below())))
    })?;
    json.object("p99_seconds", |json| {
        json.field("shadow", Value::Number(seconds(route.shadow_p99)))?;
        json.field("baseline", Value::Number(seconds(route.baseline_p99)))
    })?;
    json.list("in_common", &route.in_common, write_in_common)?;
    json.field("verdict", Value::Text(route.verdict()))?;
    json.field("missing", Value::Count(route.evidence.missing()))?;
    json.list("paths", &route.paths, write_path)
}

fn write_in_common(json: &mut Object<'_>, common: &InCommon) -> fmt::Result {
    json.field("name", Value::Text(&common.name))?;
    json.field("failing_with", Value::Count(Some(common.failing_with)))?;
    json.field("failing", Value::Count(Some(common.failing)))?;
    json.field("share_of_all", Value::Number(Some(common.share_of_all)))
}

fn write_path(json: &mut Object<'_>, path: &PathReport) -> fmt::Result {
    json.field("path", Value::Text(&path.path))?;
    json.field("kind", Value::Text(path.kind))?;
    json.field("v2_only", Value::Count(Some(path.shadow_only)))?;
    json.field("shadow_only", Value::Count(Some(path.shadow_only)))?;
    json.field("baseline_only", Value::Count(Some(path.baseline_only)))?;
    json.field("both", Value::Count(Some(path.both)))?;
    json.field("expected", Value::Count(Some(path.expected)))?;
    json.field("masked", Value::Bool(path.is_masked))
}

fn write_noisy(json: &mut Object<'_>, noisy: &NoisyPath) -> fmt::Result {
    json.field("route", Value::Text(&noisy.route))?;
    json.field("path", Value::Text(&noisy.path))?;
    json.field("kind", Value::Text(noisy.kind))?;
    json.field("share", Value::Number(Some(noisy.share)))?;
    json.field("masked", Value::Bool(noisy.is_masked))
}

fn unix(time: SystemTime) -> Option<f64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    // Milliseconds are enough.
    Some(since.as_millis() as f64 / 1e3)
}

enum Value<'v> {
    Text(&'v str),
    MaybeText(Option<&'v str>),
    Count(Option<u64>),
    /// JSON has no infinity, which becomes null.
    Number(Option<f64>),
    Bool(bool),
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut String) -> Result<Self, fmt::Error> {
        out.write_char('{')?;
        Ok(Self {
            out,
            is_empty: true,
        })
    }

    fn end(self) -> fmt::Result {
        self.out.write_char('}')
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.out.write_char(',')?;
        }
        write_text(self.out, name)?;
        self.out.write_char(':')
    }

    fn field(&mut self, name: &str, value: Value<'_>) -> fmt::Result {
        self.name(name)?;
        match value {
            Value::Text(text) | Value::MaybeText(Some(text)) => write_text(self.out, text),
            Value::Count(Some(count)) => write!(self.out, "{count}"),
            Value::Number(Some(number)) if number.is_finite() => write!(self.out, "{number}"),
            Value::Bool(is_true) => write!(self.out, "{is_true}"),
            Value::MaybeText(None) | Value::Count(None) | Value::Number(_) => {
                self.out.write_str("null")
            }
        }
    }

    fn object(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Object<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.name(name)?;
        let mut object = Object::begin(self.out)?;
        fill(&mut object)?;
        object.end()
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: &[T],
        fill: impl Fn(&mut Object<'_>, &T) -> fmt::Result,
    ) -> fmt::Result {
        self.name(name)?;
        self.out.write_char('[')?;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.write_char(',')?;
            }
            let mut object = Object::begin(self.out)?;
            fill(&mut object, item)?;
            object.end()?;
        }
        self.out.write_char(']')
    }
}

/// RFC 8259, section 7.
fn write_text(out: &mut String, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.write_char('\\')?;
                out.write_char(c)?;
            }
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}
