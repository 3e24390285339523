//! The report as text, for people.

use std::{
    fmt::{self, Display, Formatter},
    time::{Duration, SystemTime},
};

use super::report::{CompareReport, PathReport, RouteReport};
use crate::compare::Verdict;

/// Paths that are listed of one route.
const MOST_PATHS: usize = 10;
/// The method of the rules for a difference that is wanted.
const EXPECT: &str = ".expect";
/// Names that are listed of one route.
const MOST_IN_COMMON: usize = 3;
/// Noisy paths that are listed of all routes.
const MOST_NOISY: usize = 20;

impl Display for CompareReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, {}, this replica: {}",
            self.mirror,
            Time(self.elapsed),
            self.verdict
        )?;
        if let Some(failed_at) = self.failed_at {
            let ago = SystemTime::now().duration_since(failed_at);
            let ago = ago.unwrap_or_default();
            writeln!(
                f,
                "failed {} ago; a FAIL remains until the reset",
                Time(ago)
            )?;
        }
        if let Some(warning) = self.baseline.warning() {
            writeln!(f, "note: {warning}")?;
        }
        self.totals(f)?;
        if self.routes.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        self.table(f)?;
        for route in &self.routes {
            why(f, route)?;
        }
        self.noisy(f)
    }
}

impl CompareReport {
    fn totals(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "requests: {} compared", Number(self.compared))?;
        if self.warm_up > 0 {
            write!(f, ", {} in the warm-up", Number(self.warm_up))?;
        }
        for (reason, count) in &self.not_compared {
            write!(f, ", {} {reason}", Number(*count))?;
        }
        if self.open > 0 {
            write!(f, ", {} under way", Number(self.open))?;
        }
        writeln!(f)
    }

    fn table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self.routes.iter().map(|route| route.route.chars().count());
        let width = width.max().unwrap_or_default().max("route".len());
        let confidence = self.accept.level().get() * 100.0;
        let excess = format!("excess, at any time {confidence} %");
        writeln!(
            f,
            "{:width$}  {:>10}  {:>11}  {:>13}  {:>8}  {excess:<28}  {:<20}  verdict",
            "route", "compared", "shadow only", "baseline only", "both", "p99 baseline/shadow",
        )?;
        for route in &self.routes {
            let counts = route.tally.requests();
            let interval = route.evidence.interval().to_string();
            let p99 = [route.baseline_p99, route.shadow_p99];
            let p99 = p99.map(|p99| p99.map_or("-".into(), |p99| Time(p99).to_string()));
            writeln!(
                f,
                "{:width$}  {:>10}  {:>11}  {:>13}  {:>8}  {interval:<28}  {:<20}  {}",
                route.route,
                Number(counts.compared()).to_string(),
                Number(counts.shadow_only()).to_string(),
                Number(counts.baseline_only()).to_string(),
                Number(route.both).to_string(),
                p99.join(" / "),
                self.of_route(route),
            )?;
        }
        Ok(())
    }

    fn of_route(&self, route: &RouteReport) -> String {
        let evidence = &route.evidence;
        let blocks = route.tally.blocks();
        if evidence.is_fail() {
            let tolerated = self.accept.tolerated() * 100.0;
            return format!(
                "FAIL (tolerated {tolerated} %; {} of {} blocks)",
                blocks.shadow_only(),
                blocks.compared()
            );
        }
        if evidence.is_pass() {
            return "pass".into();
        }
        let compared = route.tally.requests().compared();
        match evidence.missing() {
            Some(missing) if missing > 0 => {
                let time = self.time_for(missing, compared);
                let time = time.map(|time| format!(", about {} at this rate", Time(time)));
                format!("{} to go{}", Number(missing), time.unwrap_or_default())
            }
            _ if route.not_judged == compared && compared > 0 => "nothing left to judge".into(),
            _ => "undecided".into(),
        }
    }

    fn noisy(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let blind = self.routes.iter().filter(|route| route.not_judged > 0);
        for route in blind {
            let compared = route.tally.requests().compared();
            let (not_judged, compared) = (Number(route.not_judged), Number(compared));
            let route = &route.route;
            writeln!(
                f,
                "\nnot judged: the bodies of {not_judged} of {compared} requests of {route}"
            )?;
        }
        if self.noisy_paths.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nnot judged, because v1 differs from itself:")?;
        for noisy in self.noisy_paths.iter().take(MOST_NOISY) {
            writeln!(
                f,
                "  {} {} {}, in {:.1} % of the requests{}",
                noisy.route,
                noisy.path,
                noisy.kind,
                noisy.share * 100.0,
                if noisy.is_masked { " (masked)" } else { "" }
            )?;
        }
        more(f, self.noisy_paths.len(), MOST_NOISY)
    }
}

