//! `Comparer`: three answers to one request, and what counts against the shadow and the baseline.

use std::{collections::HashSet, fmt};

use http::StatusCode;

use super::{
    answer::{Answer, End},
    body,
    found::{Entry, Found, Mark},
    head,
    json::TooCostly,
    kind::Kind,
    names::{Names, PathId},
    path::Path,
    reason::{NotCompared, NotJudged},
    rules::Rules,
};

/// Compares the three answers to each request, and keeps the names of the paths that differed.
///
/// No value of an answer is kept. The name of a JSON key or of a cookie is kept once it was seen in five requests; a
/// key that looks like an identifier, and each new key of an object that has shown 64 different keys already, is `{key}`.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_mirror::compare::{Answer, Comparer, Kind, Rules};
///
/// let answer = |body: String| {
///     let answer = Response::builder().header("content-type", "application/json");
///     Answer::from(answer.body(Bytes::from(body)).unwrap())
/// };
/// let mut comparer = Comparer::new(Rules::default());
/// for request in 0..5 {
///     // The time differs in each answer, and is cancelled. Only the shadow has an image.
///     let time = |offset| format!(r#"{{"time": {}}}"#, 10 * request + offset);
///     let shadow = format!(r#"{{"time": {}, "image": "x.png"}}"#, 10 * request + 1);
///     let (primary, shadow, baseline) = (answer(time(0)), answer(shadow), answer(time(2)));
///     let compared = comparer.compare(&primary, &shadow, Some(&baseline)).unwrap();
///     let (path, kind) = compared.shadow_only[0];
///     assert_eq!(kind, Kind::Added);
///     assert!(compared.baseline_only.is_empty());
///     // The name is known to the report from the fifth request on.
///     let shown = if request < 4 { "/{key}" } else { "/image" };
///     assert_eq!(comparer.path(path), shown);
/// }
/// ```
pub struct Comparer {
    rules: Rules,
    names: Names,
}

/// What differs in the answers to one request. Each list has a path and kind once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// What differs between primary and shadow, and not between primary and baseline.
    pub shadow_only: Vec<(PathId, Kind)>,
    /// What differs between primary and baseline, and not between primary and shadow.
    pub baseline_only: Vec<(PathId, Kind)>,
    /// What differs in both, and is cancelled.
    pub both: Vec<(PathId, Kind)>,
    /// What differs between primary and shadow, and is expected.
    pub expected: Vec<(PathId, Kind)>,
    /// Why only the heads were compared.
    pub not_judged: Option<NotJudged>,
    /// Whether no value of the bodies could have shown a difference: only the heads were compared, or a copy has no equal value,
    /// message or part in its body, so that at most the shapes were compared.
    pub is_blind: bool,
}

impl Comparer {
    /// A comparer that has not seen a request yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            names: Names::new(),
        }
    }

    /// Compares the answers to one request. Without a baseline, every difference is the shadow's.
    ///
    /// Shadow and baseline are treated in exactly the same way: to exchange them exchanges `shadow_only` and `baseline_only`.
    ///
    /// # Errors
    ///
    /// [`NotCompared`] if the request says nothing about the shadow. It is to be left out for all three.
    pub fn compare(
        &mut self,
        primary: &Answer,
        shadow: &Answer,
        baseline: Option<&Answer>,
    ) -> Result<Compared, NotCompared> {
        check(primary, [Some(shadow), baseline])?;
        let copies = [Some(shadow), baseline].into_iter().flatten();
        let not_judged = copies.clone().find_map(|copy| not_judged(primary, copy));
        let mut pairs = Vec::with_capacity(2);
        let mut is_blind = not_judged.is_some();
        for copy in copies {
            let (found, mark) = pair(primary, copy, &self.rules, &self.names, not_judged)?;
            is_blind |= found.is_blind(mark);
            pairs.push(found.into_entries());
        }
        let moved = self.names.record(pairs.iter().flatten().collect());
        let mut sets = pairs.iter().map(|entries| Set::new(entries, &moved));
        let (shadow, baseline) = (
            sets.next().unwrap_or_default(),
            sets.next().unwrap_or_default(),
        );
        Ok(Compared {
            shadow_only: shadow.without(&baseline),
            baseline_only: baseline.without(&shadow),
            both: shadow
                .judged
                .iter()
                .copied()
                .filter(|d| baseline.has(d))
                .collect(),
            expected: shadow.expected,
            not_judged,
            is_blind,
        })
    }

    /// The path as a report may show it: JSON keys with fewer than five requests are `{key}`, and paths
    /// that did not fit into the limits are `:other`.
    #[must_use]
    pub fn path(&self, path: PathId) -> String {
        self.names.path(path)
    }
}

impl fmt::Debug for Comparer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Comparer");
        debug
            .field("rules", &self.rules)
            .field("names", &self.names);
        debug.finish()
    }
}

/// The differences of a pair under the identities that are counted.
#[derive(Default)]
struct Set {
    judged: Vec<(PathId, Kind)>,
    expected: Vec<(PathId, Kind)>,
    index: HashSet<(PathId, Kind)>,
}

impl Set {
    fn new(entries: &[Entry], moved: &[(PathId, PathId)]) -> Self {
        let mut set = Self::default();
        for entry in entries {
            let counted = moved.iter().find(|(found, _)| *found == entry.id);
            let difference = (
                counted.map_or(entry.id, |(_, counted)| *counted),
                entry.kind,
            );
            if entry.is_expected {
                if !set.expected.contains(&difference) {
                    set.expected.push(difference);
                }
            } else if set.index.insert(difference) {
                set.judged.push(difference);
            }
        }
        set
    }

    fn has(&self, difference: &(PathId, Kind)) -> bool {
        self.index.contains(difference)
    }

    fn without(&self, other: &Self) -> Vec<(PathId, Kind)> {
        let own = self.judged.iter().copied();
        own.filter(|difference| !other.has(difference)).collect()
    }
}

fn check(primary: &Answer, copies: [Option<&Answer>; 2]) -> Result<(), NotCompared> {
    match primary.end {
        End::Whole | End::Streaming => {}
        End::Cut | End::TooLong | End::NoAnswer => return Err(NotCompared::PrimaryIncomplete),
    }
    let is_refusal = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if is_refusal.contains(&primary.status) {
        return Err(NotCompared::PrimaryRefused);
    }
    let is_conditional = [StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT];
    let mut all = copies.into_iter().flatten().chain([primary]);
    if all.any(|answer| is_conditional.contains(&answer.status)) {
        return Err(NotCompared::Conditional);
    }
    Ok(())
}

pub(super) fn not_judged(a: &Answer, b: &Answer) -> Option<NotJudged> {
    match (a.end, b.end) {
        (End::Streaming, _) | (_, End::Streaming) => Some(NotJudged::Streaming),
        (End::Whole, End::Whole) if body::is_encoded(a, b) => Some(NotJudged::Encoded),
        _ => None,
    }
}

/// The differences, and where those of the bodies begin.
pub(super) fn pair<'n>(
    primary: &Answer,
    copy: &Answer,
    rules: &'n Rules,
    names: &'n Names,
    not_judged: Option<NotJudged>,
) -> Result<(Found<'n>, Mark), NotCompared> {
    let mut found = Found::new(names, &rules.expected);
    let mark = found.mark();
    if copy.end == End::NoAnswer {
        found.report(&Path::fixed(":no answer"), Kind::Removed);
        return Ok((found, mark));
    }
    head::compare(primary, copy, rules, &mut found);
    let mut mark = found.mark();
    match copy.end {
        End::Cut => found.report(&Path::fixed(":cut"), Kind::Removed),
        End::TooLong => found.report(&Path::fixed(":too long"), Kind::Length),
        _ if not_judged.is_some() => {}
        _ => {
            if body::has_grpc(primary) {
                head::grpc_status(primary, copy, &mut found);
                mark = found.mark();
            }
            let compared = body::compare(primary, copy, rules, &mut found);
            compared.map_err(|TooCostly| NotCompared::TooCostly)?;
        }
    }
    Ok((found, mark))
}