/// The paths of a route that differ.
fn why(f: &mut Formatter<'_>, route: &RouteReport) -> fmt::Result {
    let differs = |path: &&PathReport| path.shadow_only + path.expected > 0;
    let paths: Vec<_> = route.paths.iter().filter(differs).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let width = paths.iter().map(|path| path.path.len() + path.kind.len());
    let width = width.max().unwrap_or_default() + 1;
    writeln!(f, "\nwhere the shadow differs in {}:", route.route)?;
    for path in paths.iter().take(MOST_PATHS) {
        let place = format!("{} {}", path.path, path.kind);
        write!(
            f,
            "  {place:width$}  shadow only {}, baseline only {}",
            Number(path.shadow_only),
            Number(path.baseline_only)
        )?;
        writeln!(f, "{}", remark(path))?;
    }
    more(f, paths.len(), MOST_PATHS)?;
    let in_common = route.in_common.iter().take(MOST_IN_COMMON);
    let in_common: Vec<_> = in_common.map(ToString::to_string).collect();
    if in_common.is_empty() {
        return Ok(());
    }
    let listed = in_common.join(", ");
    writeln!(f, "  these requests have in common: {listed}")
}

fn remark(path: &PathReport) -> String {
    match () {
        () if path.expected > 0 => format!("  {} expected", Number(path.expected)),
        () if path.is_masked => "  masked: noisy in v1 too".into(),
        () if path.baseline_only >= path.shadow_only => "  as noisy in v1".into(),
        () => format!(
            "  wanted? {EXPECT}({:?}, {})",
            path.path,
            variant(path.kind)
        ),
    }
}

/// The kind as Rust code.
fn variant(kind: &str) -> String {
    let upper = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    format!("Kind::{}", kind.split('_').map(upper).collect::<String>())
}

fn more(f: &mut Formatter<'_>, all: usize, shown: usize) -> fmt::Result {
    match all.checked_sub(shown) {
        Some(more) if more > 0 => writeln!(f, "  and {more} more"),
        _ => Ok(()),
    }
}

/// With a space after each thousand.
struct Number(u64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A duration in one unit.
struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            0.0..0.001 => write!(f, "{:.0} µs", seconds * 1e6),
            0.001..1.0 => write!(f, "{:.0} ms", seconds * 1e3),
            1.0..120.0 => write!(f, "{seconds:.0} s"),
            120.0..7200.0 => write!(f, "{:.0} min", seconds / 60.0),
            _ => write!(f, "{:.0} h", seconds / 3600.0),
        }
    }
}

impl CompareReport {
    /// One line for an event log: the verdict and what is missing.
    #[must_use]
    pub fn one_line(&self) -> String {
        let verdict = &self.verdict;
        match (verdict, self.time_missing()) {
            (Verdict::Inconclusive { .. }, Some(time)) => {
                format!(
                    "{}: {verdict}, about {} at this rate",
                    self.mirror,
                    Time(time)
                )
            }
            _ => format!("{}: {verdict}", self.mirror),
        }
    }
}
